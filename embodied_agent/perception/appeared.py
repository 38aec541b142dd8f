"""What appeared where a thing was let go of, and what stayed: seen by comparing two looks.

A detector trained on things that stand free soon misses one that lies deep in a drawer, or takes
two cubes in a stack for one. But whoever put a thing somewhere knows what to look for: something
that was not there before it was taken, of about its size, in its colours; and what shows the same
pixels as before is still there. Both are measured like any other thing, and where they are not
found nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from embodied_agent.perception import cloud as clouds
from embodied_agent.perception.cloud import Mask, Points
from embodied_agent.perception.localize import FIXED, MIN_PIXELS, ROLLING
from embodied_agent.perception.looks import ROBOT_BORDER, Look
from embodied_agent.perception.tracks import Track, shade_of, shades_of
from embodied_agent.types import Detection, Object

NEARER = 0.008  # [m] a pixel that shows something this much nearer than before
STRAY = 0.04  # [m] a thing may come to rest this far from where it was let go
STRAY_ROLLING = 0.08  # [m] the same for what rolls
DROP = 0.08  # [m] it may have fallen this far
RECOLORED = 40  # of 255: a change of red, green or blue that is more than a shadow's
LEAST_SHARE = 0.15  # of the pixels that it showed before: a drawer's front hides much
MOST_SHARE = 2.5  # more is not the thing alone
LIKE = 0.35  # overlap of the shares of shades of what appeared with those of the thing
MAIN_SHADE = 0.1  # share of a thing's pixels from which on a shade is one of its own
STILL_SHOWN = 0.25  # share of a thing's pixels that must be as before: what was put on it hides its top
ANOTHER = 0.25  # of a mask: what is left of it without a known thing is another thing
COMPARED = 0.3  # confidence in a thing that is known by what changed and what did not
SAME_VIEW = 1e-3  # [m] a camera that moved more cannot be compared with itself


def missed(
    tracks: Sequence[Track], seen: Mapping[str, Mask], before: Mapping[str, Look], now: Look
) -> list[Detection]:
    """Things that the detector missed: carried here, or still where they stood.

    Args:
        tracks: All things known.
        seen: The masks of those that were detected now, by id.
        before: By camera, the last look before anything was taken; tracks hold that of their own taking.
        now: The newest look, of one of these cameras.
    """
    camera = now.frame.camera.name
    others = np.zeros(now.robot.shape, dtype=bool)  # what else was carried; what stood still did not appear
    for track in tracks:
        if camera in track.before:
            others |= seen.get(track.item.id, np.False_)
    found: list[Detection] = []
    for track in tracks:
        item = track.item
        if item.id in seen or item.kind in FIXED:
            continue
        shown = None
        if track.before is not before:  # what it shows still is surer than what is new since it was taken
            shown = stayed(item.id, before[camera], now)
        if shown is None and camera in track.before:
            shown = appeared(item, track.before[camera], now, others)
        if shown is not None:
            found.append(Detection(shown, item.kind, item.color, COMPARED))
            others = others | shown
    return found


def made_way(
    things: list[Detection], masks: list[Mask], found: list[Detection]
) -> tuple[list[Detection], list[Mask]]:
    """Detections and masks with those that are known better: what showed the same under another name goes."""
    known = np.logical_or.reduce([detection.mask for detection in found])
    left = [mask & ~known for mask in masks]
    rest = [k for k, mask in enumerate(masks) if left[k].sum() > ANOTHER * mask.sum()]
    return [things[k] for k in rest] + found, [left[k] for k in rest] + [detection.mask for detection in found]


def appeared(item: Object, before: Look, now: Look, taken: Mask) -> Mask | None:
    """The pixels that show a thing near where it is expected, or None if nothing new like it is there.

    Args:
        item: The thing, expected where it was let go.
        before: The last look of this camera before the thing was taken; `masks` shows it.
        now: The newest look of the same camera.
        taken: Pixels that certainly show other things, (H, W).
    """
    shown = before.masks.get(item.id)
    if shown is None or not _same_view(before, now):
        return None
    rows, columns = _window(item, now)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return None
    window = (rows, columns)
    own = shades_of(before.frame.rgb[shown])
    near = _around(item, now.points[window]) & ~_robot(before, now, window) & ~taken[window]
    new = near & _changed(before, now, window, own > MAIN_SHADE)
    blob = _largest(new)
    count, expected = int(blob.sum()), int(shown.sum())
    if not max(MIN_PIXELS, LEAST_SHARE * expected) <= count <= MOST_SHARE * expected:
        return None
    if float(np.minimum(shades_of(now.frame.rgb[window][blob]), own).sum()) < LIKE:
        return None
    mask = np.zeros(now.robot.shape, dtype=bool)
    mask[window] = blob
    return mask


def stayed(id: str, before: Look, now: Look) -> Mask | None:
    """The pixels that show a thing as they did before, or None if too few do."""
    shown = before.masks.get(id)
    if shown is None or not _same_view(before, now):
        return None
    rows, columns = clouds.window(shown)
    window = (rows, columns)
    range_before, range_now = before.frame.depth[window], now.frame.depth[window]
    was, is_now = before.frame.rgb[window].astype(np.int16), now.frame.rgb[window].astype(np.int16)
    same = (np.abs(range_before - range_now) < NEARER) & (range_now > 0)
    same &= np.abs(was - is_now).max(axis=-1) <= RECOLORED
    mask = np.zeros_like(shown)
    mask[window] = _largest(shown[window] & same & ~_robot(before, now, window))
    return mask if mask.sum() >= max(MIN_PIXELS, STILL_SHOWN * shown.sum()) else None


def _same_view(before: Look, now: Look) -> bool:
    moved = now.frame.camera.world_from_camera.position - before.frame.camera.world_from_camera.position
    return float(np.abs(moved).max()) <= SAME_VIEW


def _window(item: Object, now: Look) -> tuple[slice, slice]:
    """Rows and columns in which the thing can show."""
    reach = float(item.extent.max()) / 2 + STRAY_ROLLING
    corners = item.position + reach * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    pixels = np.nan_to_num(now.frame.camera.project(corners), nan=-1.0)
    height, width = now.robot.shape
    low = np.clip(np.floor(pixels.min(axis=0)), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(pixels.max(axis=0)) + 1, 0, (width, height)).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _around(item: Object, points: Points) -> Mask:
    """Which points (h, w, 3) lie where the thing may have come to rest."""
    stray = STRAY_ROLLING if item.kind in ROLLING else STRAY
    reach, half = float(item.extent[:2].max()) / 2 + stray, float(item.extent.max()) / 2
    away = np.linalg.norm(points[..., :2] - item.position[:2], axis=-1)
    rise = points[..., 2] - item.position[2]
    return np.asarray((away < reach) & (rise > -half - DROP) & (rise < half + NEARER))


def _robot(before: Look, now: Look, window: tuple[slice, slice]) -> Mask:
    """Pixels near the robot in either look: they tell nothing about what stands there."""
    from scipy import ndimage

    both = before.robot[window] | now.robot[window]
    return np.asarray(ndimage.binary_dilation(both, iterations=ROBOT_BORDER))


def _changed(before: Look, now: Look, window: tuple[slice, slice], own: Mask) -> Mask:
    """Pixels that show something nearer than before, or newly one of the shades `own` (15,) of the thing."""
    range_before, range_now = before.frame.depth[window], now.frame.depth[window]
    nearer = (range_now > 0) & (range_before > range_now + NEARER)
    was, is_now = before.frame.rgb[window], now.frame.rgb[window]
    differs = np.abs(was.astype(np.int16) - is_now).max(axis=-1) > RECOLORED
    flat = was.reshape(-1, 3), is_now.reshape(-1, 3)
    shade_was, shade_now = (shade_of(pixels).reshape(nearer.shape) for pixels in flat)
    return np.asarray(nearer | (differs & (shade_was != shade_now) & own[shade_now]))


def _largest(mask: Mask) -> Mask:
    """The largest connected part without threads and specks."""
    from scipy import ndimage

    labels, count = ndimage.label(ndimage.binary_opening(mask))
    if count == 0:
        return np.zeros_like(mask)
    return np.asarray(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])))
