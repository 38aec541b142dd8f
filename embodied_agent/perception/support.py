"""What each measured thing stands on, from the clouds of all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied_agent.perception.cloud import Mask, Points, window
from embodied_agent.perception.geometry import hull_2d, in_polygon
from embodied_agent.perception.localize import CONTAINERS, HANDLES, PANELS, top_height
from embodied_agent.types import Array, Object, Pose

ON_TOP = 0.02  # [m] what is seen of a thing may begin this far below its support's top
FLOOR = 0.006  # [m] thickness of a container's or plate's floor
HOLLOW = (CONTAINERS - {"drawer"}) | {"plate"}
FLOATING = 0.03  # [m] a thing whose lowest seen point is this high may hang in the air
BOTTOM_SLICE = 0.012  # [m] above its lowest seen point
JUMP = 0.03  # [m] between neighbouring pixels: another surface
HIDDEN_EDGE = 0.2  # of its width: a thing hides the far edge of what it stands on
DRAWER_FLOOR = 0.015  # [m] of a drawer's floor above the lower edge of its front panel


def heights(items: Sequence[Object], table: float) -> list[float]:
    """Height of the surface below each thing [m].

    A thing stands on the highest thing that lies under its centre and ends below it; in a
    container or on a plate it stands on that one's floor; else on the table.
    """
    hulls = [hull_2d(item.cloud[:: max(1, len(item.cloud) // 300), :2]) for item in items]
    spans = [_span(item) for item in items]
    corners = [(hull.min(axis=0), hull.max(axis=0)) for hull in hulls]
    sizes = [high - low for low, high in corners]
    known: dict[int, float] = {}

    def bottom(k: int, path: tuple[int, ...]) -> float:
        if k in known:
            return known[k]
        low, top = spans[k]
        middle = (corners[k][0] + corners[k][1]) / 2
        best = table
        for other, candidate in enumerate(items):
            if other == k or other in path or candidate.kind in PANELS | HANDLES | {"cabinet"}:
                continue
            overhang = HIDDEN_EDGE * float(sizes[k].min())
            if ((middle < corners[other][0] - overhang) | (middle > corners[other][1] + overhang)).any():
                continue
            if not in_polygon(middle[None], hulls[other], overhang)[0]:
                continue
            if candidate.kind in HOLLOW and np.prod(sizes[other]) > np.prod(sizes[k]):
                floor = bottom(other, (*path, k)) + FLOOR
                best = max(best, floor if low > floor - ON_TOP else table)
            elif low >= spans[other][1] - ON_TOP and top > spans[other][1]:
                best = max(best, spans[other][1])
        if items[k].kind in PANELS | HANDLES:
            best = low
        else:
            best = max(best, _drawer_floor(items, k, middle, spans, table))
        known[k] = best
        return best

    return [bottom(k, ()) for k in range(len(items))]


def behind_panel(panel: Object, cabinet: Object, place: Array) -> tuple[float, float, float]:
    """Where a place (2,) or (3,) lies in the room of a drawer that is pulled out.

    Returns:
        Distance behind the panel's front face, distance in front of the cabinet's front face,
        and distance beside the panel's middle line, all in metres.
    """
    outward, along = panel.pose.rotation[:2, 0], panel.pose.rotation[:2, 1]
    place = np.asarray(place)[:2]
    front = float((panel.position[:2] - place) @ outward + panel.extent[0] / 2)
    cabinet_front = np.percentile(cabinet.cloud[:, :2] @ outward, 97.0)
    return front, float(place @ outward - cabinet_front), abs(float((place - panel.position[:2]) @ along))


def _drawer_floor(
    items: Sequence[Object], k: int, middle: Array, spans: list[tuple[float, float]], table: float
) -> float:
    cabinets = [item for item in items if item.kind == "cabinet"]
    if not cabinets or items[k].kind in PANELS | HANDLES | {"cabinet"}:
        return table
    floors = []
    for other, panel in enumerate(items):
        if panel.kind != "drawer":
            continue
        cabinet = min(cabinets, key=lambda c: float(np.linalg.norm(c.position - panel.position)))
        front, back, side = behind_panel(panel, cabinet, middle)
        low, top = spans[other]
        between = front > 0 and back > -0.05 and side < panel.extent[1] / 2
        if between and low - 0.01 < spans[k][0] and spans[k][1] > low and spans[k][0] < top + 0.05:
            floors.append(low + DRAWER_FLOOR)
    return max(floors, default=table)


def hangs(points: Points, mask: Mask, item: Object, camera: Pose) -> bool:
    """Whether a thing is seen to hang in the air: below its lowest pixels the view goes on.

    Where something else stands in front of its lower part, or where it touches what it stands
    on, that is not so.

    Args:
        points: World points of the frame, (H, W, 3).
        mask: Pixels of the thing, (H, W).
        item: The thing measured from them.
        camera: Pose of the camera.
    """
    from scipy import ndimage

    low = float(np.percentile(item.cloud[:, 2], 2.0))
    rows, columns = window(mask, margin=4)
    inside, near = mask[rows, columns], points[rows, columns]
    lowest = inside & (near[..., 2] < low + BOTTOM_SLICE)
    ring = ndimage.binary_dilation(lowest, iterations=3) & ~ndimage.binary_dilation(inside)
    ring &= np.isfinite(near[..., 2])
    below = ring & (near[..., 2] < low + BOTTOM_SLICE)
    if below.sum() < 8:
        return False
    index = ndimage.distance_transform_edt(~lowest, return_distances=False, return_indices=True)
    own = near[index[0], index[1]][ring].astype(np.float64)
    step = np.linalg.norm(near[ring].astype(np.float64) - camera.position, axis=1)
    step -= np.linalg.norm(own - camera.position, axis=1)
    return bool(np.median(step) > JUMP)


def _span(item: Object) -> tuple[float, float]:
    return float(np.percentile(item.cloud[:, 2], 2.0)), top_height(item.cloud, item.kind)
