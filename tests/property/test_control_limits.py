from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("mujoco")
pytest.importorskip("mink")
pytest.importorskip("toppra")

from embodied_agent.control.kinematics import Kinematics
from embodied_agent.control.limits import MAX_DURATION, trajectory_problem
from embodied_agent.control.straight import rotation_angle
from embodied_agent.control.trajectory import PERIOD, parameterize, rounded_waypoints
from embodied_agent.robots.description import load_robot

ROBOTS = {name: Kinematics(load_robot(name)) for name in ("panda", "xarm6")}
robots = st.sampled_from(sorted(ROBOTS))
seeds = st.integers(0, 2**32 - 1)


def joints(kinematics: Kinematics, seed: int, count: int, share: float = 1.0) -> np.ndarray:
    """Random joints (count, n) in the middle `share` of their limits."""
    description = kinematics.description
    centre, half = (description.upper + description.lower) / 2, (description.upper - description.lower) / 2
    return centre + share * half * np.random.default_rng(seed).uniform(-1, 1, (count, len(half)))


@given(robots, seeds)
@settings(max_examples=60, deadline=None)
def test_the_jacobian_is_the_derivative_of_the_tool_pose(robot: str, seed: int) -> None:
    kinematics = ROBOTS[robot]
    (q,) = joints(kinematics, seed, 1)
    jacobian, step = kinematics.jacobian(q), 1e-6
    for k in range(len(q)):
        moved = q.copy()
        moved[k] += step
        back = q.copy()
        back[k] -= step
        plus, minus = kinematics.forward(moved), kinematics.forward(back)
        linear = (plus.position - minus.position) / (2 * step)
        np.testing.assert_allclose(jacobian[:3, k], linear, atol=1e-6)
        skew = (plus.rotation @ minus.rotation.T - minus.rotation @ plus.rotation.T) / (4 * step)
        angular = np.array([skew[2, 1], skew[0, 2], skew[1, 0]])
        np.testing.assert_allclose(jacobian[3:, k], angular, atol=1e-5)


@given(robots, seeds)
@settings(max_examples=60, deadline=None)
def test_inverse_kinematics_finds_poses_that_joints_can_reach(robot: str, seed: int) -> None:
    kinematics = ROBOTS[robot]
    (q,) = joints(kinematics, seed, 1, 0.9)
    pose = kinematics.forward(q)
    near = q + np.random.default_rng(seed + 1).uniform(-0.2, 0.2, len(q))
    result = kinematics.inverse(pose, near, attempts=20)
    again = kinematics.forward(result.positions)
    description = kinematics.description
    assert ((result.positions >= description.lower) & (result.positions <= description.upper)).all()
    # Whether found or not, the reported errors are those of the joints returned.
    assert np.linalg.norm(again.position - pose.position) == pytest.approx(result.position_error, abs=1e-6)
    assert rotation_angle(again, pose) == pytest.approx(result.rotation_error, abs=1e-4)
    assert result.found
    assert result.position_error < 1e-3


@given(robots, seeds, st.integers(2, 8), st.floats(0.05, 1.0), st.floats(0.001, 1.0))
@settings(max_examples=60, deadline=None)
def test_trajectories_keep_every_limit_and_pass_the_supervisor_s_rules(
    robot: str, seed: int, count: int, speed: float, share: float
) -> None:
    kinematics = ROBOTS[robot]
    description = kinematics.description
    path = joints(kinematics, seed, count, share)
    trajectory = parameterize(description, path, speed, kinematics)
    np.testing.assert_allclose(trajectory.positions[0], path[0], atol=1e-9)
    np.testing.assert_allclose(trajectory.positions[-1], path[-1], atol=1e-9)
    assert (trajectory.velocities[[0, -1]] == 0).all()
    np.testing.assert_allclose(np.diff(trajectory.times), PERIOD)
    values, limits = (
        trajectory.positions,
        (
            description.velocity_limits * speed,
            description.acceleration_limits * speed,
            description.jerk_limits,
        ),
    )
    for limit in limits:
        values = np.diff(values, axis=0) / PERIOD
        if len(values):
            assert (np.abs(values).max(axis=0) <= limit * 1.001).all()
    problem = trajectory_problem(kinematics, trajectory, path[0])
    # Random joints may lead the tool out of its workspace, and slowly a long way; nothing else may be wrong.
    too_long = problem.startswith("it takes") and trajectory.times[-1] > MAX_DURATION
    assert problem == "" or problem.startswith("the tool would leave") or too_long


@given(robots, seeds)
@settings(max_examples=40, deadline=None)
def test_corners_that_almost_meet_are_timed_too(robot: str, seed: int) -> None:
    kinematics = ROBOTS[robot]
    description, rng = kinematics.description, np.random.default_rng(seed)
    steps = rng.choice([1e-5, 1e-3, 0.0499, 0.05, 0.0501], size=(25, 1)) * rng.normal(
        size=(25, len(description.joints))
    )
    path = np.clip(description.home_positions + np.cumsum(steps, axis=0), description.lower, description.upper)
    trajectory = parameterize(description, path, 0.7, kinematics)
    problem = trajectory_problem(kinematics, trajectory, path[0])
    assert problem == "" or problem.startswith("the tool would leave")


@given(robots, seeds, st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_trajectories_stay_on_the_path_that_was_checked(robot: str, seed: int, count: int) -> None:
    kinematics = ROBOTS[robot]
    path = joints(kinematics, seed, count, 0.5)
    checked = rounded_waypoints(path, 0.005)
    trajectory = parameterize(kinematics.description, path, 0.5)
    for position in trajectory.positions[::5]:
        assert np.linalg.norm(checked - position, axis=1).min() < 0.02


@given(robots, st.floats(0.0, 0.08))
def test_gripper_width_and_position_undo_one_another(robot: str, width: float) -> None:
    gripper = ROBOTS[robot].description.gripper
    width = min(width, gripper.max_width)
    assert gripper.width_at(gripper.position_at(width)) == pytest.approx(width, abs=1e-9)
    assert gripper.pad_force(gripper.actuator_force(12.0, width), width) == pytest.approx(12.0)


@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("length", [2e-6, 1e-5, 3e-4, 9.7e-4, 1.1e-3, 2.1e-3])
def test_a_motion_shorter_than_the_grid_of_its_timing_ends_in_a_moment(robot: str, length: float) -> None:
    description = load_robot(robot)
    home = description.home_positions
    way = np.full(len(home), length / np.sqrt(len(home)))
    trajectory = parameterize(description, np.stack([home, home + way]))
    assert trajectory.duration < 1.0
    assert np.allclose(trajectory.positions[-1], home + way, atol=1e-9)
