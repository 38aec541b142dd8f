"""The back end `ros2` before the simulated driver: the one contract, and what happens when the driver fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
pytest.importorskip("mujoco", reason="the simulated driver needs mujoco")

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from embodied_agent.errors import CameraError, RobotError
from embodied_agent.robots.catalog import make
from embodied_agent.robots.check_backend import check_backend
from embodied_agent.robots.ros2.backend import Ros2Backend
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.types import JointTrajectory

DOMAINS = {"panda": 15, "xarm6": 16}
ACTIONS = {"panda": "GripperCommand", "xarm6": "ParallelGripperCommand"}
PATIENCE = 240.0  # [s]; for machines with much else to do


class Driver:
    """The process, and what it can be told."""

    def __init__(self, robot: str, log: Path) -> None:
        self.robot, self.log = robot, log
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        arguments = ["-p", f"robot:={self.robot}", "-p", "scene:=blocks"]
        arguments += ["-p", f"gripper_action_type:={ACTIONS[self.robot]}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "embodied_agent.ros.driver.node", "--ros-args", *arguments],
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()


@pytest.fixture(scope="module", params=sorted(DOMAINS))
def driver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    before = dict(os.environ)
    folder = tmp_path_factory.mktemp("log")
    os.environ |= {
        "ROS_DOMAIN_ID": str(DOMAINS[request.param]),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(folder),
        "FASTDDS_DEFAULT_PROFILES_FILE": str(Path(__file__).parents[2] / "configs/ros2/fastdds.xml"),
        "MUJOCO_GL": "egl",
    }
    made = Driver(request.param, folder / "driver.log")
    yield made
    made.close()
    os.environ.clear()
    os.environ |= before


@pytest.fixture(scope="module")
def backend(driver: Driver) -> Iterator[Ros2Backend]:
    interface = Ros2Interface(gripper_action_type=ACTIONS[driver.robot], image_timeout=3.0)  # type: ignore[arg-type]
    made = make("ros2", driver.robot, use_sim_time=True, interface=interface, wait=PATIENCE)
    assert isinstance(made, Ros2Backend)
    yield made
    made.close()


def until(holds: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < limit, "it did not come about"
        time.sleep(0.05)


def switch(backend: Ros2Backend, name: str, on: bool) -> None:
    """Set a fault of the driver."""
    client = backend._session.node.create_client(SetParameters, "/sim_driver/set_parameters")
    try:
        until(client.service_is_ready)
        value = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=on)
        future = client.call_async(
            SetParameters.Request(parameters=[Parameter(name=f"fault.{name}", value=value)])
        )
        until(future.done)
        assert all(result.successful for result in future.result().results)
    finally:
        backend._session.node.destroy_client(client)


def away(backend: Ros2Backend, seconds: float, size: float = 0.2) -> JointTrajectory:
    """A slow way, of every joint, away from its nearer limit."""
    start, limits = backend.state().positions, backend.description
    goal = start + size * np.where(start < (limits.lower + limits.upper) / 2, 1.0, -1.0)
    s = np.linspace(0.0, 1.0, 41)[:, None]
    way = start + (10 * s**3 - 15 * s**4 + 6 * s**5) * (goal - start)
    speed = (30 * s**2 - 60 * s**3 + 30 * s**4) / seconds * (goal - start)
    return JointTrajectory(np.linspace(0.0, seconds, 41), way, speed)


def test_the_simulated_driver_keeps_the_contract(backend: Ros2Backend) -> None:
    findings = check_backend(backend, close=False)
    assert {finding.name for finding in findings} >= {"state", "cameras", "watch", "stop", "grip", "wait"}
    assert backend.health.remarks() == () and backend.problems() == ()
    sent = [stop.sent for stop in backend.stop_times]
    assert len(sent) >= 2 and float(np.median(sent)) < 0.05  # [s] from the request to the cancel's departure


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
    ended = time.monotonic()
    timer.join()
    assert not motion.completed and "no joint state" in motion.reason
    assert ended - time.monotonic() < PATIENCE
    with pytest.raises(RobotError, match="is the driver running"):
        backend.state()
    driver.start()  # simulated time starts over, too
    until(lambda: not backend.problems())
    motion = backend.follow(away(backend, 1.0, 0.05))
    assert motion.completed, motion.reason
    motion = backend.grip(0.02, 10.0)
    assert motion.completed, motion.reason
    assert abs(backend.capture("wrist").stamp - backend.now()) < 1.0
