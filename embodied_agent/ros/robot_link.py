"""The robot as the node sees it: its back end on this node, and how fresh all that comes from it is."""

from __future__ import annotations

from typing import Any

from embodied_agent.errors import RobotError
from embodied_agent.robots.backend import Backend
from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.ros2.backend import Ros2Backend
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.ros import parameters
from embodied_agent.ros.diagnostics import (
    CONTROLLERS,
    OK,
    STALE,
    WARN,
    Check,
    Stream,
    controller_check,
    stream_check,
    worst,
)

JOINTS, TRANSFORMS, FORCE = "joint states", "transforms", "force"


class RobotLink:
    """Opens and closes the back end.

    Args:
        node: The ROS node that it lives on.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self._interface: Ros2Interface = parameters.read_interface(node)
        self._backend: Ros2Backend | None = None

    @property
    def world_frame(self) -> str:
        """Frame that programs, tree and markers are in."""
        return self._interface.world_frame

    def open(self, description: RobotDescription, patience: float) -> Backend:
        """The back end, once joints, cameras, transforms and controllers are there.

        Raises:
            RobotError: They are not after `patience` [s]; the sentence names each.
            ConfigError: A parameter of the interface cannot be used.
        """
        self._interface = parameters.read_interface(self._node)
        self._backend = Ros2Backend(description, interface=self._interface, beside=self._node, wait=patience)
        return self._backend

    def close(self) -> None:
        """Release it."""
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()

    def camera_size(self) -> tuple[int, int]:
        """Width and height [px] of the planning camera's image.

        Raises:
            CameraError: It gives none.
            RobotError: There is no robot now.
        """
        backend = self._backend
        if backend is None:
            raise RobotError("the robot is not configured")
        height, width = backend.capture(backend.cameras[0]).rgb.shape[:2]
        return width, height

    def checks(self) -> list[Check]:
        """Rows of /diagnostics: joints, each camera, transforms, force, controllers."""
        backend = self._backend
        if backend is None:
            unknown = "not asked: the node is unconfigured"
            return [Check(name, STALE, unknown) for name in (JOINTS, TRANSFORMS, CONTROLLERS)]
        rows: dict[str, list[Check]] = {}
        for reading in backend.streams():
            if reading.age is None and not reading.needed:
                continue  # a remark says that it never spoke
            name = self._row(reading.name)
            stream = Stream(reading.name, reading.age, reading.rate, reading.limit)
            rows.setdefault(name, []).append(stream_check(name, stream))
        checks = [found for group in rows.values() if (found := worst(group)) is not None]
        remarks = backend.health.remarks()
        if remarks:
            checks.append(Check("remarks", WARN, "; ".join(remarks)))
        if not any(check.name == FORCE for check in checks):
            checks.append(Check(FORCE, OK, "no force sensor: force limits rest with the controller"))
        return [*checks, controller_check(backend.controllers(), backend.controller_state.reading)]

    def stop_times(self, since: float) -> dict[str, float]:
        """How the first stop since a request went, in seconds from that request.

        Args:
            since: time.monotonic() of the request.
        """
        backend = self._backend
        for stop in backend.stop_times if backend is not None else ():
            if stop.asked < since - 0.001:
                continue
            late = stop.asked - since
            times = {"cancel_sent_s": late + stop.sent}
            return times if stop.ended is None else times | {"cancel_confirmed_s": late + stop.ended}
        return {}

    def _row(self, stream: str) -> str:
        """The row of /diagnostics that a topic or transform belongs to."""
        names = self._interface
        if stream.startswith("transform "):
            return TRANSFORMS
        if stream == self._node.resolve_topic_name(names.joint_states):
            return JOINTS
        for camera in names.cameras:
            for pattern in (names.color_topic, names.depth_topic):
                if stream == self._node.resolve_topic_name(names.of_camera(pattern, camera)):
                    return f"camera {camera}"
        return FORCE
