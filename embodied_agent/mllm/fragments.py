"""Two solid things of one name in one place are one thing.

The top of a dark cube differs from its sides more than one cube from another, and at times each
counts as a cube. In space they cannot be two: one is where the other is, or both together are as
wide as they are high, as a single cube is. The same goes for what is round.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from embodied_agent.mllm.instances import Instances, only
from embodied_agent.mllm.picture import Picture
from embodied_agent.mllm.vocabulary import CLASSES

SOLID = ("cube", "cylinder", "ball", "can", "bottle", "banana", "apple", "lemon", "mug")  # nothing is in these
SHARE = 0.5  # of the smaller one's footprint that is within the other's
HIGHER = 0.01  # [m] that one reaches beyond the other; a thing on top of another reaches further
FEWEST = 6  # measured cells
CUBIC = 1.3  # times an edge, another edge of the same cube, or width of the same ball, as measured
LEAK = 0.25  # of its height: lower cells of a mask may lie on the table behind it
BESIDE = 0.01  # [m] between two parts of a thing


def join_fragments(picture: Picture, instances: Instances) -> Instances:
    """Instances without those that are a part of another one of the same name.

    Args:
        picture: Where their cells are in the world.
        instances: Named.
    """
    clouds = [picture.points[(instances.ids == k) & picture.measured] for k in range(len(instances))]
    boxes = [_box(cloud) for cloud in clouds]
    whole_of: dict[int, int] = {}
    for part in range(len(instances)):
        others = [k for k in range(len(instances)) if k not in whole_of and _alike(instances, part, k)]
        whole = next((k for k in others if _within(boxes[part], boxes[k])), None)
        shape = _SHAPES.get(CLASSES[int(instances.classes[part].argmax())])
        if whole is None and shape is not None:
            near = (k for k in others if len(clouds[k]) >= len(clouds[part]) and _near(boxes[part], boxes[k]))
            whole = next((k for k in near if shape(np.concatenate([clouds[part], clouds[k]]))), None)
        if whole is not None:
            whole_of[part] = whole
    if not whole_of:
        return instances
    ids = instances.ids.copy()
    for part, whole in whole_of.items():
        ids[ids == part] = whole
    kept = np.array([k for k in range(len(instances)) if k not in whole_of])
    return only(replace(instances, ids=ids), kept)


def _alike(instances: Instances, one: int, other: int) -> bool:
    """Whether two instances are different ones of the same solid kind and colour."""
    kind = int(instances.classes[one].argmax())
    same = one != other and kind == instances.classes[other].argmax() and CLASSES[kind] in SOLID
    return bool(same and instances.colors[one].argmax() == instances.colors[other].argmax())


def _box(points: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Lowest and highest coordinates of points (n, 3), without the outermost: (2, 3)."""
    return np.percentile(points, (4, 96), axis=0).astype(np.float32) if len(points) >= FEWEST else None


def _within(part: NDArray[np.float32] | None, whole: NDArray[np.float32] | None) -> bool:
    """Whether a box stands mostly in the footprint of a larger one, and no higher."""
    if part is None or whole is None:
        return False
    area, larger = float(np.prod(part[1, :2] - part[0, :2])), float(np.prod(whole[1, :2] - whole[0, :2]))
    shared = np.minimum(part[1], whole[1]) - np.maximum(part[0], whole[0])
    within = float(np.prod(np.maximum(shared[:2], 0))) > SHARE * area
    return larger >= area and within and part[1, 2] < whole[1, 2] + HIGHER and part[0, 2] > whole[0, 2] - HIGHER


def _near(one: NDArray[np.float32] | None, other: NDArray[np.float32] | None) -> bool:
    """Whether two boxes touch or overlap."""
    if one is None or other is None:
        return False
    return bool((np.minimum(one[1], other[1]) - np.maximum(one[0], other[0]) > -BESIDE).all())


def _is_cubic(points: NDArray[np.float32]) -> bool:
    """Whether points (n, 3) of a surface span a cube that stands on a face, at any yaw."""
    narrow, wide, height = _spans(points)
    return wide <= CUBIC * narrow and height <= CUBIC * wide and wide <= CUBIC * height


def _is_round(points: NDArray[np.float32]) -> bool:
    """Whether points (n, 3) span a ball, of which a camera may see no more than the upper half."""
    narrow, wide, height = _spans(points)
    return wide <= CUBIC * narrow and height <= CUBIC * wide


_SHAPES = {"cube": _is_cubic, "ball": _is_round, "apple": _is_round}


def _spans(points: NDArray[np.float32]) -> tuple[float, float, float]:
    """Shorter and longer side of the footprint of points (n, 3), and their height [m]."""
    low, high = np.percentile(points[:, 2], (2, 98))
    upper = points[points[:, 2] > low + LEAK * (high - low)][:, :2]
    if len(upper) < FEWEST:
        return 0.0, np.inf, np.inf
    least, most = np.percentile(upper, (2, 98), axis=0)
    inner = upper[((upper >= least) & (upper <= most)).all(axis=1)]
    narrow, wide = sorted(cv2.minAreaRect(inner.astype(np.float32))[1])
    return narrow, wide, float(high - low)
