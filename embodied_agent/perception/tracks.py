"""Keeping an object's identity over frames: which new measurement is which known thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from embodied_agent.perception.localize import CONTAINERS, FIXED, HANDLES, PANELS
from embodied_agent.perception.looks import Look, in_box
from embodied_agent.perception.relations import bottom_of
from embodied_agent.types import Array, Object

NEAR = 0.05  # [m] one unit of cost
OTHER_KIND = 1.2  # units of cost; a model may misname what stands still
OTHER_COLOR = 0.8
VIVID = 0.25  # difference of the strongest and weakest of red, green, blue in [0, 1]
HUES = 12
GREYS = (0.25, 0.65)  # brightness between dark and grey, grey and bright
SHADES = HUES + len(GREYS) + 1  # hues, dark, grey, bright
GATE = 2.4  # units: a thing of the same name within 12 cm, another name within a few cm
SIZE_CHANGE = 0.35  # relative; a thing that was carried elsewhere still has its size
GROWN = 1.12  # times its size: a thing that was measured well before does not seem so much larger later
FORGET_AFTER = 8  # looks that see through the place where it was


@dataclass
class Track:
    """One thing that was seen at least once.

    Attributes:
        item: As last measured.
        first: As first measured; the rest position of a drawer, door, button or knob.
        visible: The newest look of a camera that can see the place saw it.
        misses: Looks in a row that saw an empty place instead.
        why: Why it is not visible, one clause.
        votes: How often each (kind, colour) was read, weighted by the detector's score.
        views: Clouds by camera, all of the thing at its present place.
        first_colors, colors: Share of its pixels in each coarse colour, at first and now.
        before: The last look of each camera before the hand took it.
    """

    item: Object
    first: Object
    visible: bool = True
    misses: int = 0
    why: str = ""
    votes: Counter[tuple[str, str]] = field(default_factory=Counter)
    views: dict[str, Array] = field(default_factory=dict)
    first_colors: Array | None = None
    colors: Array | None = None
    before: dict[str, Look] = field(default_factory=dict)

    def accept(self, item: Object, camera: str) -> None:
        """Take a new measurement; the name is what was read most."""
        self.votes[(item.kind, item.color)] += max(item.confidence, 0.05)  # type: ignore[assignment]
        kind, color = self.votes.most_common(1)[0][0]
        self.item = replace(item, id=self.item.id, kind=kind, color=color)
        self.visible, self.misses, self.why = True, 0, ""
        self.views[camera] = item.cloud

    def note_colors(self, rgb: NDArray[np.uint8]) -> None:
        """Take in the pixels (n, 3) that show the thing now."""
        self.colors = coarse_colors(rgb)
        if self.first_colors is None:
            self.first_colors = self.colors


def coarse_colors(rgb: NDArray[np.uint8]) -> Array:
    """Share of pixels (n, 3) in each of 12 hues where the colour is vivid, and one for the rest."""
    shades = shades_of(rgb)
    return np.append(shades[:HUES], shades[HUES:].sum())


def shades_of(rgb: NDArray[np.uint8]) -> Array:
    """Share of pixels (n, 3) in each shade, (15,)."""
    return np.asarray(np.bincount(shade_of(rgb), minlength=SHADES) / max(len(rgb), 1))


def shade_of(rgb: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Which of 12 hues a pixel of (n, 3) is of where its colour is vivid; dark, grey or bright otherwise, (n,)."""
    values = rgb.astype(np.float32) / 255.0
    high, low = values.max(axis=1), values.min(axis=1)
    vivid = (high - low > VIVID) & (high > VIVID)
    red, green, blue = values.T
    hue = np.arctan2(np.sqrt(3.0) * (green - blue), 2 * red - green - blue)
    bins = np.floor((hue + np.pi) / (2 * np.pi) * HUES).astype(np.intp) % HUES
    return np.asarray(np.where(vivid, bins, HUES + np.digitize(high, GREYS)))


def associate(tracks: list[Track], items: list[Object], here: Collection[str] = ()) -> list[Track | None]:
    """For each new measurement, the known thing that it is, or None if it is new.

    First whatever stands near where it stood, at least total cost; then what is left on both
    sides and agrees in kind, colour and size was moved.

    Args:
        tracks: What is known.
        items: What was measured.
        here: Ids of what this very look has seen already; it was not moved elsewhere.
    """
    matches: list[Track | None] = [None] * len(items)
    if not tracks or not items:
        return matches
    from scipy.optimize import linear_sum_assignment

    cost = np.array([[_cost(track.item, item) for track in tracks] for item in items])
    rows, columns = linear_sum_assignment(np.minimum(cost, GATE * 4))
    free = set(range(len(tracks)))
    for row, column in zip(rows, columns, strict=True):
        if cost[row, column] <= GATE:
            matches[row] = tracks[column]
            free.discard(int(column))
    for row, item in enumerate(items):
        if matches[row] is not None:
            continue
        alike = [k for k in free if tracks[k].item.id not in here and _alike(tracks[k].item, item)]
        if alike:
            best = min(alike, key=lambda k: float(np.linalg.norm(tracks[k].item.position - item.position)))
            matches[row] = tracks[best]
            free.discard(best)
    return matches


def has_swallowed(known: Object, seen: Object) -> bool:
    """Whether a solid thing now seems larger than it is: its mask holds what stands on or below it too."""
    if known.kind in FIXED | CONTAINERS:
        return False
    before, after = np.sort(known.extent), np.sort(seen.extent)
    return bool((after > (1 + SIZE_CHANGE) * before + 0.01).any())


def has_taken_in(known: Object, seen: Object, others: Iterable[Object]) -> bool:
    """Whether something seems larger than it is, and another thing is where it seems to be.

    Args:
        known: As measured before.
        seen: As measured now.
        others: What else is there.
    """
    before, after = np.sort(known.extent), np.sort(seen.extent)
    if known.kind != seen.kind or known.kind in FIXED or not (after > GROWN * before + 0.006).any():
        return False
    return any(in_box(other.cloud, seen, 0.01).any() for other in others)


def kept_shape(known: Object, seen: Object) -> Object:
    """A known thing where it is seen now, in the shape that it had: what is rigid does not grow."""
    step = seen.position - known.position
    if np.linalg.norm(step[:2]) < NEAR:
        step = np.zeros(3)  # what was gained pulls the middle away
    else:
        step[2] = bottom_of(seen) - bottom_of(known)
    return replace(
        known, pose=known.pose.translated(step), cloud=known.cloud + step, stamp=seen.stamp,
        confidence=seen.confidence,
    )  # fmt: skip


def _cost(known: Object, seen: Object) -> float:
    step = np.abs(known.position - seen.position)
    if known.kind in PANELS | HANDLES:  # a drawer slides far, but stays at its height
        step = step * (0.2, 0.2, 1.5)
    return (
        float(np.linalg.norm(step)) / NEAR
        + OTHER_KIND * (known.kind != seen.kind)
        + OTHER_COLOR * (known.color != seen.color)
    )


def _alike(known: Object, seen: Object) -> bool:
    if (known.kind, known.color) != (seen.kind, seen.color):
        return False
    if known.kind in PANELS | HANDLES:
        return bool(abs(known.position[2] - seen.position[2]) < NEAR)
    before, after = np.sort(known.extent), np.sort(seen.extent)
    return bool((np.abs(before - after) <= SIZE_CHANGE * np.maximum(before, after) + 0.01).all())
