"""A mobile base through Nav2's `navigate_to_pose`: drive somewhere, and be told how it went."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PoseStamped

from embodied_agent.errors import RobotError
from embodied_agent.robots.ros2 import messages
from embodied_agent.robots.ros2.controllers import action_type
from embodied_agent.robots.ros2.goals import Ending, GoalClient
from embodied_agent.robots.ros2.session import Session
from embodied_agent.types import Pose

LOOK = 0.05  # [s] between two looks at what goes on, so that a stop is heeded that soon


@dataclass(frozen=True)
class Drive:
    """How a drive went.

    Attributes:
        arrived: Nav2 says that the base is there.
        reason: Why not; "" if it is.
        remaining: Distance that was left when it was told last [m]; None = never told.
    """

    arrived: bool
    reason: str
    remaining: float | None


class Navigator:
    """Sends one base to poses.

    Args:
        session: Node to live on.
        action: Name of the action.
        patience: Longest wait for the server to be there, and to take a goal [s].

    Raises:
        MissingDependency: nav2_msgs is not installed.
    """

    def __init__(self, session: Session, action: str = "navigate_to_pose", patience: float = 5.0) -> None:
        self._session, self._patience = session, patience
        self._changed = threading.Event()
        self.name = str(session.node.resolve_topic_name(action))
        self._client = GoalClient(
            session.node, action_type("nav2_msgs", "NavigateToPose"), action, self._changed.set
        )

    def drive(
        self, x: float, y: float, yaw: float, *, frame: str = "map", seconds: float, stop: Callable[[], str]
    ) -> Drive:
        """Drive to a place and heading; return when there, stopped, or given up.

        Args:
            x, y: Goal [m] in `frame`.
            yaw: Heading [rad], counter-clockwise from x.
            frame: Of the goal.
            seconds: Longest drive.
            stop: Asked every 50 ms; a sentence ends the drive and becomes its reason.

        Raises:
            RobotError: Numbers that are not finite.
        """
        if not np.isfinite([x, y, yaw, seconds]).all():
            raise RobotError(f"cannot drive to ({x}, {y}) heading {yaw} within {seconds} s")
        if reason := self._until(lambda: self._client.ready, self._patience, stop):
            return Drive(False, f"no action server at {self.name}: {reason}", None)
        goal = self._client.type.Goal()
        turn = Pose(np.array([x, y, 0.0]), np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]))
        header = messages.to_header(self._session.now(), frame)
        goal.pose = PoseStamped(header=header, pose=messages.to_pose(turn))
        sent = self._client.send(goal)
        reason = self._until(lambda: sent.accepted or sent.over, self._patience, stop)
        reason = reason or self._until(lambda: sent.over, seconds, stop)
        if reason:
            sent.abandoned = True
            sent.cancel()
            self._until(lambda: sent.over, self._patience, lambda: "")
        elif sent.ending is not Ending.SUCCEEDED:
            reason = f"{self.name} {sent.ending.value if sent.ending else 'lost'} the goal"
        left = None if sent.feedback is None else float(sent.feedback.distance_remaining)
        return Drive(not reason, reason, left)

    def _until(self, holds: Callable[[], bool], seconds: float, stop: Callable[[], str]) -> str:
        """Wait until something holds; "" if it does, else why not."""
        limit = time.monotonic() + seconds
        while not holds():
            if reason := stop():
                return reason
            if time.monotonic() > limit:
                return f"nothing came of it within {seconds:.1f} s"
            self._changed.wait(LOOK)
            self._changed.clear()
        return ""
