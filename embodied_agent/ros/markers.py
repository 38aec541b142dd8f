"""What the robot perceived and plans, as markers: boxes with labels, and the path of the tool."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from embodied_agent.robots.ros2.messages import to_pose
from embodied_agent.types import Array, Object

COLORS = {
    "red": (0.85, 0.15, 0.15),
    "green": (0.15, 0.65, 0.25),
    "blue": (0.15, 0.35, 0.85),
    "yellow": (0.95, 0.85, 0.2),
    "orange": (0.95, 0.55, 0.1),
    "purple": (0.55, 0.25, 0.65),
    "white": (0.95, 0.95, 0.95),
    "black": (0.15, 0.15, 0.15),
}
GREY = (0.6, 0.6, 0.6)
PATH = (0.1, 0.9, 0.9)
LABEL = 0.025  # [m] height of a letter
LINE = 0.004  # [m]
MOST_POINTS = 200  # of a path
AXIS = 0.04  # [m] length of the lines that show an object's frame
THIN = 0.002  # [m] at least, or a box is not drawn


class MarkerBoard:
    """The newest things and the newest path; each message carries all, for whoever comes late.

    Args:
        frame: Frame of the programs' world.
    """

    def __init__(self, frame: str) -> None:
        self._frame = frame
        self._lock = threading.Lock()
        self._objects: tuple[Object, ...] = ()
        self._shown: tuple[tuple[str, float, str], ...] = ()
        self._path: Array | None = None
        self.changed = True

    def perceived(self, objects: Sequence[Object]) -> None:
        """All things known now."""
        shown = tuple((item.id, item.stamp, item.description) for item in objects)
        with self._lock:
            if shown != self._shown:
                self._objects, self._shown, self.changed = tuple(objects), shown, True

    def follows(self, points: Array) -> None:
        """Positions of the tool (N, 3) [m] along the motion that starts now."""
        step = max(1, len(points) // MOST_POINTS)
        with self._lock:
            self._path, self.changed = points[::step], True

    def rests(self) -> None:
        """No motion is planned any more."""
        with self._lock:
            self.changed = self.changed or self._path is not None
            self._path = None

    def clear(self) -> None:
        """Nothing is known, nothing is planned."""
        with self._lock:
            self._objects, self._shown, self._path, self.changed = (), (), None, True

    def message(self, stamp: Any) -> Any:
        """Everything as one MarkerArray."""
        with self._lock:
            objects, path, self.changed = self._objects, self._path, False
        markers = [self._marker(stamp, "", 0, Marker.CUBE, Marker.DELETEALL)]
        for number, item in enumerate(objects):
            markers += self._thing(stamp, number, item)
        if path is not None and len(path) > 1:
            line = self._marker(stamp, "tool_path", 0, Marker.LINE_STRIP)
            line.points = [_point(row) for row in path]
            line.scale.x, line.color = LINE, _color(PATH, 1.0)
            goal = self._marker(stamp, "tool_goal", 0, Marker.SPHERE)
            goal.pose.position = _point(path[-1])
            goal.scale, goal.color = Vector3(x=0.015, y=0.015, z=0.015), _color(PATH, 0.9)
            markers += [line, goal]
        return MarkerArray(markers=markers)

    def _thing(self, stamp: Any, number: int, item: Object) -> list[Any]:
        box = self._marker(stamp, "objects", number, Marker.CUBE)
        box.pose = to_pose(item.pose)
        box.scale = Vector3(**{axis: max(THIN, float(v)) for axis, v in zip("xyz", item.extent, strict=True)})
        box.color = _color(COLORS.get(item.color, GREY), 0.5)
        axes = self._marker(stamp, "frames", number, Marker.LINE_LIST)
        axes.scale.x = LINE / 2
        for column in range(3):
            tip = item.pose.position + AXIS * item.pose.rotation[:, column]
            axes.points += [_point(item.pose.position), _point(tip)]
            axes.colors += [_color([float(k == column) for k in range(3)], 1.0)] * 2
        label = self._marker(stamp, "labels", number, Marker.TEXT_VIEW_FACING)
        label.pose.position = _point(item.pose.position)
        label.pose.position.z += float(item.extent[2]) / 2 + LABEL
        label.scale.z, label.color = LABEL, _color((1.0, 1.0, 1.0), 1.0)
        name = item.description or f"{item.color} {item.kind}".strip()
        label.text = f"{name} ({item.id}, {item.confidence:.0%})"
        return [box, axes, label]

    def _marker(self, stamp: Any, space: str, number: int, kind: int, action: int = Marker.ADD) -> Any:
        marker = Marker(ns=space, id=number, type=kind, action=action, lifetime=Duration())
        marker.header.frame_id, marker.header.stamp = self._frame, stamp
        marker.pose.orientation.w = 1.0
        return marker


def _point(row: Any) -> Any:
    return Point(x=float(row[0]), y=float(row[1]), z=float(row[2]))


def _color(rgb: Sequence[float], alpha: float) -> Any:
    return ColorRGBA(r=float(rgb[0]), g=float(rgb[1]), b=float(rgb[2]), a=alpha)
