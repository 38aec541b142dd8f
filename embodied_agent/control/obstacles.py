"""What the arm must not touch, as perception measured it: boxes and a cloud turned into boxes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from embodied_agent.types import Array, Pose

# More boxes than this and every plan slows down; the cloud is coarsened instead.
MAX_CLOUD_BOXES = 600

TABLE = "table"
CLOUD = "unknown things"
HAND = "hand"
HELD = "held object"


@dataclass(frozen=True)
class Box:
    """An oriented box.

    Attributes:
        name: What explanations call it, e.g. "red mug".
        pose: Centre in the world.
        size: Full sizes along the pose's axes [m], (3,).
    """

    name: str
    pose: Pose
    size: Array

    def __post_init__(self) -> None:
        size = np.asarray(self.size, dtype=np.float64).reshape(3)
        if not np.isfinite(size).all() or (size < 0).any():
            raise ValueError(f"box '{self.name}': not a size: {size}")
        object.__setattr__(self, "size", np.maximum(size, 1e-3))

    def contains(self, points: Array, margin: float = 0.0) -> NDArray[np.bool_]:
        """Which of the points (N, 3) lie inside, enlarged by `margin` [m]; (N,)."""
        local = np.abs(self.pose.inverse().apply(np.asarray(points).reshape(-1, 3)))
        inside: NDArray[np.bool_] = np.all(local <= self.size / 2 + margin, axis=1)
        return inside


@dataclass(frozen=True)
class Held:
    """An object between the fingers.

    Attributes:
        tool_from_box: Pose of its box in the tool frame.
        size: Full sizes along the box's axes [m], (3,).
    """

    tool_from_box: Pose
    size: Array


@dataclass(frozen=True)
class Obstacles:
    """Everything around the arm.

    Attributes:
        boxes: Objects and furniture.
        points: Other measured surface points in the world [m], (N, 3).
        voxel: Edge of the cubes that points become [m].
        table: Height of the table plane [m]; None = no table.
        held: What the hand carries.
        allowed: Pairs that may touch: (link name, "hand" or "held object"; box name,
            "table" or "unknown things").
    """

    boxes: tuple[Box, ...] = ()
    points: Array = field(default_factory=lambda: np.zeros((0, 3)))
    voxel: float = 0.015
    table: float | None = 0.0
    held: Held | None = None
    allowed: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64).reshape(-1, 3)
        object.__setattr__(self, "points", points[np.isfinite(points).all(axis=1)])
        if not self.voxel > 0:
            raise ValueError(f"voxel must be positive, not {self.voxel}")

    def allow(self, *pairs: tuple[str, str]) -> Obstacles:
        """The same obstacles, with more pairs that may touch."""
        return replace(self, allowed=self.allowed + pairs)

    def holding(self, held: Held | None) -> Obstacles:
        """The same obstacles with another thing in the hand, or nothing."""
        return replace(self, held=held)

    def without(self, *names: str) -> Obstacles:
        """The same obstacles, without the named boxes and the points inside them."""
        gone = [box for box in self.boxes if box.name in names]
        keep = np.ones(len(self.points), dtype=bool)
        for box in gone:
            keep &= ~box.contains(self.points, self.voxel)
        boxes = tuple(box for box in self.boxes if box.name not in names)
        return replace(self, boxes=boxes, points=self.points[keep])

    def cloud_boxes(self) -> tuple[Box, ...]:
        """The points as axis-aligned boxes that cover them, coarser where there are many."""
        outside = np.ones(len(self.points), dtype=bool)
        for box in self.boxes:
            outside &= ~box.contains(self.points)  # covered already
        points = self.points[outside]
        voxel = self.voxel
        boxes = _merge(points, voxel)
        while len(boxes) > MAX_CLOUD_BOXES:
            voxel *= 1.3
            boxes = _merge(points, voxel)
        return tuple(Box(CLOUD, Pose((low + high) / 2 * voxel), (high - low) * voxel) for low, high in boxes)


def _merge(points: Array, voxel: float) -> list[tuple[Array, Array]]:
    """Occupied voxels joined into boxes, as (low, high) corners in voxels, high exclusive.

    Runs along z first, since tables hold upright things; then equal runs along x and y.
    """
    if not len(points):
        return []
    low = np.unique(np.floor(points / voxel).astype(np.int64), axis=0)
    high = low + 1
    for axis in (2, 0, 1):
        others = [a for a in range(3) if a != axis]
        sides = np.concatenate([low[:, others], high[:, others]], axis=1)  # (K, 4)
        # Boxes that agree in the other two axes lie next to one another after sorting.
        order = np.lexsort((low[:, axis], *sides.T[::-1]))
        low, high, sides = low[order], high[order], sides[order]
        goes_on = (sides[1:] == sides[:-1]).all(axis=1) & (low[1:, axis] == high[:-1, axis])
        first = np.flatnonzero(np.concatenate([[True], ~goes_on]))
        last = np.concatenate([first[1:] - 1, [len(low) - 1]])
        merged = high[first]
        merged[:, axis] = high[last, axis]
        low, high = low[first], merged
    return [(a.astype(np.float64), b.astype(np.float64)) for a, b in zip(low, high, strict=True)]
