"""The robot as the node sees it: its back end on this node, and how fresh all that comes from it is."""

from __future__ import annotations

from typing import Any

from embodied_agent.robots.backend import Backend
from embodied_agent.robots.description import RobotDescription
from embodied_agent.ros.diagnostics import STALE, Check


class RobotLink:
    """Opens and closes the back end.

    Args:
        node: The ROS node that it lives on.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self.backend: Any = None
        self.world_frame = "world"

    def open(self, description: RobotDescription, patience: float) -> Backend:
        """The back end, once joints, cameras and transforms came."""
        raise NotImplementedError

    def close(self) -> None:
        """Release it."""
        backend, self.backend = self.backend, None
        if backend is not None:
            backend.close()

    def camera_size(self) -> tuple[int, int]:
        """Width and height [px] of the planning camera's image."""
        frame = self.backend.capture(self.backend.cameras[0])
        height, width = frame.rgb.shape[:2]
        return width, height

    def checks(self) -> list[Check]:
        """Rows of /diagnostics."""
        if self.backend is None:
            return [Check("robot", STALE, "not asked: the node is unconfigured")]
        return []
