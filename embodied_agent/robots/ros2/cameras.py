"""RGB-D readings from three topics of one camera, with its pose at the moment of exposure."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from sensor_msgs.msg import CameraInfo, Image

from embodied_agent.errors import CameraError, RobotError
from embodied_agent.robots.ros2 import messages
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.ros2.rectify import rectified
from embodied_agent.robots.ros2.sensors import JUMP, Meter, sensor_qos
from embodied_agent.robots.ros2.session import Session
from embodied_agent.robots.ros2.transforms import WAIT, Transforms
from embodied_agent.types import Frame

KEPT = 4  # messages of each topic; colour and depth of one exposure come apart by less
COLOR, DEPTH, INFO = "color", "depth", "info"


class CameraStream:
    """The newest messages of one camera; they are unpacked only when somebody looks.

    Args:
        session: Node to live on.
        name: As programs call it.
        interface: Topics and times.
        transforms: Where its frame is.
    """

    def __init__(self, session: Session, name: str, interface: Ros2Interface, transforms: Transforms) -> None:
        self.name = name
        self._session, self._interface, self._transforms = session, interface, transforms
        self._changed = threading.Condition()
        self._kept: dict[str, deque[Any]] = {part: deque(maxlen=KEPT) for part in (COLOR, DEPTH, INFO)}
        self.meters = {part: Meter() for part in (COLOR, DEPTH, INFO)}
        patterns = {COLOR: interface.color_topic, DEPTH: interface.depth_topic, INFO: interface.info_topic}
        self.topics = {
            part: str(session.node.resolve_topic_name(interface.of_camera(pattern, name)))
            for part, pattern in patterns.items()
        }
        group = MutuallyExclusiveCallbackGroup()
        self._subscriptions = [
            session.node.create_subscription(
                CameraInfo if part == INFO else Image,
                self.topics[part],
                lambda message, part=part: self._hear(part, message),
                sensor_qos(1),
                callback_group=group,
            )
            for part in (COLOR, DEPTH, INFO)
        ]

    @property
    def frame(self) -> str:
        """Its optical frame: what its images say, or else what the interface says."""
        with self._changed:
            told = self._kept[COLOR][-1].header.frame_id.lstrip("/") if self._kept[COLOR] else ""
        return told or self._interface.of_camera(self._interface.camera_frame, self.name)

    def forget(self) -> None:
        """Drop what came so far; for a clock that starts over."""
        with self._changed:
            for kept in self._kept.values():
                kept.clear()

    def capture(self, since: float) -> Frame:
        """The newest frame exposed at `since` [s] or later, waited for if need be.

        Raises:
            CameraError: None came in time, or it cannot be used; the sentence names the topic.
        """
        deadline = self._session.deadline(self._interface.image_timeout, self._interface.clock_timeout)
        with self._changed:
            while not (parts := self._match(since)):
                if deadline.over:
                    raise CameraError(self._missing(since))
                self._changed.wait(WAIT)
        return self._frame(*parts)

    def _hear(self, part: str, message: Any) -> None:
        stamp = messages.seconds(message.header.stamp)
        with self._changed:
            kept = self._kept[part]
            if kept and stamp < messages.seconds(kept[-1].header.stamp) - JUMP:
                kept.clear()
            kept.append(message)
            self.meters[part].note(stamp)
            self._changed.notify_all()

    def _match(self, since: float) -> tuple[Any, Any, Any] | None:
        """Colour, depth and intrinsics of the newest exposure from `since` on."""
        if not self._kept[INFO]:
            return None
        for color in reversed(self._kept[COLOR]):
            stamp = messages.seconds(color.header.stamp)
            if stamp < since:
                return None
            depth = _nearest(self._kept[DEPTH], stamp)
            if depth is not None and _apart(depth, stamp) <= self._interface.sync_slop:
                return color, depth, _nearest(self._kept[INFO], stamp)
        return None

    def _frame(self, color: Any, depth: Any, info: Any) -> Frame:
        stamp = messages.seconds(color.header.stamp)
        try:
            intrinsics = messages.intrinsics_of(info)
            rgb = rectified(messages.rgb_of(color), intrinsics)
            metres = rectified(messages.depth_of(depth), intrinsics)
            for part, (height, width) in ((COLOR, rgb.shape[:2]), (DEPTH, metres.shape)):
                if (width, height) != (intrinsics.width, intrinsics.height):
                    told = f"{self.topics[INFO]} says {intrinsics.width}x{intrinsics.height}"
                    raise CameraError(f"{self.topics[part]} is {width}x{height}, {told}")
            frame = color.header.frame_id.lstrip("/") or self.frame
            deadline = self._session.deadline(self._interface.tf_timeout, self._interface.clock_timeout)
            pose = self._transforms.lookup(self._interface.world_frame, frame, stamp, late=lambda: deadline.over)
        except RobotError as error:
            raise CameraError(f"camera '{self.name}': {error}") from None
        return Frame(rgb, metres, messages.camera_of(intrinsics, self.name, pose), stamp)

    def _missing(self, since: float) -> str:
        """Which topic is why there is no frame, and how old it is."""
        waited = f"after {self._interface.image_timeout:.1f} s of waiting"
        begun = f"camera '{self.name}': "
        now = self._session.now()
        for part in (COLOR, DEPTH, INFO):
            meter = self.meters[part]
            if meter.stamp is None or not self._kept[part]:
                return f"{begun}no message on {self.topics[part]} {waited}: is the camera's driver running?"
            if part != INFO and meter.stamp < since:
                return f"{begun}the newest image on {self.topics[part]} is {now - meter.stamp:.2f} s old {waited}"
        color = messages.seconds(self._kept[COLOR][-1].header.stamp)
        depth = _nearest(self._kept[DEPTH], color)
        return (
            f"{begun}{self.topics[COLOR]} and {self.topics[DEPTH]} are {_apart(depth, color) * 1000:.0f} ms "
            f"apart; {self._interface.sync_slop * 1000:.0f} ms are allowed: synchronise them, or raise sync_slop"
        )


def _apart(message: Any, stamp: float) -> float:
    return abs(messages.seconds(message.header.stamp) - stamp)


def _nearest(kept: deque[Any], stamp: float) -> Any:
    return min(kept, key=lambda message: _apart(message, stamp), default=None)
