"""Consent before each unit's first motion: asked in time, once, and whatever is not a yes ends the run at rest."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from embodied_agent.consent import AGREED, DECLINED, ENDED, SILENT, TASK, UNIT, Question
from embodied_agent.errors import BadInput, PlannerError

pytest.importorskip("mujoco", reason="the arm's geometry needs mujoco")

from rich.console import Console

from embodied_agent.account import Account
from embodied_agent.agent import Agent, Budgets, Listeners
from embodied_agent.cli import main
from embodied_agent.console.consenting import TerminalConsent, check_confirm
from embodied_agent.console.live import LiveTree
from embodied_agent.planners.planner import Plan, PlanRequest
from embodied_agent.program.events import Event
from embodied_agent.program.parse import parse
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.fake import FakeBackend
from embodied_agent.types import Command, Detection, Frame, Grounding, JointTrajectory

FIRST, SECOND = 'unit("first")', 'unit("second")'
TWO = """\
with task("two units"):
    say("outside")
    with unit("first"):
        say("inside")
        home()
        home()
    with unit("second"):
        home()
"""
Ask = Callable[[Question], str]


class Scribe:
    """Writes one program, once."""

    name = "scribe"

    def __init__(self, program: str) -> None:
        self.program = program

    def plan(self, request: PlanRequest) -> Plan:
        if request.failures:
            raise PlannerError("no other")
        return Plan(self.program)


class Blind:
    """Sees nothing."""

    def detect(self, frame: Frame) -> list[Detection]:
        return []

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        return Grounding((), ambiguous=False, confidence=1.0)


class Scene:
    """An agent, and somebody who jogs the arm away from home whenever a unit begins, so that `home()` moves it."""

    def __init__(self, program: str, *answers: str | Ask, budgets: Budgets | None = None) -> None:
        self.backend = FakeBackend(load_robot("panda"))
        self.agent = Agent(self.backend, Scribe(program), Blind(), budgets=budgets)
        self.answers = list(answers)
        self.asked: list[str] = []
        self.moved = 0  # trajectories that were followed
        self.moved_when_asked: list[int] = []

    def run(self, kind: str = UNIT) -> Account:
        return self.agent.run(
            Command("go"),
            listeners=Listeners(event=self.event, following=self.follows, consent=self.person, consent_for=kind),
        )

    def event(self, event: Event) -> None:
        if event.kind == "started" and event.level in ("task", "unit"):
            self.backend._positions[0] = load_robot("panda").home[0] - 0.2

    def follows(self, trajectory: JointTrajectory) -> None:
        self.moved += 1

    def person(self, question: Question) -> str:
        self.asked.append(question.what)
        self.moved_when_asked.append(self.moved)
        answer = self.answers.pop(0)
        return answer if isinstance(answer, str) else answer(question)


def test_each_unit_is_asked_for_once_right_before_its_first_motion() -> None:
    scene = Scene(TWO, AGREED, AGREED)
    account = scene.run()
    assert account.verdict == "done"
    assert scene.asked == [FIRST, SECOND]
    assert scene.moved_when_asked == [0, 1]
    assert account.remarks == ("outside", "inside")  # what moves nothing needs no consent
    assert account.timings["asked_s"] is not None


def test_the_answer_for_one_unit_does_not_count_for_the_next() -> None:
    scene = Scene(TWO, AGREED, DECLINED)
    account = scene.run()
    assert (account.verdict, account.message) == ("cancelled", f"the person declined {SECOND}")
    assert scene.moved == 1
    assert [node.kind for node in account.nodes if node.label == SECOND] == ["cancelled"]


@pytest.mark.parametrize(
    ("answer", "words"), [(SILENT, "nobody agreed"), (ENDED, "ended"), (DECLINED, "declined")]
)
def test_whatever_is_no_yes_moves_nothing(answer: str, words: str) -> None:
    scene = Scene(TWO, answer)
    account = scene.run()
    assert account.verdict == "cancelled"
    assert words in account.message and FIRST in account.message
    assert (scene.moved, account.timings["command_to_motion_s"]) == (0, None)


def test_a_motion_outside_of_any_unit_is_asked_for_as_the_task() -> None:
    scene = Scene('with task("bare"):\n    home()\n', AGREED)
    assert scene.run().verdict == "done"
    assert scene.asked == ['task("bare")']


def test_a_unit_that_is_entered_again_is_asked_for_again() -> None:
    program = """\
with task("again"):
    with retry(times=2):
        with unit("first"):
            home()
            find("red cube")
"""
    scene = Scene(program, AGREED, AGREED)
    assert scene.run().verdict == "failed"
    assert scene.asked == [FIRST, FIRST]


def test_a_unit_within_another_is_asked_for_by_its_own_name() -> None:
    program = """\
with task("nested"):
    with unit("first"):
        with unit("second"):
            home()
"""
    scene = Scene(program, DECLINED)
    scene.run()
    assert scene.asked == [SECOND]


def test_consent_for_the_task_asks_once_before_anything_runs() -> None:
    scene = Scene(TWO, AGREED)
    assert scene.run(TASK).verdict == "done"
    assert scene.asked == ["the program"]


def test_without_consent_nobody_is_asked() -> None:
    scene = Scene(TWO)
    assert scene.run("none").verdict == "done"
    assert "asked_s" not in scene.run("none").timings


def test_a_stop_while_a_unit_waits_holds_the_arm_whatever_is_answered_then() -> None:
    def pressed(question: Question) -> str:
        scene.agent.supervisor.stop("the button was pressed")
        return AGREED

    scene = Scene(TWO, pressed)
    account = scene.run()
    assert (account.verdict, scene.moved) == ("stopped", 0)
    assert "the button was pressed" in account.message


def test_a_cancel_while_a_unit_waits_moves_nothing_whatever_is_answered_then() -> None:
    def cancelled(question: Question) -> str:
        scene.agent.cancel.set()
        return AGREED

    scene = Scene(TWO, cancelled)
    assert (scene.run().verdict, scene.moved) == ("cancelled", 0)


def test_how_long_a_person_thinks_ends_no_run() -> None:
    def thinks(question: Question) -> str:
        scene.backend.wait(500.0)
        return AGREED

    scene = Scene(TWO, thinks, thinks, budgets=Budgets(robot_seconds=20.0))
    assert scene.run().verdict == "done"
    assert scene.backend.now() > 1000.0


# -- on the terminal


@pytest.mark.parametrize(
    ("typed", "answer"), [("y\n", AGREED), ("n\n", DECLINED), ("\n", DECLINED), ("", DECLINED)]
)
def test_only_a_yes_on_the_terminal_lets_the_robot_move(
    typed: str, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    shown = io.StringIO()
    console = Console(file=shown)
    unit = Event("started", "1.1", 'unit("[red] mug")', "unit", 2)
    assert TerminalConsent(console, LiveTree(console))(Question(parse(TWO), unit)) == answer
    assert 'May the robot move for unit("[red] mug")?' in shown.getvalue()


def test_a_question_that_is_interrupted_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupted)
    console = Console(file=io.StringIO())
    asks = TerminalConsent(console, LiveTree(console))
    assert asks(Question(parse(TWO))) == ENDED
    assert not asks.asking


def test_confirming_without_a_terminal_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(BadInput, match="asks on the terminal"):
        check_confirm("unit")
    check_confirm("none")
    with pytest.raises(BadInput, match="it is none, task or unit"):
        check_confirm("units")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--confirm", "unit", "error: --confirm unit asks on the terminal"),
        ("--confirm", "always", "error: --confirm 'always': it is none, task or unit"),
        ("--speed-scale", "0", "error: --speed-scale 0 is outside 0.01 to 1"),
        ("--speed-scale", "nan", "error: --speed-scale nan is outside 0.01 to 1"),
    ],
)
def test_options_that_cannot_be_kept_end_in_one_line(
    option: str,
    value: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["run", "put the red cube in the bowl", option, value]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(words)
