"""The agent's loop on the fake robot: refusal, repair from the failed unit, cancel, and bad commands."""

from collections.abc import Iterator

import numpy as np
import pytest

from embodied_agent.agent import Agent, Budgets, Listeners, checked_command
from embodied_agent.consent import DECLINED, TASK
from embodied_agent.errors import CommandRefused, PlannerError
from embodied_agent.planners.planner import Plan, PlanRequest
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.fake import FakeBackend
from embodied_agent.types import Command, Detection, Frame, Grounding


class Scribe:
    """Gives out prepared programs in order, and keeps the requests."""

    name = "scribe"

    def __init__(self, *programs: str) -> None:
        self.programs = list(programs)
        self.requests: list[PlanRequest] = []

    def plan(self, request: PlanRequest) -> Plan:
        self.requests.append(request)
        text = self.programs[min(len(self.requests), len(self.programs)) - 1]
        return Plan(text, timings={"total_s": 1e6, "decode_s": 0.25})


class Blind:
    """Sees nothing."""

    def detect(self, frame: Frame) -> list[Detection]:
        return []

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        return Grounding((), ambiguous=False, confidence=1.0)


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    with FakeBackend(load_robot("panda")) as robot:
        yield robot


def task(*lines: str) -> str:
    return "\n".join(['with task("try"):', *("    " + line for line in lines)]) + "\n"


def test_a_refusal_moves_nothing(backend: FakeBackend) -> None:
    start = backend.state().positions.copy()
    account = Agent(backend, Scribe(task('refuse("there is no green mug here")')), Blind()).run(Command("mug!"))
    assert (account.verdict, account.message) == ("refused", "there is no green mug here")
    assert account.timings["command_to_motion_s"] is None
    assert np.allclose(backend.state().positions, start)


def test_a_question_is_passed_on(backend: FakeBackend) -> None:
    account = Agent(backend, Scribe(task('ask("which cube?")')), Blind()).run(Command("the cube"))
    assert (account.verdict, account.message) == ("asked", "which cube?")


def test_a_program_that_fails_the_check_goes_back_with_its_problems(backend: FakeBackend) -> None:
    scribe = Scribe(task("fly(1)"), task('say("hello")'))
    account = Agent(backend, scribe, Blind()).run(Command("hello"))
    assert account.verdict == "done"
    assert "fly" in scribe.requests[1].failures[0].reason
    assert account.remarks == ("hello",)


def test_a_planner_that_never_writes_a_good_program_is_an_error(backend: FakeBackend) -> None:
    with pytest.raises(PlannerError, match="none of which passes"):
        Agent(backend, Scribe(task("fly(1)")), Blind(), budgets=Budgets(plans=2)).run(Command("fly"))


def test_a_failure_tells_node_reason_and_evidence(backend: FakeBackend) -> None:
    account = Agent(backend, Scribe(task('cube = find("red cube")')), Blind(), budgets=Budgets(plans=1)).run(
        Command("find it")
    )
    assert account.verdict == "failed"
    assert account.message == "cube = find(\"red cube\"): found no 'red cube' in the image"


def test_a_repair_does_not_repeat_what_was_done(backend: FakeBackend) -> None:
    first = task('with unit("greeting"):', '    say("hello")', 'with unit("cube"):', '    find("red cube")')
    second = task('with unit("greeting"):', '    say("hello")', 'with unit("cube"):', '    say("gone")')
    account = Agent(backend, Scribe(first, second), Blind()).run(Command("greet and find"))
    assert account.verdict == "done"
    assert account.remarks == ("hello", "gone")


def test_cancel_ends_the_run_and_keeps_its_nodes(backend: FakeBackend) -> None:
    agent = Agent(backend, Scribe(task('say("one")', "wait(seconds=5)", 'say("two")')), Blind())
    account = agent.run(
        Command("wait"), listeners=Listeners(event=lambda e: agent.cancel.set() if "wait" in e.label else None)
    )
    assert account.verdict == "cancelled"
    assert account.remarks == ("one",)
    assert any(node.kind == "cancelled" for node in account.nodes)


def test_no_consent_no_motion(backend: FakeBackend) -> None:
    account = Agent(backend, Scribe(task('say("moving")')), Blind()).run(
        Command("go"), listeners=Listeners(consent=lambda question: DECLINED, consent_for=TASK)
    )
    assert (account.verdict, account.message) == ("cancelled", "the person declined the program")
    assert account.remarks == ()


def test_the_total_time_is_the_runs_and_not_the_planners(backend: FakeBackend) -> None:
    account = Agent(backend, Scribe(task('say("hello")')), Blind()).run(Command("hello"))
    assert account.timings["total_s"] is not None and account.timings["total_s"] < 1000
    assert account.timings["decode_s"] == 0.25


@pytest.mark.parametrize("text", ["", "   \n", "?!", "\x00\x01\x02", "a" * 2001, "put \ufffd\ufffd there"])
def test_text_that_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(CommandRefused):
        checked_command(Command(text))


def test_white_space_in_a_command_is_tidied() -> None:
    assert checked_command(Command("  put \n it\tthere ")).text == "put it there"
