"""The simulated driver as a process of its own, for tests that need one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from embodied_agent.robots.ros2.backend import Ros2Backend
from embodied_agent.robots.ros2.interface import Ros2Interface

ACTIONS = {"panda": "GripperCommand", "xarm6": "ParallelGripperCommand"}  # both kinds are tried
PATIENCE = 240.0  # [s]; for machines with much else to do


class Driver:
    """The process, and what it can be told."""

    def __init__(self, robot: str, log: Path) -> None:
        self.robot, self.log = robot, log
        self.interface = Ros2Interface(gripper_action_type=ACTIONS[robot], image_timeout=3.0)  # type: ignore[arg-type]
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


@contextmanager
def environment(domain: int, folder: Path) -> Iterator[None]:
    """A ROS domain of its own for this process and its children."""
    before = dict(os.environ)
    os.environ |= {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(folder),
        "FASTDDS_DEFAULT_PROFILES_FILE": str(Path(__file__).parents[2] / "configs/ros2/fastdds.xml"),
        "MUJOCO_GL": "egl",
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


@contextmanager
def simulated(robot: str, domain: int, folder: Path) -> Iterator[Driver]:
    """A driver that runs during the block."""
    with environment(domain, folder):
        driver = Driver(robot, folder / "driver.log")
        try:
            yield driver
        finally:
            driver.close()


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
