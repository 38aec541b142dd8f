from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("mink")

from embodied_agent.control.collision import CollisionWorld
from embodied_agent.control.kinematics import Kinematics
from embodied_agent.control.obstacles import Box, Obstacles
from embodied_agent.control.straight import (
    axis_rotation,
    blend,
    follow_poses,
    joint_poses,
    rotation_angle,
)
from embodied_agent.robots.description import load_robot
from embodied_agent.types import Joint, Pose


@pytest.fixture(scope="module", params=["panda", "xarm6"])
def kinematics(request: pytest.FixtureRequest) -> Kinematics:
    return Kinematics(load_robot(request.param))


def start_of(kinematics: Kinematics, height: float = 0.2) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag([1.0, -1.0, -1.0])
    matrix[:3, 3] = 0.45, 0.1, height
    result = kinematics.inverse(Pose.from_matrix(matrix), kinematics.description.home_positions)
    assert result.found
    return result.positions


def test_the_tool_stays_on_the_line_and_keeps_its_orientation(kinematics: Kinematics) -> None:
    start = start_of(kinematics)
    first = kinematics.forward(start)
    goal = first.translated(np.array([0.05, -0.2, -0.12]))
    path = follow_poses(kinematics, start, [goal])
    assert path.complete and path.fraction == 1.0
    direction = (goal.position - first.position) / np.linalg.norm(goal.position - first.position)
    middles = (path.positions[1:] + path.positions[:-1]) / 2
    for joints in [*path.positions, *middles]:
        pose = kinematics.forward(joints)
        offset = pose.position - first.position
        assert np.linalg.norm(offset - direction * (offset @ direction)) < 0.002
        assert rotation_angle(pose, first) < 0.02
    np.testing.assert_allclose(kinematics.forward(path.positions[-1]).position, goal.position, atol=1e-3)


def test_a_line_out_of_reach_ends_where_reach_ends(kinematics: Kinematics) -> None:
    start = start_of(kinematics)
    path = follow_poses(kinematics, start, [kinematics.forward(start).translated(np.array([0.9, 0, 0]))])
    assert not path.complete
    assert 0.1 < path.fraction < 0.9
    assert "of the straight path" in path.reason


def test_a_thing_on_the_line_is_named(kinematics: Kinematics) -> None:
    box = Box("yellow can", Pose(np.array([0.45, 0.1, 0.05])), np.array([0.05, 0.2, 0.1]))
    world = CollisionWorld(kinematics.description, Obstacles(boxes=(box,)))
    start = start_of(kinematics)
    down = kinematics.forward(start).translated(np.array([0, 0, -0.15]))
    path = follow_poses(kinematics, start, [down], world)
    assert not path.complete and "yellow can" in path.reason
    assert all(world.free(joints) for joints in path.positions)


def test_a_drawer_is_a_line_along_its_axis() -> None:
    joint = Joint("prismatic", np.zeros(3), np.array([-1.0, 0, 0]), 0.2, 0.9)
    tool = Pose(np.array([0.6, 0.1, 0.2]))
    (goal,) = joint_poses(joint, tool, 0.15)
    np.testing.assert_allclose(goal.position, [0.45, 0.1, 0.2])


@pytest.mark.parametrize("turn_with", [True, False])
def test_a_door_is_an_arc_about_its_hinge(turn_with: bool) -> None:
    joint = Joint("revolute", np.array([0.7, 0.2, 0.0]), np.array([0.0, 0, -1]), 1.5, 0.9)
    tool = Pose(np.array([0.7, -0.1, 0.2]))
    poses = joint_poses(joint, tool, 1.0, turn_with=turn_with)
    radii = [np.linalg.norm((pose.position - joint.origin)[:2]) for pose in poses]
    np.testing.assert_allclose(radii, 0.3, atol=1e-9)
    assert all(pose.position[2] == pytest.approx(0.2) for pose in poses)
    assert rotation_angle(poses[-1], tool) == pytest.approx(1.0 if turn_with else 0.0, abs=1e-6)
    # Positive travel about -z from this handle opens towards the robot.
    assert poses[-1].position[0] < tool.position[0]


def test_blending_halfway_is_halfway() -> None:
    a = Pose(np.zeros(3))
    b = Pose(np.array([0.2, 0, 0]), Pose.from_matrix(axis_rotation(np.array([0, 0, 1.0]), 1.0)).quaternion)
    middle = blend(a, b, 0.5)
    assert rotation_angle(a, middle) == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(middle.position, [0.1, 0, 0])
