"""What happened in a world between two readings of its truth: where every thing was and is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from embodied_agent.types import Array, Pose
from sim.dimensions import DIMENSIONS, Dimensions
from sim.scene import Scene

Truth = Mapping[str, Any]


@dataclass(frozen=True)
class Body:
    """One object at one moment.

    Attributes:
        name: In the scene.
        kind: Kind of object.
        size: Its dimensions.
        pose: Of its middle, z along its own upright axis.
    """

    name: str
    kind: str
    size: Dimensions
    pose: Pose

    @cached_property
    def half(self) -> Array:
        """Half sizes of the world-aligned box around it, as it lies [m], (3,)."""
        turn, own = self.pose.rotation, np.array([*self.size.half, self.size.height / 2])
        if self.kind in ("ball", "apple", "lemon"):  # an ellipsoid is no larger for being turned
            half: Array = np.sqrt(turn**2 @ own**2)
        elif self.kind == "banana":
            half = np.abs(turn) @ (own - own[2]) + own[2]
        elif self.kind in ("cylinder", "can", "bottle", "bowl", "plate", "bin"):
            axis = np.abs(turn[:, 2])
            half = own[2] * axis + own[0] * np.sqrt(np.maximum(0.0, 1.0 - axis**2))
        else:
            half = np.abs(turn) @ own
        return half

    @property
    def xy(self) -> Array:
        """Middle over the table [m], (2,)."""
        return self.pose.position[:2]

    @property
    def bottom(self) -> float:
        """Height of its lowest point [m]."""
        return float(self.pose.position[2] - self.half[2])

    @property
    def top(self) -> float:
        """Height of its highest point [m]."""
        return float(self.pose.position[2] + self.half[2])

    @property
    def upright(self) -> bool:
        """Whether it still stands, within 30 degrees."""
        return bool(self.pose.rotation[2, 2] > math.cos(math.radians(30)))


@dataclass(frozen=True)
class Run:
    """What happened in the world.

    Attributes:
        scene: How it was made.
        before, after: Truth at the start and at the end.
        peaks: Largest position of each joint in between; {} = read "peak" in `after`.
    """

    scene: Scene
    before: Truth
    after: Truth
    peaks: Mapping[str, float] | None = None

    def body(self, name: str, *, start: bool = False) -> Body:
        """An object at the end, or at the start."""
        entry = (self.before if start else self.after)["objects"][name]
        size = DIMENSIONS[entry["kind"], entry["size"]]
        pose = Pose(np.asarray(entry["position"]), np.asarray(entry["quaternion"]))
        return Body(name, entry["kind"], size, pose)

    def joint(self, name: str, *, start: bool = False) -> Mapping[str, Any]:
        """A moving part's joint at the end, or at the start."""
        entry: Mapping[str, Any] = (self.before if start else self.after)["joints"][name]
        return entry

    def peak(self, name: str) -> float:
        """The largest position that a joint reached."""
        last = self.joint(name)
        return max(float(last["position"]), float(last.get("peak", 0.0)), (self.peaks or {}).get(name, 0.0))

    @property
    def names(self) -> tuple[str, ...]:
        """Every object."""
        return tuple(self.before["objects"])
