"""The hand leans where pointing down does not reach, and leaves as the joints allow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embodied_agent.control.safety import Supervisor
from embodied_agent.perception.grasps import propose
from embodied_agent.perception.hand import Hand
from embodied_agent.primitives import articulate
from embodied_agent.primitives.arm import Arm
from embodied_agent.primitives.context import Context, Held
from embodied_agent.primitives.far import CANDIDATES, far_from, outward_turn, suited
from embodied_agent.primitives.move import CLEARANCE, leaning
from embodied_agent.primitives.perceive import find
from embodied_agent.primitives.put import needs_other_grasp
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.fake import FakeBackend
from embodied_agent.types import Command, Grounding, Joint, JointTrajectory, Object, Pose, Result

NOTHING = np.zeros((0, 3))
UP = np.array([0.0, 0.0, 1.0])
FAR = Pose(np.array([0.74, 0.1, 0.135]))  # on a shelf


def arm_of(robot: str) -> Arm:
    return Arm(Supervisor(FakeBackend(load_robot(robot))))


def cube(position: tuple[float, float, float] = (0.5, 0.0, 0.02), description: str = "red cube") -> Object:
    grid = np.linspace(-0.02, 0.02, 9)
    cloud = np.stack(np.meshgrid(grid, grid, grid), axis=-1).reshape(-1, 3)
    cloud = cloud[np.abs(cloud).max(axis=1) > 0.019] + position
    return Object(
        "cube-1", description, "cube", "red", Pose(np.array(position)), np.full(3, 0.04), cloud, 1.0, 0.0
    )


def test_a_shelf_out_of_reach_of_a_hand_pointing_down_is_served_by_one_that_leans() -> None:
    arm, thing = arm_of("xarm6"), cube()
    down = arm.pointing_down(thing.position)
    tool = FAR @ thing.pose.inverse() @ down
    index, reason = arm.first_placeable([tool], NOTHING, None, CLEARANCE)
    assert index is None and "out of reach" in reason
    far = far_from("shelf-1", [FAR], down.inverse() @ thing.pose, reason)
    grasps = propose(thing, Hand.of(arm.description.gripper), best=CANDIDATES)
    found = suited(arm, grasps, thing, far, NOTHING, CLEARANCE)
    assert found
    for grasp in found:
        assert 0.25 < np.arccos(-grasp.pose.rotation[2, 2]) < 1.25
        assert arm.first_reachable([grasp], NOTHING, 0.1)[0] is grasp


def test_a_leaning_hand_is_turned_away_from_the_robot_and_an_upright_one_is_not() -> None:
    down = arm_of("panda").pointing_down(np.array([0.5, 0.0, 0.1]))
    tips_to_the_left = leaning(down, np.array([0.0, 1.0, 0.0]), 0.6)
    assert outward_turn(tips_to_the_left, np.array([0.7, 0.0, 0.1])) == pytest.approx(-np.pi / 2)
    assert outward_turn(down, np.array([0.7, 0.0, 0.1])) == 0.0


def test_leaning_puts_the_finger_tips_ahead() -> None:
    down = arm_of("panda").pointing_down(np.array([0.5, 0.0, 0.1]))
    forward = np.array([1.0, 0.0, 0.0])
    tilted = leaning(down, forward, 0.4)
    assert tilted.rotation[:, 2] @ forward == pytest.approx(np.sin(0.4))
    np.testing.assert_allclose(tilted.position, down.position)


@pytest.mark.parametrize(("robot", "outside"), [("panda", 0.72), ("xarm6", 0.66)])
def test_a_hand_at_the_edge_of_its_reach_still_gets_away(robot: str, outside: float) -> None:
    arm = arm_of(robot)
    for x in np.arange(outside, 0.5, -0.02):  # as far out as the arm gets
        if arm.move_to(arm.pointing_down(np.array([x, 0.0, 0.12])), NOTHING).ok:
            break
    start = arm.tool_pose().position
    there = arm.move_clear(0.3 * UP, speed=0.4)
    assert there.ok, there.reason
    assert np.linalg.norm(arm.tool_pose().position - start) > 0.05


def test_a_free_hand_leaves_straight() -> None:
    arm = arm_of("panda")
    assert arm.move_to(arm.pointing_down(np.array([0.5, 0.0, 0.1])), NOTHING).ok
    start = arm.tool_pose()
    assert arm.move_clear(0.1 * UP, speed=0.4).ok
    np.testing.assert_allclose(arm.tool_pose().position, start.position + 0.1 * UP, atol=2e-3)
    np.testing.assert_allclose(arm.tool_pose().rotation, start.rotation, atol=0.02)


class Seen:
    """A view of one handle, in which nothing moves."""

    scene: Any = None

    def __init__(self, item: Object) -> None:
        self.item, self.looks = item, 0

    def handle_of(self, part: Object) -> Object:
        return self.item

    def find(self, phrase: str) -> tuple[tuple[Object, ...], Grounding]:
        self.looks += 1
        return (self.item,), Grounding((), ambiguous=False, confidence=1.0)

    def known(self, item: Object) -> Object:
        return item


def context(view: Any, arm: Any = None) -> Context:
    return Context(arm, view, Command("do it"))


def held(item: Object) -> Held:
    return Held(item, Pose(np.zeros(3)), 0.04)


def test_another_grasp_is_needed_only_while_the_thing_is_held_as_it_could_not_be_put() -> None:
    run, thing = context(Seen(cube())), cube()
    assert not needs_other_grasp(run, thing).value
    run.held = held(thing)
    run.far[thing.id] = far_from("shelf-1", [FAR], run.held.tool_from_object, "too far")
    assert needs_other_grasp(run, thing).value
    run.held = Held(thing, Pose(np.array([0.0, 0.0, 0.02])), 0.04)
    assert not needs_other_grasp(run, thing).value


def test_a_handle_out_of_reach_is_not_searched_again_where_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[int] = []

    def plan_lead(*arguments: Any) -> tuple[None, str]:
        searches.append(1)
        return None, "out of reach"

    monkeypatch.setattr(articulate, "plan_lead", plan_lead)
    monkeypatch.setattr(articulate, "_opening", lambda *arguments: Result(1.0))
    monkeypatch.setattr(Context, "grasps", lambda *arguments, **more: [])
    monkeypatch.setattr(Context, "obstacles", lambda *arguments: NOTHING)
    view, door = Seen(cube()), cube()
    run = context(view)
    joint = Joint("revolute", np.zeros(3), UP, 1.9, 0.5)
    first = articulate.propose_lead_grasp(run, door, joint, to=0.0)
    again = articulate.propose_lead_grasp(run, door, joint, to=0.0)
    assert not first.ok and not again.ok and again.reason == first.reason
    assert len(searches) == 1
    view.item = cube((0.6, 0.0, 0.02))  # the door was pushed on
    assert not articulate.propose_lead_grasp(run, door, joint, to=0.0).ok
    assert len(searches) == 2


def test_what_a_repair_finds_in_the_hand_is_what_its_phrase_meant_before() -> None:
    other = cube((0.4, 0.2, 0.02))
    view, thing = Seen(other), cube(description="second cube from the left")
    run = context(view)
    run.held = run.brought = held(thing)
    assert find(run, "second cube from the left").value is thing and view.looks == 0
    assert find(run, "first cube from the left").value is other
    run.held = None  # put down since
    assert find(run, "second cube from the left").value is other


def test_a_unit_that_keeps_things_upright_never_tilts_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    arm, asked = arm_of("panda"), []
    plan = arm._planner.plan

    def noted(*arguments: Any, **more: Any) -> Any:
        asked.append(more["max_tilt"])
        return plan(*arguments, **more)

    monkeypatch.setattr(arm._planner, "plan", noted)
    run, there = context(Seen(cube()), arm), arm.pointing_down(np.array([0.5, 0.0, 0.3]))
    with run.unit({"keep_upright": True}):
        assert arm.move_to(there, NOTHING, held(cube())).ok
        assert arm.move_to(there.translated(0.1 * UP), NOTHING).ok
    assert arm.move_to(there, NOTHING, held(cube())).ok
    assert asked[0] is not None and asked[0] < 0.5
    assert asked[1:] == [None, None]


def test_a_robot_whose_tool_is_to_be_slow_moves_slowly_instead_of_being_refused() -> None:
    panda = load_robot("panda")
    slow = replace(panda, safety=replace(panda.safety, tool_speed=0.25))
    with FakeBackend(slow) as backend:
        arm = Arm(Supervisor(backend))
        told: list[JointTrajectory] = []
        arm.robot.following = told.append
        away = slow.home_positions + np.array([-0.9, 0.2, 0.0, 0.3, 0.0, 0.0, 0.0])
        moved = arm.move_joints(away, NOTHING)
        assert moved.ok, moved.reason
        points = arm.kinematics.tool_points(told[-1].positions)
        speeds = np.linalg.norm(np.diff(points, axis=0), axis=1) / np.diff(told[-1].times)
        assert 0.15 < speeds.max() < 0.26
