"""Handles of drawers and doors: which sits on which panel, and one that nobody named.

A handle is a few pixels, and the detector misses some. But it is also what stands out of its
panel, and that can be measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from embodied_agent.perception.cloud import Mask, Points
from embodied_agent.perception.localize import HANDLES, MIN_PIXELS, PANELS
from embodied_agent.types import Detection, Object

HANDLE_REACH = 0.09  # [m] a handle stands out of its panel at most this far
HANDLE_ROOM = 0.03  # [m] beyond the seen edge of a panel that is partly hidden
HANDLE_HEIGHT = 0.06  # [m] between the middles of a drawer's front and of its handle
STANDS_OUT = 0.014  # [m] nearer points may be the panel itself
EDGE = 0.02  # [m] of a panel's height above and below, where the table or another panel begins
LONGEST = 0.2  # [m] a handle is no longer
MEASURED = 0.4  # confidence in a handle that is known by its shape alone


def handle_of(panel: Object, handles: Iterable[Object]) -> Object | None:
    """The handle that sits on a panel, or None if none of the seen ones does.

    Two drawers have alike handles, and the one of the lower may be hidden by the upper.

    Args:
        panel: A drawer's front or a door.
        handles: All handles seen.
    """
    best, nearest = None, np.inf
    for handle in handles:
        across, along, up = np.abs(panel.pose.inverse().apply(handle.position))
        fits = across < HANDLE_REACH and along < panel.extent[1] / 2 + HANDLE_ROOM and up < _tall(panel)
        if fits and up < nearest:
            best, nearest = handle, float(up)
    return best


def unnamed_handles(
    items: Sequence[Object], masks: Sequence[Mask], points: Points, robot: Mask
) -> list[Detection]:
    """What stands out of panels on which no handle was detected.

    Args:
        items: Everything measured in a frame.
        masks: Their pixels, each (H, W).
        points: World points (H, W, 3).
        robot: Its pixels.
    """
    handles = [item for item in items if item.kind in HANDLES]
    found = []
    for item, own in zip(items, masks, strict=True):
        if item.kind not in PANELS or handle_of(item, handles) is not None:
            continue
        others = [mask for other, mask in zip(items, masks, strict=True) if other is not item]
        free = own | ~np.logical_or.reduce([robot, *others])
        mask = standing_out(item, points, free)
        if mask is not None:
            found.append(Detection(mask, f"{item.kind}_handle", "", MEASURED))
    return found


def standing_out(panel: Object, points: Points, free: Mask) -> Mask | None:
    """The pixels of the largest thing that sits on a panel, or None.

    Args:
        panel: A drawer's front or a door, x of its frame pointing out.
        points: World points (H, W, 3).
        free: Pixels that are no other thing's.
    """
    from scipy import ndimage

    near = free & (np.abs(points - panel.position) < panel.extent.max() / 2 + HANDLE_REACH).all(axis=-1)
    local = panel.pose.inverse().apply(points[near].astype(np.float64))
    out = local[:, 0] - panel.extent[0] / 2
    on = (out > STANDS_OUT) & (out < HANDLE_REACH) & (np.abs(local[:, 1]) < panel.extent[1] / 2)
    near[near] = on & (np.abs(local[:, 2]) < min(_tall(panel), panel.extent[2] / 2 - EDGE))
    pieces, count = ndimage.label(near, structure=np.ones((3, 3)))
    if not count:
        return None
    sizes = np.bincount(pieces.ravel())[1:]
    mask = pieces == 1 + int(sizes.argmax())
    is_small = np.linalg.norm(np.ptp(points[mask], axis=0)) < LONGEST
    return mask if sizes.max() >= MIN_PIXELS and is_small else None


def _tall(panel: Object) -> float:
    """How far above or below the middle of a panel its handle may sit [m]."""
    return HANDLE_HEIGHT if panel.kind == "drawer" else float(panel.extent[2]) / 2
