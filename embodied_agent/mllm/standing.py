"""What rises out of a plate is a thing of its own.

The dense pass reads four cells across a cube; on a plate of loud colour it takes them for the plate
at times. In depth the plate is flat inside its rim, and a thing on it is a step of its own height.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from embodied_agent.mllm.instances import SMALLEST, Instances, only
from embodied_agent.mllm.picture import Picture
from embodied_agent.mllm.vocabulary import CLASS_INDEX

STEP = 0.012  # [m] above the plate's floor, where the sides of a thing begin
RIM = 0.02  # [m] that a rim rises above the floor at least
OVER_RIM = 0.006  # [m] that its top is above the rim
OWN = 0.4  # share of a rise that makes it the thing that has so much of it, or one that none has yet
COMPACT = 0.06  # [m] that one thing is wide at most; a wider rise may be two that touch, or a banana
ROUND = 1.3  # longer side of a plate over its shorter one, at most; two side by side are twice as long
LOW = 0.028  # [m] above the table that most of no piece of a plate exceeds
SLACK = 0.05  # by which a rim that was named otherwise may change that
PLATE = CLASS_INDEX["plate"]
_AROUND = np.ones((3, 3), dtype=np.uint8)


def part_standing(picture: Picture, instances: Instances) -> Instances:
    """Instances with what stands on their plates as things of their own, new ones last and not named yet.

    Args:
        picture: Where their cells are in the world.
        instances: As found; none has been named by the second look yet.
    """
    ids, plates = _whole_plates(picture, instances)
    count = len(instances)
    for plate in plates:
        taken: set[int] = set()
        rises, flat = _rises(picture, ids == plate)
        for rise in rises:
            free = rise & ((ids == plate) | (ids < 0))
            named = np.bincount(ids[rise & ~free], minlength=count)
            owner, cells = int(named.argmax()), rise
            if not _is_compact(picture, rise):
                if free.sum() < max(SMALLEST, OWN * rise.sum()):
                    continue  # it is taken for something nearly all over, or for several things
                owner, cells = count, free
            elif owner in taken or named[owner] < OWN * rise.sum():
                owner = count
            else:
                ids[flat & (ids == owner)] = plate
            ids[cells] = owner
            taken.add(owner)
            count = max(count, owner + 1)
    more = count - len(instances)

    def longer(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([values, np.zeros((more, *values.shape[1:]), dtype=np.float32)])

    classes, colors, scores = map(longer, (instances.classes, instances.colors, instances.scores))
    there = np.flatnonzero(np.bincount(ids[ids >= 0].ravel(), minlength=count))
    return only(Instances(ids, classes, colors, scores, instances.thing), there)


def _whole_plates(picture: Picture, instances: Instances) -> tuple[NDArray[np.int16], list[int]]:
    """Instance of each cell, and the plates: what is beside one, no higher, and round only with it is it."""
    ids = instances.ids.copy()
    height = picture.points[..., 2]
    whole: list[int] = []
    for plate in np.flatnonzero(instances.classes.argmax(axis=1) == PLATE).tolist():
        if not (ids == plate).any():
            continue  # a piece of another one
        whole.append(plate)
        for other in range(len(instances)):
            mine, more = ids == plate, ids == other
            beside = (cv2.dilate(mine.astype(np.uint8), _AROUND) > 0) & more
            if other in whole or not beside.any() or np.percentile(height[more], 80) > LOW:
                continue
            if _ratio(picture, mine | more) < min(ROUND, _ratio(picture, mine) + SLACK, _ratio(picture, more)):
                ids[more] = plate
    return ids, whole


def _ratio(picture: Picture, cells: NDArray[np.bool_]) -> float:
    """How long something is over how wide, as it lies."""
    narrow, wide = sorted(cv2.minAreaRect(picture.points[cells][:, :2].astype(np.float32))[1])
    return wide / max(narrow, 1e-3)


def _is_compact(picture: Picture, rise: NDArray[np.bool_]) -> bool:
    """Whether one thing may be all of a rise."""
    across = cv2.minAreaRect(picture.points[rise][:, :2].astype(np.float32))[1]
    return max(across) <= COMPACT


def _rises(picture: Picture, plate: NDArray[np.bool_]) -> tuple[list[NDArray[np.bool_]], NDArray[np.bool_]]:
    """Cells (120, 160) of each thing that rises out of a plate, and those of the plate itself."""
    outline, _ = cv2.findContours(plate.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(plate.shape, dtype=np.uint8)
    if outline:
        cv2.fillConvexPoly(filled, cv2.convexHull(max(outline, key=cv2.contourArea)), 1)
    inner = cv2.erode(filled, _AROUND) > 0
    height = picture.points[..., 2]
    known, rim = picture.measured & inner, picture.measured & plate & ~inner
    if (known & plate).sum() < SMALLEST or rim.sum() < SMALLEST:
        return [], plate
    side = float(np.percentile(height[known & plate], 20)) + STEP
    top = max(float(np.percentile(height[rim], 75)), side - STEP + RIM) + OVER_RIM
    _, pieces = cv2.connectedComponents((known & (height > top)).astype(np.uint8), connectivity=4)
    rises = []
    for piece in range(1, int(pieces.max()) + 1):
        cells = pieces == piece
        if cells.sum() >= SMALLEST:
            beside = known & (height > side) & (height <= top)
            rises.append(cells | (beside & (cv2.dilate(cells.astype(np.uint8), _AROUND) > 0)))
    return rises, known & (height <= side)
