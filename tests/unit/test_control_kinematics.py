from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("mink")

from embodied_agent.control.kinematics import Kinematics
from embodied_agent.robots.description import load_robot
from embodied_agent.types import Pose


@pytest.fixture(scope="module", params=["panda", "xarm6"])
def kinematics(request: pytest.FixtureRequest) -> Kinematics:
    return Kinematics(load_robot(request.param))


def downward(x: float, y: float, z: float, yaw: float = 0.0) -> Pose:
    c, s = np.cos(yaw), np.sin(yaw)
    matrix = np.eye(4)
    matrix[:3, :3] = [[c, s, 0], [s, -c, 0], [0, 0, -1]]
    matrix[:3, 3] = x, y, z
    return Pose.from_matrix(matrix)


def test_the_tool_looks_down_at_home(kinematics: Kinematics) -> None:
    home = kinematics.forward(kinematics.description.home_positions)
    assert home.rotation[2, 2] < -0.99
    assert home.position[2] > 0.15


def test_every_place_of_the_near_table_is_reached_from_above(kinematics: Kinematics) -> None:
    home = kinematics.description.home_positions
    for x in (0.3, 0.45, 0.6):
        for y in (-0.25, 0.0, 0.25):
            for yaw in (-1.2, 0.0, 1.2):
                result = kinematics.inverse(downward(x, y, 0.03, yaw), home)
                assert result.found, (x, y, yaw, result.reason)


def test_a_pose_out_of_reach_says_by_how_far(kinematics: Kinematics) -> None:
    result = kinematics.inverse(downward(2.0, 0.0, 0.3), kinematics.description.home_positions)
    assert not result.found
    assert 0.8 < result.position_error < 1.8
    assert result.reason.startswith("out of reach: ")
    assert not kinematics.reachable(downward(2.0, 0.0, 0.3))


def test_a_start_at_the_answer_stays_there(kinematics: Kinematics) -> None:
    home = kinematics.description.home_positions
    start = kinematics.inverse(downward(0.5, 0.1, 0.2), home).positions
    again = kinematics.inverse(downward(0.5, 0.1, 0.2), start)
    np.testing.assert_allclose(again.positions, start, atol=1e-3)


def test_several_solutions_differ_and_come_nearest_first(kinematics: Kinematics) -> None:
    home, goal = kinematics.description.home_positions, downward(0.45, 0.1, 0.2)
    results = kinematics.inverses(goal, home, count=3, attempts=20)
    distances = [np.abs(result.positions - home).max() for result in results]
    assert len(results) >= (2 if kinematics.size == 7 else 1)
    assert distances == sorted(distances)
    for result in results:
        assert np.linalg.norm(kinematics.forward(result.positions).position - goal.position) < 1e-3


def test_the_same_seed_gives_the_same_solution(kinematics: Kinematics) -> None:
    goal, far = downward(0.55, -0.3, 0.1, 1.0), kinematics.description.upper * 0.9
    first = kinematics.inverse(goal, far, random_seed=4).positions
    second = Kinematics(kinematics.description).inverse(goal, far, random_seed=4).positions
    np.testing.assert_array_equal(first, second)


def test_the_wrist_camera_sees_past_the_fingers_to_the_tool(kinematics: Kinematics) -> None:
    description, home = kinematics.description, kinematics.description.home_positions
    camera = kinematics.link_pose(description.camera.link, home) @ description.camera.link_from_camera
    tool = camera.inverse().apply(kinematics.forward(home).position)
    # In the optical frame: in front of the camera, inside the vertical field of view.
    assert tool[2] > 0.05
    assert abs(np.arctan2(tool[1], tool[2])) < description.camera.fov / 2
