"""A base that drives: who may call it, what it leaves behind, and what is proved of it before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("mujoco")
from test_agent_loop import Blind, Scribe, task

from embodied_agent.agent import Agent
from embodied_agent.control.safety import FOLDED, Supervisor
from embodied_agent.control.trajectory import parameterize
from embodied_agent.errors import Cancelled, ProgramError, SafetyStop
from embodied_agent.library import library
from embodied_agent.primitives.arm import Arm
from embodied_agent.primitives.context import Context, Held
from embodied_agent.primitives.view import View
from embodied_agent.program.check import check
from embodied_agent.program.parse import parse
from embodied_agent.program.reference import reference
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.fake import FakeBackend
from embodied_agent.types import Command, Detection, Frame, Grounding, Pose

PANDA = load_robot("panda")
PLACES = ("kitchen", "dock")


class Eyes(Blind):
    """Sees one thing in the middle of every picture."""

    def detect(self, frame: Frame) -> list[Detection]:
        mask = np.zeros(frame.rgb.shape[:2], bool)
        mask[230:250, 310:330] = True
        return [Detection(mask, "plate", "white", 0.9)]

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        return Grounding(tuple(self.detect(frame)), ambiguous=False, confidence=0.9, words=phrase)


@pytest.fixture
def robot() -> Iterator[FakeBackend]:
    with FakeBackend(PANDA, places=PLACES) as backend:
        yield backend


def said(*lines: str, places: tuple[str, ...] = PLACES, before: str = "") -> list[str]:
    """What the check says about a task; [] = nothing."""
    try:
        check(parse(before + task(*lines)), library(places).signatures)
    except ProgramError as error:
        return [problem.message for problem in error.problems]
    return []


def test_only_a_robot_that_drives_is_told_that_it_can() -> None:
    assert "drive_to" not in library().signatures
    assert 'one of "kitchen", "dock"' in reference(library(PLACES).for_planner)
    assert not said('drive_to("kitchen")')
    assert "there is no drive_to" in said('drive_to("kitchen")', places=())[0]
    assert "kitchen" in said('drive_to("cellar")')[0]


def test_a_pose_of_the_place_before_cannot_be_used_after_a_drive() -> None:
    before = ("spot = spot_at(1)", 'plate = find("plate")')
    use = "ensure(is_at(plate, spot))"
    assert not said(*before, use)
    (problem,) = said(*before, 'drive_to("kitchen")', use)
    assert problem == "spot was measured before the base drove; ask for it again here"
    assert not said(*before, 'drive_to("kitchen")', "spot = spot_at(1)", use)
    looped = ('while exists("plate"):', f"    {use}", '    drive_to("dock")')
    assert "before the base drove" in said(*before, *looped)[0]


def test_a_function_does_not_drive() -> None:
    function = 'def away():\n    drive_to("dock")\n\n'
    assert "in the task only" in said("away()", before=function)[0]


def test_a_command_drives_folds_the_arm_first_and_says_where_it_is(robot: FakeBackend) -> None:
    lines = ('with unit("base"):', '    drive_to("kitchen")')
    account = Agent(robot, Scribe(task(*lines)), Blind()).run(Command("go to the kitchen"))
    assert (account.verdict, robot.place) == ("done", "kitchen")
    node = next(node for node in account.nodes if node.label.startswith("drive_to"))
    assert node.evidence["place"] == "kitchen" and node.evidence["took_s"] == pytest.approx(1.0, abs=0.02)


def test_a_thing_that_was_found_before_a_drive_is_not_used_after_it(robot: FakeBackend) -> None:
    lines = ('plate = find("plate")', 'drive_to("dock")', "ensure(is_beside(plate, plate))")
    account = Agent(robot, Scribe(task(*lines)), Eyes()).run(Command("bring it"))
    assert account.verdict == "failed"
    assert "'plate' was found before the base drove; find it again here" in account.message
    again = ('plate = find("plate")', 'drive_to("dock")', 'plate = find("plate")', "position_of(plate)")
    found = Agent(robot, Scribe(task(*again[:3])), Eyes()).run(Command("bring it"))
    assert found.verdict == "done", found.message


def test_what_the_hand_holds_comes_along_and_is_known_when_it_was_put_down(robot: FakeBackend) -> None:
    arm = Arm(Supervisor(robot))
    context = Context(arm, View(arm, Eyes(), "overhead"), Command("bring it"))
    context.view.look()
    (plate,) = context.view.scene.objects
    context.held = Held(plate, Pose(np.zeros(3)), 0.02)
    assert arm.drive("dock").ok
    context.leave()
    assert context.left_behind([plate]) == ""
    context.held = None  # it was let go of here, and no camera has looked yet
    assert context.left_behind([plate, 3, "word"]) == ""
    context.leave()
    assert "'plate' was found before" in context.left_behind([plate])


def test_a_clicked_point_means_nothing_at_another_place(robot: FakeBackend) -> None:
    lines = ('drive_to("dock")', "thing = find_at(1)")
    account = Agent(robot, Scribe(task(*lines)), Eyes()).run(Command("that", points=((320.0, 240.0),)))
    assert "before the base drove" in account.message


def test_a_base_does_not_drive_with_the_arm_stretched_out(robot: FakeBackend) -> None:
    supervisor = Supervisor(robot)
    goal = PANDA.home_positions + np.eye(7)[0] * (FOLDED + 0.1)
    supervisor.follow(parameterize(PANDA, np.stack([PANDA.home_positions, goal]), 0.5))
    motion = supervisor.drive("dock")
    assert not motion.completed and "from the folded arm" in motion.reason and robot.place == ""


def test_a_drive_is_supervised_as_any_motion(robot: FakeBackend) -> None:
    supervisor = Supervisor(robot)
    assert "none of the places" in supervisor.drive("cellar").reason
    supervisor.stop("enough")
    with pytest.raises(SafetyStop):
        supervisor.drive("dock")
    supervisor.reset()

    def deny() -> None:
        raise Cancelled("nobody agreed")

    supervisor.permit = deny
    with pytest.raises(Cancelled):
        supervisor.drive("dock")
    assert robot.place == ""


def test_a_cancel_ends_a_drive_on_its_way(robot: FakeBackend) -> None:
    until = robot.now() + 0.3
    supervisor = Supervisor(robot, cancelled=lambda: robot.now() > until)
    motion = supervisor.drive("dock")
    assert not motion.completed and motion.reason == "cancelled" and motion.duration < 0.4 and robot.place == ""
