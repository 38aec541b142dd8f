"""The back end `ros2` before a driver whose cameras, transforms, joints or controllers fail, or that is killed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
pytest.importorskip("mujoco", reason="the simulated driver needs mujoco")

from sim_process import PATIENCE, Driver, simulated, switch, until

from embodied_agent.errors import CameraError, RobotError
from embodied_agent.robots.catalog import make
from embodied_agent.robots.ros2.backend import Ros2Backend
from embodied_agent.types import JointTrajectory

DOMAIN = 15


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with simulated("panda", DOMAIN, tmp_path_factory.mktemp("log")) as driver:
        yield driver


@pytest.fixture(scope="module")
def backend(driver: Driver) -> Iterator[Ros2Backend]:
    made = make("ros2", driver.robot, use_sim_time=True, interface=driver.interface, wait=PATIENCE)
    assert isinstance(made, Ros2Backend)
    yield made
    made.close()


def away(backend: Ros2Backend, seconds: float, size: float = 0.2) -> JointTrajectory:
    """A slow way, of every joint, away from its nearer limit."""
    start, limits = backend.state().positions, backend.description
    goal = start + size * np.where(start < (limits.lower + limits.upper) / 2, 1.0, -1.0)
    s = np.linspace(0.0, 1.0, 41)[:, None]
    way = start + (10 * s**3 - 15 * s**4 + 6 * s**5) * (goal - start)
    speed = (30 * s**2 - 60 * s**3 + 30 * s**4) / seconds * (goal - start)
    return JointTrajectory(np.linspace(0.0, seconds, 41), way, speed)


def test_silent_cameras_are_named_and_used_again(backend: Ros2Backend) -> None:
    switch(backend, "camera_silent", True)
    try:
        backend.wait(0.3)
        with pytest.raises(CameraError, match=r"the newest image on /overhead/color/image_raw is \d"):
            backend.capture("overhead")
        assert any("overhead" in problem for problem in backend.problems())
    finally:
        switch(backend, "camera_silent", False)
    until(lambda: not backend.problems())
    assert backend.capture("overhead").rgb.shape == (480, 640, 3)


def test_silent_transforms_stop_the_wrist_camera_alone(backend: Ros2Backend) -> None:
    switch(backend, "tf_silent", True)
    try:
        backend.wait(0.3)
        assert backend.capture("overhead").depth.max() > 0  # it stands still: its transform is fixed
        with pytest.raises(CameraError, match=r"camera 'wrist': the newest transform of .* too old"):
            backend.capture("wrist")
    finally:
        switch(backend, "tf_silent", False)
    until(lambda: backend.wait(0.1).completed and not backend.problems())
    assert backend.capture("wrist").camera.name == "wrist"


def test_silent_joints_end_the_motion_and_it_goes_on_when_they_speak(backend: Ros2Backend) -> None:
    timer = threading.Timer(1.0, switch, (backend, "joint_states_silent", True))
    timer.start()
    try:
        motion = backend.follow(away(backend, 60.0))
        assert not motion.completed and "no joint state for 0." in motion.reason
        timer.join()
        with pytest.raises(RobotError, match="joint state"):
            backend.state()
    finally:
        timer.join()
        switch(backend, "joint_states_silent", False)
    until(lambda: not backend.problems())
    motion = backend.follow(away(backend, 1.0, -0.02))
    assert motion.completed, motion.reason


def test_a_controller_that_goes_down_ends_the_motion_with_a_sentence(backend: Ros2Backend) -> None:
    timer = threading.Timer(1.0, switch, (backend, "controller_down", True))
    timer.start()
    try:
        motion = backend.follow(away(backend, 60.0, -0.2))
        timer.join()
        assert not motion.completed and "went down" in motion.reason
        assert "refused the goal" in backend.follow(away(backend, 1.0, 0.02)).reason
        assert "refused the goal" in backend.grip(0.03, 10.0).reason
    finally:
        timer.join()
        switch(backend, "controller_down", False)
    motion = backend.follow(away(backend, 1.0, 0.02))
    assert motion.completed, motion.reason


def test_a_driver_killed_in_mid_motion_is_noticed_and_its_successor_used(
    driver: Driver, backend: Ros2Backend
) -> None:
    timer = threading.Timer(1.0, driver.kill)
    timer.start()
    motion = backend.follow(away(backend, 60.0))
    timer.join()
    assert not motion.completed and "no joint state" in motion.reason
    with pytest.raises(RobotError, match="is the driver running"):
        backend.state()
    driver.start()  # simulated time starts over, too
    until(lambda: not backend.problems())
    motion = backend.follow(away(backend, 1.0, 0.05))
    assert motion.completed, motion.reason
    motion = backend.grip(0.02, 10.0)
    assert motion.completed, motion.reason
    assert abs(backend.capture("wrist").stamp - backend.now()) < 1.0
