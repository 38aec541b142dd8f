"""The tree of frames, kept from /tf and /tf_static, and looked up at the time of an exposure."""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pytransform3d.rotations import quaternion_slerp
from pytransform3d.transform_manager import TransformManager

from embodied_agent.config import nearest
from embodied_agent.errors import RobotError
from embodied_agent.robots.ros2 import messages
from embodied_agent.types import Pose

HISTORY = 512  # readings of each frame: 5 s at 100 Hz
KEPT = 10.0  # [s] that a reading is kept
JUMP = 1.0  # [s] by which a clock goes back when it starts over
FRAMES = 1000  # more are a mistake
WAIT = 0.02  # [s] between two looks at a buffer in which nothing changes
MAX_GAP = 1.0  # [s] between two readings of a frame across which its motion is not guessed


class TransformError(RobotError):
    """Two frames are not connected at the time that was asked for."""


class NotYet(TransformError):
    """The transform of that time may still come."""


@dataclass
class _Edge:
    """Where one frame is in its parent: one pose if it is fixed, else the newest readings."""

    parent: str
    fixed: bool
    stamps: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    poses: deque[Pose] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def add(self, stamp: float, pose: Pose) -> None:
        if self.fixed:
            self.stamps.clear()
            self.poses.clear()
        elif self.stamps and stamp <= self.stamps[-1]:
            if stamp > self.stamps[-1] - JUMP:
                return  # repeated or late; what is known stands
            self.stamps.clear()
            self.poses.clear()
        self.stamps.append(stamp)
        self.poses.append(pose)
        while self.stamps[0] < stamp - KEPT:
            self.stamps.popleft()
            self.poses.popleft()

    def at(self, stamp: float | None, name: str) -> Pose:
        """Parent from child at a time; None = the newest."""
        if self.fixed or stamp is None or stamp == self.stamps[-1]:
            return self.poses[-1]
        if stamp > self.stamps[-1]:
            raise NotYet(
                f"the newest transform of '{name}' is {stamp - self.stamps[-1]:.3f} s too old for what was asked"
            )
        if stamp < self.stamps[0]:
            raise TransformError(
                f"the oldest transform of '{name}' is {self.stamps[0] - stamp:.3f} s too new for what was asked"
            )
        index = bisect_left(self.stamps, stamp)
        if self.stamps[index] == stamp:
            return self.poses[index]
        gap = self.stamps[index] - self.stamps[index - 1]
        if gap > MAX_GAP:
            raise TransformError(
                f"the transforms of '{name}' have a gap of {gap:.2f} s at the time that was asked for"
            )
        return _between(self.poses[index - 1], self.poses[index], (stamp - self.stamps[index - 1]) / gap)


def _between(before: Pose, after: Pose, share: float) -> Pose:
    position = before.position + share * (after.position - before.position)
    turn = quaternion_slerp(before.quaternion, after.quaternion, share, shortest_path=True)
    return Pose(position, turn)


class Transforms:
    """A buffer of transforms. Safe to use from several threads.

    `add` takes what comes from the topics; `lookup` answers for any two frames of one tree.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._edges: dict[str, _Edge] = {}  # by child
        self._tree = TransformManager(strict_check=False, check=False)
        self._refused: dict[str, str] = {}

    def add(self, transforms: Iterable[Any], *, fixed: bool) -> None:
        """Keep geometry_msgs/TransformStamped of /tf, or of /tf_static (`fixed`)."""
        with self._changed:
            for transform in transforms:
                parent = transform.header.frame_id.lstrip("/")
                child = transform.child_frame_id.lstrip("/")
                try:
                    pose = messages.pose_of(transform.transform)
                    self._keep(parent, child, messages.seconds(transform.header.stamp), pose, fixed)
                except RobotError as error:
                    self._refused[child[:100]] = str(error)
                    while len(self._refused) > 20:
                        self._refused.pop(next(iter(self._refused)))
            self._changed.notify_all()

    def _keep(self, parent: str, child: str, stamp: float, pose: Pose, fixed: bool) -> None:
        if not parent or not child or parent == child:
            raise TransformError(f"a transform from '{child}' to '{parent}' means nothing")
        edge = self._edges.get(child)
        if edge is None and len(self._edges) >= FRAMES:
            raise TransformError(f"more than {FRAMES} frames")
        if edge is None or edge.parent != parent or edge.fixed != fixed:
            if child in self._ancestors(parent):
                raise TransformError(f"'{child}' and '{parent}' would be above each other")
            if edge is not None and edge.parent != parent:
                self._tree.remove_transform(child, edge.parent)
            edge = self._edges[child] = _Edge(parent, fixed)
            self._tree.add_transform(child, parent, pose.matrix)
        edge.add(stamp, pose)

    def _ancestors(self, frame: str) -> list[str]:
        """The frame, its parent, and so on to the root."""
        chain = [frame]
        while chain[-1] in self._edges:
            chain.append(self._edges[chain[-1]].parent)
        return chain

    def lookup(
        self, target: str, source: str, stamp: float | None = None, *, late: Callable[[], bool] = lambda: True
    ) -> Pose:
        """Where `source` is in `target`: target_from_source.

        Args:
            target, source: Frames.
            stamp: ROS time [s]; None takes the newest of each frame between the two.
            late: Asked while the transforms are not there yet; true ends the wait for them.

        Raises:
            TransformError: Unknown frames, no connection, or no reading at that time. Nothing is
                extrapolated.
        """
        while True:
            with self._changed:
                try:
                    return self._lookup(target, source, stamp)
                except NotYet:
                    if late():
                        raise
                self._changed.wait(WAIT)

    def _lookup(self, target: str, source: str, stamp: float | None) -> Pose:
        if target == source:
            return Pose(np.zeros(3))
        known = {*self._edges, *(edge.parent for edge in self._edges.values())}
        for frame in (target, source):
            if frame not in known:
                raise NotYet(f"no transform of the frame '{frame}' came{nearest(frame, known)}")
        up, down = self._ancestors(source), self._ancestors(target)
        if up[-1] != down[-1]:
            raise NotYet(f"'{source}' hangs on '{up[-1]}' and '{target}' on '{down[-1]}': they are not connected")
        shared = set(up) & set(down)
        for child in itertools.chain(up, down):
            if child not in shared:
                edge = self._edges[child]
                self._tree.add_transform(child, edge.parent, edge.at(stamp, child).matrix)
        return Pose.from_matrix(self._tree.get_transform(source, target))

    def knows(self, frame: str) -> bool:
        """Whether any transform named the frame."""
        with self._changed:
            return frame in self._edges or any(edge.parent == frame for edge in self._edges.values())

    def age(self, target: str, source: str, now: float) -> float | None:
        """Age of the oldest moving transform between two frames [s]; 0 if all are fixed, None if unconnected."""
        with self._changed:
            up, down = self._ancestors(source), self._ancestors(target)
            if up[-1] != down[-1]:
                return None
            shared = set(up) & set(down)
            edges = [self._edges[child] for child in (*up, *down) if child not in shared]
            return max((now - edge.stamps[-1] for edge in edges if not edge.fixed), default=0.0)

    def frames(self) -> dict[str, str]:
        """Parent of each frame, by child."""
        with self._changed:
            return {child: edge.parent for child, edge in self._edges.items()}

    @property
    def refused(self) -> dict[str, str]:
        """Transforms that could not be used, with the reason, by child frame."""
        with self._changed:
            return dict(self._refused)

    def clear(self) -> None:
        """Forget what moves; for a clock that starts over. What is fixed is published once, and stays."""
        with self._changed:
            for edge in self._edges.values():
                if not edge.fixed and len(edge.stamps) > 1:
                    edge.stamps = deque([edge.stamps[-1]], maxlen=HISTORY)
                    edge.poses = deque([edge.poses[-1]], maxlen=HISTORY)
