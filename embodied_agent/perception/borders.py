"""Borders between things that touch, moved to where colour and height change.

A model draws them a few pixels off, and a few pixels of a tower's upper cube in the lower one's
mask make that one as high as the tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from embodied_agent.perception.cloud import Mask, Points, window
from embodied_agent.perception.tracks import SHADES, shade_of

CONTESTED = 10  # [px] on both sides of a border between two masks
ROUNDS = 2  # what changed sides tells more clearly how each thing looks
CLEAR = 0.9  # log-likelihood ratio of two things from which a pixel changes sides
ODD_COLOR, ODD_HEIGHT = 0.02, 0.05  # share of a thing's pixels that may have any colour, any height
LEVEL, LEVELS = 0.02, 12  # [m] heights are told apart by, and how many


def parted(masks: list[Mask], rgb: NDArray[np.uint8], points: Points, movable: Sequence[bool]) -> list[Mask]:
    """Masks whose common borders run where colour and height change.

    Near a border between two masks a pixel goes to the one that has more like it, in colour and
    height together; where both have, it stays. What belongs to no mask stays so.

    Args:
        masks: One thing each, (H, W).
        rgb: The image, (H, W, 3).
        points: World points of the frame, (H, W, 3); nan where there is no reading.
        movable: Which of them are things of their own; the parts of furniture look too much alike.
    """
    out = [mask.copy() for mask in masks]
    boxes = {k: window(mask, CONTESTED + 2) for k, mask in enumerate(masks) if movable[k] and mask.any()}
    for a, b in combinations(boxes, 2):
        if not all(_meet(one, two) for one, two in zip(boxes[a], boxes[b], strict=True)):
            continue
        rows, columns = (_both(one, two) for one, two in zip(boxes[a], boxes[b], strict=True))
        one, two = out[a][rows, columns], out[b][rows, columns]
        contested = _grown(one) & _grown(two) & (one ^ two)
        if not contested.any():
            continue
        shades = shade_of(rgb[rows, columns].reshape(-1, 3)).reshape(one.shape)
        levels = np.nan_to_num(points[rows, columns, 2] / LEVEL, nan=0.0).clip(0, LEVELS - 1).astype(np.intp)
        for _ in range(ROUNDS):
            odds = _odds(shades, one, two, SHADES, ODD_COLOR) + _odds(levels, one, two, LEVELS, ODD_HEIGHT)
            odds = cv2.blur(odds, (3, 3)).astype(np.float32)
            to_one, to_two = contested & two & (odds > CLEAR), contested & one & (odds < -CLEAR)
            one, two = (one | to_one) & ~to_two, (two | to_two) & ~to_one
        out[a][rows, columns], out[b][rows, columns] = one, two
    return out


def _odds(looks: NDArray[np.intp], one: Mask, two: Mask, kinds: int, odd: float) -> NDArray[np.float32]:
    """Log-likelihood ratio of each pixel for the first mask against the second, (H, W)."""
    shares = [np.bincount(looks[mask], minlength=kinds) / max(int(mask.sum()), 1) + odd for mask in (one, two)]
    return np.asarray((np.log(shares[0]) - np.log(shares[1]))[looks], dtype=np.float32)


def _grown(mask: Mask) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * CONTESTED + 1,) * 2)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def _meet(one: slice, two: slice) -> bool:
    return bool(max(one.start, two.start) < min(one.stop, two.stop))


def _both(one: slice, two: slice) -> slice:
    return slice(min(one.start, two.start), max(one.stop, two.stop))
