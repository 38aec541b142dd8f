from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("mink")
pytest.importorskip("ompl")

from embodied_agent.control.collision import CollisionWorld
from embodied_agent.control.kinematics import Kinematics
from embodied_agent.control.obstacles import Box, Obstacles
from embodied_agent.control.planning import MotionPlanner
from embodied_agent.robots.description import load_robot
from embodied_agent.types import Pose


@pytest.fixture(scope="module", params=["panda", "xarm6"])
def planner(request: pytest.FixtureRequest) -> MotionPlanner:
    description = load_robot(request.param)
    return MotionPlanner(Kinematics(description), CollisionWorld(description))


def downward(x: float, y: float, z: float) -> Pose:
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag([1.0, -1.0, -1.0])
    matrix[:3, 3] = x, y, z
    return Pose.from_matrix(matrix)


def at(planner: MotionPlanner, pose: Pose) -> np.ndarray:
    result = planner.kinematics.inverse(pose, planner.kinematics.description.home_positions)
    assert result.found
    return result.positions


WALL = Box("wall", Pose(np.array([0.45, 0.0, 0.12])), np.array([0.5, 0.05, 0.24]))
# Too tall to be passed over from straight above, open towards the robot.
TALL = (Box("wall", Pose(np.array([0.65, 0.0, 0.4])), np.array([0.6, 0.03, 0.8])),)


def test_free_space_is_crossed_in_a_straight_line(planner: MotionPlanner) -> None:
    planner.world.update(Obstacles())
    home = planner.kinematics.description.home_positions
    plan = planner.plan(home, downward(0.5, 0.0, 0.2))
    assert plan.found and plan.method == "straight" and len(plan.path) == 2
    reached = planner.kinematics.forward(plan.path[-1])
    np.testing.assert_allclose(reached.position, [0.5, 0.0, 0.2], atol=1e-3)


def test_a_wall_on_the_table_is_passed_over(planner: MotionPlanner) -> None:
    planner.world.update(Obstacles(boxes=(WALL,)))
    plan = planner.plan(at(planner, downward(0.45, 0.2, 0.1)), downward(0.45, -0.2, 0.1))
    assert plan.found and plan.method in ("straight", "raised"), plan.reason
    assert planner.world.path_contact(plan.path, 0.005) is None


def test_a_tall_wall_is_gone_round_and_the_same_seed_goes_the_same_way(planner: MotionPlanner) -> None:
    planner.world.update(Obstacles(boxes=TALL))
    start = at(planner, downward(0.5, 0.25, 0.2))
    first = planner.plan(start, downward(0.5, -0.25, 0.2), seed=3, effort=100_000)
    assert first.found and first.method == "rrt", first.reason
    # Re-checked twice as finely as planned, nothing touches.
    dense = planner.world.path_contact(first.path, 0.005)
    assert dense is None or dense[1].distance > 0
    again = planner.plan(start, downward(0.5, -0.25, 0.2), seed=3, effort=100_000)
    np.testing.assert_array_equal(first.path, again.path)


def test_a_goal_inside_a_thing_names_it(planner: MotionPlanner) -> None:
    planner.world.update(Obstacles(boxes=(Box("green box", Pose(np.array([0.5, 0, 0.1])), np.full(3, 0.2)),)))
    plan = planner.plan(planner.kinematics.description.home_positions, downward(0.5, 0.0, 0.1))
    assert not plan.found and "green box" in plan.reason and len(plan.path) == 0


def test_a_goal_out_of_reach_says_by_how_far(planner: MotionPlanner) -> None:
    planner.world.update(Obstacles())
    plan = planner.plan(planner.kinematics.description.home_positions, downward(1.5, 0.0, 0.1))
    assert not plan.found and "out of reach" in plan.reason and "mm" in plan.reason


def test_an_enclosed_goal_ends_with_the_allowance(planner: MotionPlanner) -> None:
    sides = [Box("cage", Pose(np.array([0.5, y, 0.4])), np.array([0.5, 0.02, 0.8])) for y in (-0.16, 0.16)] + [
        Box("cage", Pose(np.array([x, 0.0, 0.4])), np.array([0.02, 0.34, 0.8])) for x in (0.34, 0.68)
    ]
    planner.world.update(Obstacles(boxes=tuple(sides)))
    plan = planner.plan(planner.kinematics.description.home_positions, downward(0.5, 0.0, 0.1), effort=6_000)
    assert not plan.found
    assert plan.checks < 6_500


def test_any_of_several_poses_will_do(planner: MotionPlanner) -> None:
    planner.world.update(Obstacles())
    home = planner.kinematics.description.home_positions
    plan = planner.plan(home, [downward(1.5, 0.0, 0.1), downward(0.5, 0.1, 0.2)])
    assert plan.found
    np.testing.assert_allclose(planner.kinematics.forward(plan.path[-1]).position, [0.5, 0.1, 0.2], atol=1e-3)


def test_goals_that_are_not_accepted_are_told(planner: MotionPlanner) -> None:
    planner.world.update(Obstacles())
    home = planner.kinematics.description.home_positions
    plan = planner.plan(home, downward(0.5, 0.0, 0.2), accept=lambda q: "no straight approach")
    assert not plan.found and "no straight approach" in plan.reason


def test_joints_outside_their_limits_are_refused(planner: MotionPlanner) -> None:
    planner.world.update(Obstacles())
    home, upper = planner.kinematics.description.home_positions, planner.kinematics.description.upper
    assert "outside the limits" in planner.plan(home, upper + 0.5).reason
    assert "outside the limits" in planner.plan(upper + 0.5, home).reason
    assert not planner.plan(home, np.full_like(home, np.nan)).found
    assert not planner.plan(home, home[:-1]).found


def test_an_arm_that_touches_something_slightly_still_gets_away(planner: MotionPlanner) -> None:
    start = at(planner, downward(0.5, 0.0, 0.15))
    for top in np.arange(0.12, 0.16, 0.002):
        below = Box("block", Pose(np.array([0.5, 0.0, top / 2])), np.array([0.1, 0.2, top]))
        planner.world.update(Obstacles(boxes=(below,)))
        if (touch := planner.world.contact(start)) is not None:
            break
    assert touch is not None and touch.distance > -0.003
    plan = planner.plan(start, planner.kinematics.description.home_positions)
    assert plan.found, plan.reason


def test_what_must_stay_upright_is_not_tilted(planner: MotionPlanner) -> None:
    planner.world.update(Obstacles(boxes=(WALL,)))
    start = at(planner, downward(0.45, 0.2, 0.1))
    plan = planner.plan(start, downward(0.45, -0.2, 0.1), max_tilt=0.3, effort=50_000)
    assert plan.found, plan.reason
    for a, b in zip(plan.path[:-1], plan.path[1:], strict=True):
        for share in np.linspace(0, 1, 10):
            axis = planner.kinematics.forward(a + share * (b - a)).rotation[:, 2]
            assert axis[2] < -np.cos(0.33)
