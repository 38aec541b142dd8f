"""Driver, node and model as separate processes, and a client that talks to them: what every exercise runs on."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from embodied_agent.config import find_config
from embodied_agent.errors import PlannerError, RobotError
from embodied_agent.robots.description import load_robot
from embodied_agent.ros.faults.client import Client
from embodied_agent.ros.faults.processes import Child, wait_until

SCENE = """\
objects:
  - {kind: cube, color: red, position: [0.45, 0.05], yaw: 0.3}
"""
DRIVER = (sys.executable, "-m", "embodied_agent.ros.driver.node")
AGENT = (sys.executable, "-m", "embodied_agent.ros.agent_node")
MODEL = (sys.executable, "-m", "embodied_agent.ros.faults.model")
AWAY, JOG = 1.2, 2.0  # [rad] of the first joint from home, [s] to get there
# A busy machine must not look like a broken robot: waits beyond those of a real one.
PATIENT = {
    "ready_timeout": 60.0,
    "image_timeout": 8.0,
    "server_timeout": 10.0,
    "accept_timeout": 10.0,
    "model_check_timeout": 10.0,
}
FAULTS = ("camera_silent", "joint_states_silent", "tf_silent", "controller_down")


class Rig:
    """Three processes and a client. A context manager that leaves nothing behind.

    Args:
        folder: For logs, the audit, and the scene.
        domain: ROS domain of its own, 0 to 101.
        robot: Robot that is simulated.
        agent_parameters, driver_parameters: Beyond the rig's own.
        model: Command of the model server, which also gets its port.
        patience: Longest wait for anything to start [s]; machines are busy sometimes.
        told: Called with the rounds that an exercise has done.
    """

    def __init__(
        self,
        folder: Path,
        domain: int,
        *,
        robot: str = "panda",
        agent_parameters: Mapping[str, Any] | None = None,
        driver_parameters: Mapping[str, Any] | None = None,
        model: Sequence[str] = MODEL,
        patience: float = 300.0,
        told: Callable[[int], None] = lambda done: None,
    ) -> None:
        self.description = load_robot(robot)
        self.folder, self.domain, self.robot, self.patience = folder, domain, robot, patience
        folder.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        self._model, self.told = tuple(model), told
        self._agent_parameters, self._driver_parameters = agent_parameters or {}, driver_parameters or {}
        self._environment = {
            "ROS_DOMAIN_ID": str(domain),
            "ROS_LOG_DIR": str(folder),
            "OMP_NUM_THREADS": "1",
        }
        stay_here()
        self.scene = folder / "scene.yaml"
        self.scene.write_text(SCENE, encoding="utf-8")
        self.model = self.driver = self.agent = _nothing(folder)
        self.client: Client = None  # type: ignore[assignment]

    def __enter__(self) -> Rig:
        try:
            self.start_model()
            self.start_driver()
            self.start_agent()
            self.client = Client(self.domain, patience=self.patience)
            self.wait_active()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        if self.client is not None:
            self.client.close()
        for child in (self.agent, self.driver, self.model):
            child.end()

    # -- processes --------------------------------------------------------------------------------

    def start_model(self) -> None:
        """Start the model server, on the same port as before."""
        self.model = self._child("model", (*self._model, "--port", str(self.port)))

    def start_driver(self) -> None:
        """Start the simulated driver."""
        # Few images: these exercises are not about them, and pictures are drawn by the processor.
        parameters = {"robot": self.robot, "scene": str(self.scene), "overhead_rate": 5.0, "wrist_rate": 2.0}
        parameters |= self._driver_parameters
        self.driver = self._child("driver", (*DRIVER, *_ros_arguments(parameters)))

    def start_agent(self) -> None:
        """Start the node, with the parameters of a simulated robot."""
        url = f"http://127.0.0.1:{self.port}/v1"
        parameters = {
            "robot": self.robot,
            "planner_url": url,
            "grounder_url": url,
            "audit_log": str(self.folder / "audit.jsonl"),
            "model_check_period": 0.5,
            "autostart_period": 1.0,
            **PATIENT,
            **self._agent_parameters,
        }
        file = str(find_config("agent_sim", "ros2"))
        self.agent = self._child("agent", (*AGENT, "--ros-args", "--params-file", file, *_given(parameters)))

    def _child(self, name: str, command: Sequence[str]) -> Child:
        return Child(name, command, self.folder, self._environment)

    def rounds(self, count: int) -> Iterator[int]:
        """Numbers from 0 on; whoever watches is told of each that was done."""
        for number in range(count):
            yield number
            self.told(number + 1)

    # -- states that exercises start from ------------------------------------------------------------

    def wait_active(self) -> None:
        """Wait until the node takes goals.

        Raises:
            RobotError: It does not; with the end of its log.
            PlannerError: The model server could not start.
        """
        try:
            wait_until("the node became active", self._active, self.patience, 0.2)
        except RobotError as error:
            raise RobotError(f"{error}:\n{self.agent.tail()}\n{self.driver.tail(5)}") from None

    def _active(self) -> bool:
        if not self.agent.running:
            raise RobotError(f"the node ended:\n{self.agent.tail()}")
        if not self.model.running:
            raise PlannerError(f"the model server ended: {self.model.tail(1)}")
        return "active," in self.client.sentence("task") and "inactive" not in self.client.sentence("task")

    def restore(self) -> None:
        """Everything runs, nothing is broken or held, the arm is at home, and a goal works.

        Raises:
            RobotError: Something did not come back.
        """
        if not self.model.running:
            self.start_model()
        if not self.driver.running:
            self.start_driver()
        for name in FAULTS:
            self.client.set_fault(f"fault.{name}", False)
        wait_until("the model answered", lambda: self.client.level("model") == 0, self.patience)
        wait_until("joint states came", lambda: self.client.level("joint states") == 0, self.patience)
        self.again()
        wait_until("a goal is done", self._works, self.patience, 0.5)

    def again(self) -> None:
        """No stop is held, and the arm is at home, nothing in its hand.

        Raises:
            RobotError: The node cannot be reset, or the scene not be loaded.
        """
        wait_until("reset", lambda: self.client.trigger("reset").success, self.patience, 0.1)
        self.client.load_scene(SCENE)

    def _works(self) -> bool:
        sent = self.client.send("go home")
        return sent.accepted and sent.wait(self.patience).outcome == 0


def stay_here() -> None:
    """Let this process and its children talk on this machine alone, and fast; before anything of ROS starts."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    profile = find_config("panda", "ros2").with_name("fastdds.xml")
    if profile.is_file():  # images are lost on Fast DDS's default transports
        os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))


def moving(rig: Rig, instruction: str = "go home slowly", speed: float = 0.05) -> Any:
    """A goal whose arm moves now, for some seconds; for exercises that break something on the way.

    Raises:
        RobotError: The arm did not come to move.
    """
    joints = rig.description.joint_names
    away = [*rig.description.home]
    away[0] -= AWAY
    rig.client.jog(joints, away, JOG)
    sent = rig.client.send(instruction)
    if not sent.accepted:
        raise RobotError(f"the goal was refused: {rig.client.sentence('task')}")

    def moves() -> bool:
        if sent.result is not None:
            raise RobotError(f"the goal ended before the arm moved: {sent.result.reason}")
        return rig.client.speed() > speed

    wait_until("the arm moved", moves, rig.patience, 0.01)
    return sent


def _ros_arguments(parameters: Mapping[str, Any]) -> list[str]:
    return ["--ros-args", *_given(parameters)]


def _given(parameters: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in parameters.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        words += ["-p", f"{name}:={text}"]
    return words


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _nothing(folder: Path) -> Child:
    """A process that has ended, for the time before the real ones start."""
    child = Child("nothing", (sys.executable, "-c", ""), folder, {})
    child.wait(30.0)
    return child
