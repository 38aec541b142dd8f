from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embodied_agent.config import config_dir
from embodied_agent.errors import ConfigError, MissingDependency, RobotError
from embodied_agent.robots.description import load_robot, model_path

PANDA = (config_dir() / "robots" / "panda.yaml").read_text()


def changed(tmp_path: Path, old: str, new: str) -> Path:
    assert old in PANDA
    path = tmp_path / "robot.yaml"
    path.write_text(PANDA.replace(old, new, 1))
    return path


@pytest.mark.parametrize("name", ["panda", "xarm6"])
def test_a_robot_of_ours_is_consistent(name: str) -> None:
    robot = load_robot(name)
    assert robot.name == name
    assert (robot.lower < robot.home_positions).all() and (robot.home_positions < robot.upper).all()
    assert robot.gripper.min_width == 0.0 and robot.gripper.max_width > 0.07
    assert robot.safety.motion_force < robot.safety.max_force


def test_servo_targets_lead_by_the_velocity_term() -> None:
    robot = load_robot("panda")
    joint = robot.joints[0]
    lead = robot.servo_target(robot.home_positions, np.ones(7))[0] - robot.home_positions[0]
    assert lead == pytest.approx(joint.damping / joint.stiffness)


def test_the_camera_frame_looks_at_its_target() -> None:
    camera = load_robot("panda").camera
    pose = camera.link_from_camera
    forward = np.subtract(camera.target, camera.position)
    np.testing.assert_allclose(pose.rotation[:, 2], forward / np.linalg.norm(forward))
    np.testing.assert_allclose(np.linalg.det(pose.rotation), 1.0)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("max_force: 70.0", "max_forse: 70.0", "did you mean 'max_force'"),
        ("low: -2.8973", "low: 3.0", "is not below"),
        ("home: [2.1,", "home: [9.1,", "outside the limits"),
        ("home: [2.1, ", "home: [", "6 values for 7 joints"),
        ("name: panda_joint2", "name: panda_joint1", "named twice"),
        ("velocity: 2.175", "velocity: -1", "outside"),
        ("widths: [[0.0005, 0.0], [0.04, 0.079]]", "widths: [[0.0005, 0.0]]", "at least two"),
        ("widths: [[0.0005, 0.0], [0.04, 0.079]]", "widths: [[0, 0.1], [1, 0.05]]", "must increase"),
        ("right: [0.0, 1.0, 0.0]", "right: [0.07, 0.0, -0.29]", "parallel"),
        ("motion_force: 40.0", "motion_force: 400.0", "must not exceed"),
        ("fov: 1.0", "fov: 60", "outside 0.1 to 2.8"),
    ],
)
def test_each_mistake_in_a_robot_file_is_told(old: str, new: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        load_robot(changed(tmp_path, old, new))


def test_a_model_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    robot = load_robot(changed(tmp_path, "pybullet_data:", "no_such_package:"))
    with pytest.raises(MissingDependency, match="no_such_package"):
        model_path(robot)


def test_a_model_path_that_leaves_its_package_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pybullet_data")
    robot = load_robot(changed(tmp_path, "franka_panda/panda.urdf", "../../../../etc/passwd"))
    with pytest.raises(ConfigError, match="leaves its package"):
        model_path(robot)


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    robot = load_robot(changed(tmp_path, "pybullet_data:franka_panda/panda.urdf", "nothing.urdf"))
    with pytest.raises(RobotError, match=r"nothing\.urdf"):
        model_path(robot)


def test_a_description_is_read_without_a_simulator() -> None:
    code = (
        "import sys; from embodied_agent.robots.description import load_robot; load_robot('xarm6');"
        "sys.exit(any(name in sys.modules for name in ('mujoco', 'torch', 'open3d', 'pybullet_data')))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
