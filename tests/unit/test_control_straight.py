from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("mink")

from embodied_agent.control.collision import CollisionWorld
from embodied_agent.control.kinematics import Kinematics
from embodied_agent.control.obstacles import Box, Obstacles
from embodied_agent.control.straight import blend, follow_poses, rotation_angle
from embodied_agent.robots.description import load_robot
from embodied_agent.types import Pose


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


def test_blending_halfway_is_halfway() -> None:
    a = Pose(np.zeros(3))
    b = Pose(np.array([0.2, 0, 0]), np.array([np.cos(0.5), 0, 0, np.sin(0.5)]))  # 1 rad about z
    middle = blend(a, b, 0.5)
    assert rotation_angle(a, middle) == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(middle.position, [0.1, 0, 0])
