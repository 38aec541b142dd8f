"""What a repaired program begins with when the hand holds something already."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embodied_agent import agent
from embodied_agent.agent import Agent, Budgets, Listeners
from embodied_agent.planners.builtin import _tried_again
from embodied_agent.planners.planner import Failure, Plan, PlanRequest
from embodied_agent.primitives.context import Context, Held
from embodied_agent.program.events import Outcome
from embodied_agent.program.parse import parse
from embodied_agent.program.render import render
from embodied_agent.program.repair import Handled, already_done, beginning_with, handled_first
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.fake import FakeBackend
from embodied_agent.types import Command, Detection, Frame, Grounding, Object, Pose

PICK = ['cube = find("red cube")', "pick(cube)"]
OTHER = ['drawer = find("top drawer")', "open(drawer)"]
SKILLS = ("pick", "place", "open")


class Scribe:
    """Gives out prepared programs in order."""

    name = "scribe"

    def __init__(self, *programs: str) -> None:
        self.programs = list(programs)

    def plan(self, request: PlanRequest) -> Plan:
        return Plan(self.programs.pop(0))


class Blind:
    """Sees nothing."""

    def detect(self, frame: Frame) -> list[Detection]:
        return []

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        return Grounding((), ambiguous=False, confidence=1.0)


def task(*lines: str) -> str:
    return "\n".join(['with task("try"):', *("    " + line for line in lines)]) + "\n"


def planned(monkeypatch: pytest.MonkeyPatch, kind: str, between: float, *programs: str) -> tuple[list[str], Any]:
    """The programs that ran, where the hand of a first, failing one held a thing; and its context."""
    contexts: list[Context] = []

    def made(*arguments: Any) -> Context:
        context = Context(*arguments)
        cloud = np.random.default_rng(0).uniform(-0.02, 0.02, (200, 3)) + np.array([0.4, 0.1, 0.2])
        thing = Object(
            "cube-1", "red cube", kind, "red", Pose(cloud.mean(axis=0)), np.full(3, 0.04), cloud, 1.0, 0.0
        )
        context.held = Held(thing, Pose(np.zeros(3), np.array([0.0, 1.0, 0.0, 0.0])), 0.04)  # pointing down
        contexts.append(context)
        return context

    monkeypatch.setattr(agent, "Context", made)
    ran: list[str] = []
    with FakeBackend(load_robot("panda"), blocks=between) as robot:
        robot.grip(0.0, 30.0)
        mind = Agent(robot, Scribe(*programs), Blind(), budgets=Budgets(plans=len(programs)))
        mind.run(Command("try"), listeners=Listeners(planned=lambda program, plan: ran.append(render(program))))
    return ran, contexts[0]


def test_a_repair_about_something_else_puts_down_first_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    ran, context = planned(monkeypatch, "cube", 0.04, task(*OTHER), task(*OTHER))
    assert ran == [task(*OTHER), task("_set_down()", *OTHER)]
    assert context.held is None


@pytest.mark.parametrize("lines", [PICK, ['cube = find("red cube")', 'with unit("cube"):', "    pick(cube)"]])
def test_a_repair_that_picks_the_held_thing_goes_on_with_it(
    monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    ran, _ = planned(monkeypatch, "cube", 0.04, task(*OTHER), task(*lines))
    assert ran[1] == task(*lines)


def test_what_was_lost_on_the_way_is_not_put_down(monkeypatch: pytest.MonkeyPatch) -> None:
    ran, context = planned(monkeypatch, "cube", 0.0, task(*OTHER), task(*OTHER))
    assert ran[1] == task(*OTHER)
    assert context.held is None


def test_a_handle_is_let_go_of_and_not_put_down(monkeypatch: pytest.MonkeyPatch) -> None:
    ran, _ = planned(monkeypatch, "drawer", 0.04, task(*OTHER), task(*OTHER))
    assert ran[1] == task(*OTHER)


def declined_after(folded: bool) -> Any:
    """What is told where a program begins with `home()` and fails, and its repair declines."""
    robot = load_robot("panda")
    away = robot if folded else replace(robot, home=tuple(q + 0.1 for q in robot.home))
    with FakeBackend(away) as backend:
        backend.description = robot
        programs = task("home()", *OTHER), task('refuse("there is no drawer here")')
        mind = Agent(backend, Scribe(*programs), Blind(), budgets=Budgets(plans=2))
        return mind.run(Command("try"))


def test_a_repair_that_declines_does_not_undo_what_moved_and_failed() -> None:
    told = declined_after(folded=False)
    assert told.verdict == "failed"
    assert "top drawer" in told.message and told.message.endswith("then: there is no drawer here")


def test_a_repair_that_declines_before_anything_moved_is_the_answer() -> None:
    told = declined_after(folded=True)
    assert (told.verdict, told.message) == ("refused", "there is no drawer here")


def test_the_first_skill_tells_its_variable_and_the_phrase_that_found_it() -> None:
    program = parse(task('cube = find("red cube")', 'if exists("bowl"):', "    pick(object=cube)"))
    assert handled_first(program, frozenset(), SKILLS) == Handled("pick", "cube", "red cube")
    assert handled_first(program, frozenset({"1.2"}), SKILLS) == Handled()


def test_a_statement_is_put_in_after_what_was_done() -> None:
    program = beginning_with(parse(task('say("a")', 'say("b")')), "_set_down", 1)
    assert render(program) == task('say("a")', "_set_down()", 'say("b")')
    assert [statement.path for statement in program.task.body] == ["1.1", "1.2", "1.3"]


def test_units_that_were_done_stay_done_but_the_arm_goes_home_again() -> None:
    program = parse(task("home()", 'drawer = find("top drawer")', "open(drawer)", *PICK))
    failed = Outcome.__new__(Outcome)
    object.__setattr__(failed, "path", "1.5")
    assert already_done(program, program, failed) == {"1.2", "1.3", "1.4"}
    repaired = parse(task("home()", 'drawer = find("top drawer")', "open(drawer)", *PICK))
    last = parse(task('drawer = find("top drawer")', "open(drawer)", *PICK))
    object.__setattr__(failed, "path", "1.4")
    assert already_done(repaired, last, failed) == {"1.2", "1.3", "1.4"}  # home() before them changes nothing


def test_a_repair_of_the_built_in_model_that_gives_up_is_the_failed_program_from_home() -> None:
    def repaired(program: str, last: str, line: int = 3) -> str:
        return _tried_again(program, (Failure(last, "pick(cube)", line, "it slipped"),))

    given_up, last = task('refuse("there is no red cube here")'), task(*PICK)
    assert repaired(given_up, last) == task("home()", *PICK)
    assert repaired(given_up, task("home()", *PICK)) == task("home()", *PICK)
    assert repaired(task(*OTHER), last) == task(*OTHER)
    assert repaired(given_up, task('ask("which one?")')) == given_up
    assert repaired(given_up, last, line=0) == given_up  # it never ran
    assert _tried_again(given_up, ()) == given_up
