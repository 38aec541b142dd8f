"""Parts are led along their joints: the way is checked first, and the hand goes on from where the part took it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from embodied_agent.control.safety import Supervisor
from embodied_agent.perception import articulation
from embodied_agent.primitives.arm import Arm
from embodied_agent.primitives.articulate import _bent
from embodied_agent.primitives.lead import WORTH_PUSHING, lead, plan_lead, plan_push
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.fake import FakeBackend
from embodied_agent.types import Array, Grasp, Joint, Object, Pose, Result

HINGE = Joint("revolute", np.array([0.68, -0.15, 0.14]), np.array([0.0, 0.0, 1.0]), 1.9, 0.5)
NOTHING = np.zeros((0, 3))


@pytest.fixture
def arm() -> Arm:
    return Arm(Supervisor(FakeBackend(load_robot("panda"))))


def grasp_on(position: Array, pitch: float) -> Grasp:
    """A hand that comes from the robot's side, tilted down by `pitch` [rad], closing along y."""
    approach = np.array([np.cos(pitch), 0.0, -np.sin(pitch)])
    closing = np.array([0.0, 1.0, 0.0])
    axes = np.stack([np.cross(closing, approach), closing, approach], axis=1)
    return Grasp(Pose.from_matrix(axes).translated(position), 0.05, 0.5)


def test_the_hand_may_turn_less_than_the_door() -> None:
    start = Pose(np.array([0.62, 0.05, 0.14]))
    whole = articulation.path(HINGE, start, 1.2)[-1]
    half = articulation.path(HINGE, start, 1.2, turn=0.5)[-1]
    assert np.allclose(whole.position, half.position)
    assert abs(2 * np.arccos(abs(half.quaternion[0])) - 0.6) < 1e-6


def test_carried_points_keep_their_distance_from_the_hinge() -> None:
    points = np.array([[0.62, 0.05, 0.1], [0.66, -0.1, 0.2]])
    moved = articulation.carried(HINGE, points, 0.8)
    assert [articulation.radius(HINGE, p) for p in moved] == pytest.approx(
        [articulation.radius(HINGE, p) for p in points]
    )
    assert articulation.travel_between(HINGE, points[0], moved[0]) == pytest.approx(0.8)


def test_a_tangent_is_the_way_that_opens() -> None:
    point = np.array([0.62, 0.05, 0.14])
    small = articulation.path(HINGE, Pose(point), 0.01)[-1].position - point
    assert articulation.tangent(HINGE, point) @ small > 0.99 * np.linalg.norm(small)


def test_a_grasp_is_chosen_from_which_the_whole_way_can_be_led(arm: Arm) -> None:
    out_of_reach = grasp_on(np.array([1.4, 0.05, 0.14]), 0.3)
    near = grasp_on(np.array([0.62, 0.05, 0.14]), 0.6)
    plan, reason = plan_lead(arm, [out_of_reach, near], HINGE, 1.2, NOTHING, 0.1)
    assert plan is not None and plan.grasp is near, reason
    assert plan.share == 1.0 and not reason


def test_why_nothing_can_be_led_is_told(arm: Arm) -> None:
    plan, reason = plan_lead(arm, [grasp_on(np.array([1.4, 0.05, 0.14]), 0.3)], HINGE, 1.2, NOTHING, 0.1)
    assert plan is None
    assert "out of reach" in reason


def test_the_hand_follows_the_arc_of_a_door(arm: Arm) -> None:
    grasp = grasp_on(np.array([0.62, 0.05, 0.14]), 0.6)
    plan, reason = plan_lead(arm, [grasp], HINGE, 1.2, NOTHING, 0.1)
    assert plan is not None, reason
    assert arm.move_joints(plan.posture, NOTHING).ok
    assert arm.move_straight(grasp.pose, speed=0.2).ok
    start = arm.tool_pose().position
    led = lead(arm, HINGE, 1.2, plan.turn)
    assert led.ok
    radii = [articulation.radius(HINGE, pose.position) for pose in led.value]
    assert np.ptp(radii) < 0.003
    assert articulation.travel_between(HINGE, start, arm.tool_pose().position) == pytest.approx(1.2, abs=0.02)


SLIDE = Joint("prismatic", np.array([0.45, 0.0, 0.2]), np.array([-1.0, 0.0, 0.0]), 0.2, 0.8)


def drawer_front() -> Object:
    pose = Pose.from_matrix(np.diag([-1.0, -1.0, 1.0])).translated(SLIDE.origin)
    return Object("d", "drawer", "drawer", "", pose, np.array([0.014, 0.24, 0.1]), NOTHING, 1.0, 0.0)


def wall(x: float) -> Array:
    """Points of a wall across the way at `x` [m], above the drawer, where the wrist passes."""
    grid = np.stack(np.meshgrid([x], np.arange(-0.3, 0.3, 0.01), np.arange(0.0, 0.5, 0.01)), -1)
    return grid.reshape(-1, 3)


@pytest.mark.parametrize(("off", "ended", "found"), [(0.05, True, True), (0.0, True, False), (0.05, False, False)])
def test_a_way_that_ended_early_shows_where_the_hinge_is(off: float, ended: bool, found: bool) -> None:
    thought = replace(HINGE, origin=HINGE.origin - np.array([0.0, off, 0.0]))
    way = articulation.path(HINGE, Pose(np.array([0.62, 0.1, 0.14])), 0.7, steps=40)
    moved = Result(way, True, "", {"ended": "the tool met 68.7 N"} if ended else {})
    better = _bent(thought, moved)
    assert (better is not None) == found
    if better is not None:
        assert np.linalg.norm((better.origin - HINGE.origin)[:2]) < 0.005


def test_a_drawer_is_pushed_all_the_way_where_nothing_stands_in_it(arm: Arm) -> None:
    plan, reason = plan_push(arm, drawer_front(), SLIDE, -0.15, NOTHING, 0.05)
    assert plan is not None, reason
    assert plan.amount == pytest.approx(-0.18)  # with the run-up


def test_it_is_pushed_as_far_as_the_arm_can_and_no_farther(arm: Arm) -> None:
    plan, reason = plan_push(arm, drawer_front(), SLIDE, -0.15, wall(0.53), 0.05)
    assert plan is not None and reason
    assert -0.18 < plan.amount < -0.18 * WORTH_PUSHING
