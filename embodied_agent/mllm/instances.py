"""From dense outputs to instances: each thing pixel votes for the centre that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from embodied_agent.mllm.vision import Dense
from embodied_agent.mllm.vocabulary import CLASSES, COLORS, GROUP_OF_CLASS, STUFF

Float = NDArray[np.float32]

CENTRE_THRESHOLD = 0.25
SMALLEST = 6  # cells; fewer are noise
LOST = 10  # cells of a class without any centre that still make an instance
REACH = 6.0  # cells; a pixel joins a look-alike's centre from at most this far
SAME_PLACE = 0.5  # of its width, from which on a thing's parts point elsewhere
PIECE = 0.15  # of the largest piece; smaller ones that lie apart are stray cells
ALIKE = 0.3  # share that the names, and the colours, of two fragments of a thing have in common
PLAIN = ("cube", "cylinder")  # kinds of one shade all over; a box's floor and a can's lid differ from the rest
SECOND_COLOR = 0.2  # share from which an instance is two things of one plain kind, one on the other


@dataclass(frozen=True)
class Instances:
    """The things of one picture, best first.

    Attributes:
        ids: Instance of each cell, (120, 160) int16; -1 = none.
        classes: Mean class probabilities, (n, 25) float32.
        colors: Mean colour probabilities, (n, 8) float32.
        scores: How sure it is that there is such a thing, in [0, 1], (n,) float32.
        thing: Probability that a cell shows any thing, (120, 160) float32.
    """

    ids: NDArray[np.int16]
    classes: Float
    colors: Float
    scores: Float
    thing: Float

    def __len__(self) -> int:
        return len(self.scores)


def find_instances(dense: Dense, index: int, limit: int) -> Instances:
    """Group the cells of picture `index` of a batch into at most `limit` instances."""
    classes = dense.classes[index].softmax(0).float().cpu().numpy()
    colors = dense.colors[index].softmax(0).float().cpu().numpy()
    offsets = dense.offsets[index].cpu().numpy()
    labels = dense.classes[index].argmax(0).cpu().numpy()
    height, width = labels.shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), 0).astype(np.float32)
    votes = grid + offsets  # (2, h, w) as x, y
    centres = _centres(_peaks(dense.centres[index]), labels, votes)
    ids = _joined(_assign(labels, votes, centres), votes, classes, colors)
    ids, centres = _in_one_place(ids, votes, centres)
    ids, peak_of = _split_by_color(ids, colors, labels, centres)
    return _summarise(ids, peak_of, classes, colors, limit)


def _peaks(centres: Tensor) -> Float:
    """Highest cells of the heatmaps (22, h, w) given as logits: rows (class, x, y, height), (n, 4)."""
    shown = (centres.amax((1, 2)).sigmoid() > CENTRE_THRESHOLD).nonzero()[:, 0]  # few of the kinds are there
    heat = centres[shown].sigmoid()
    highest = heat == F.max_pool2d(heat[None], 3, stride=1, padding=1)[0] if len(shown) else heat > 1
    kind, y, x = (highest & (heat > CENTRE_THRESHOLD)).nonzero(as_tuple=True)
    return torch.stack([shown[kind] + STUFF, x, y, heat[kind, y, x]], dim=1).float().cpu().numpy()


def _centres(peaks: Float, labels: NDArray[np.int64], votes: Float) -> NDArray[np.float32]:
    """Rows (class, x, y, height of the peak), (n, 4): the peaks, and what things without one point to."""
    rows = [peaks]
    with_centre = set(peaks[:, 0].astype(int).tolist())
    names, counts = np.unique(labels[labels >= STUFF], return_counts=True)
    for name, count in zip(names.tolist(), counts.tolist(), strict=True):
        if name not in with_centre and count >= LOST:
            # A thing whose centre went unseen: one centre where its pixels point to.
            mine = votes[:, labels == name]
            x0, y0 = np.median(mine, axis=1)
            near = np.hypot(mine[0] - x0, mine[1] - y0) < REACH
            if near.sum() >= LOST:
                rows.append(np.array([[name, x0, y0, CENTRE_THRESHOLD]], dtype=np.float32))
    return np.concatenate(rows)


def _assign(labels: NDArray[np.int64], votes: Float, centres: Float) -> NDArray[np.int16]:
    """Nearest centre of the own class; without one, of a look-alike within reach."""
    ids = np.full(labels.shape, -1, dtype=np.int16)
    groups = np.array(GROUP_OF_CLASS)
    for name in np.unique(labels[labels >= STUFF]).tolist():
        cells = labels == name
        own = np.nonzero(centres[:, 0] == name)[0]
        reach = np.inf
        if len(own) == 0:
            own = np.nonzero(groups[centres[:, 0].astype(int)] == groups[name])[0]
            reach = REACH
        if len(own) == 0:
            continue
        apart = votes[:, cells].T[:, None] - centres[None, own, 1:3]  # (cells, centres, 2)
        distance = np.hypot(apart[..., 0], apart[..., 1])
        best = distance.argmin(1)
        chosen = own[best].astype(np.int16)
        chosen[distance[np.arange(len(best)), best] > reach] = -1
        ids[cells] = chosen
    return ids


def _joined(ids: NDArray[np.int16], votes: Float, classes: Float, colors: Float) -> NDArray[np.int16]:
    """Fragments of one thing that were named differently are one again.

    They point to the same place, show the same colour, and each might be what the other is called;
    a lemon in a bowl shares only the place.
    """
    found = [(i, ids == i) for i in range(int(ids.max()) + 1) if (ids == i).any()]
    means = [
        (int(cells.sum()), votes[:, cells].mean(1), classes[STUFF:, cells].mean(1), colors[:, cells].mean(1))
        for _, cells in found
    ]
    ids = ids.copy()
    for a in sorted(range(len(found)), key=lambda k: means[k][0]):  # the smaller joins the larger
        best, nearest = None, np.inf
        for b in range(len(found)):
            larger = (means[b][0], b) > (means[a][0], a)
            if not larger or GROUP_OF_CLASS[STUFF + int(means[b][2].argmax())] != 0:
                continue
            apart = float(np.hypot(*(means[a][1] - means[b][1])))
            alike = min(float(np.minimum(means[a][k], means[b][k]).sum()) for k in (2, 3))
            if apart < max(SAME_PLACE * np.sqrt(means[b][0]), 2.0) and alike > ALIKE and apart < nearest:
                best, nearest = b, apart
        if best is not None:
            ids[ids == found[a][0]] = found[best][0]
    return ids


def _in_one_place(ids: NDArray[np.int16], votes: Float, centres: Float) -> tuple[NDArray[np.int16], Float]:
    """Pieces that lie apart from the largest one of their instance.

    One that something in front cut off points to the same place and stays; another of some size is
    a thing of its own, whose centre went unseen; the rest are stray cells and go.
    """
    ids, rows = ids.copy(), [centres]
    count = len(centres)
    for index in range(len(centres)):
        mine = (ids == index).astype(np.uint8)
        pieces, labels, stats, _ = cv2.connectedComponentsWithStats(mine, connectivity=8)
        if pieces < 3:
            continue
        areas = stats[1:, cv2.CC_STAT_AREA]
        largest = int(areas.argmax()) + 1
        place = np.median(votes[:, labels == largest], axis=1)
        for piece in range(1, pieces):
            if piece == largest:
                continue
            cells = labels == piece
            x, y = np.median(votes[:, cells], axis=1)
            if np.hypot(x - place[0], y - place[1]) < max(REACH, SAME_PLACE * np.sqrt(areas[largest - 1])):
                if areas[piece - 1] < PIECE * areas[largest - 1]:
                    ids[cells] = -1
            elif areas[piece - 1] >= LOST:
                rows.append(np.array([[centres[index, 0], x, y, CENTRE_THRESHOLD]], dtype=np.float32))
                ids[cells] = count
                count += 1
            else:
                ids[cells] = -1
    return ids, np.concatenate(rows)


def _split_by_color(
    ids: NDArray[np.int16], colors: Float, labels: NDArray[np.int64], centres: Float
) -> tuple[NDArray[np.int16], list[float]]:
    """Two cubes in a stack share a centre at times; their colours tell them apart."""
    peak_of = centres[:, 3].tolist()
    best = colors.argmax(0)
    ids = ids.copy()
    for index in range(len(centres)):
        if CLASSES[int(centres[index, 0])] not in PLAIN:
            continue
        cells = ids == index
        total = int(cells.sum())
        if total < 3 * SMALLEST:
            continue
        counts = np.bincount(best[cells], minlength=len(COLORS))
        second = int(np.argsort(counts)[-2])
        if counts[second] / total > SECOND_COLOR:
            first = int(counts.argmax())
            ids[cells & (colors[second] > colors[first])] = len(peak_of)
            peak_of.append(peak_of[index])
    return ids, peak_of


def _summarise(
    ids: NDArray[np.int16], peak_of: list[float], classes: Float, colors: Float, limit: int
) -> Instances:
    """Mean probabilities of each instance; small ones go, the best `limit` stay, best first."""
    kept: list[tuple[float, int, Float, Float]] = []
    for index, peak in enumerate(peak_of):
        cells = ids == index
        if cells.sum() < SMALLEST:
            continue
        mean = classes[:, cells].mean(1)
        score = float(np.sqrt(max(peak, 0.0) * mean[STUFF:].max()))
        kept.append((score, index, mean, colors[:, cells].mean(1)))
    kept.sort(key=lambda item: -item[0])
    kept = kept[:limit]
    return Instances(
        ids=renumbered(ids, [item[1] for item in kept], len(peak_of)),
        classes=np.array([item[2] for item in kept], dtype=np.float32).reshape(-1, len(CLASSES)),
        colors=np.array([item[3] for item in kept], dtype=np.float32).reshape(-1, len(COLORS)),
        scores=np.array([item[0] for item in kept], dtype=np.float32),
        thing=classes[STUFF:].sum(0),
    )


def renumbered(ids: NDArray[np.int16], kept: Sequence[int] | NDArray[np.intp], count: int) -> NDArray[np.int16]:
    """Instances of each cell by their place in `kept`; those of the `count` that are not kept become none."""
    place = np.full(count + 1, -1, dtype=np.int16)  # the last slot serves id -1
    place[kept] = np.arange(len(kept))
    renamed: NDArray[np.int16] = place[ids]
    return renamed


def only(instances: Instances, kept: NDArray[np.intp]) -> Instances:
    """Some of the instances, in that order; cells of the others become none."""
    ids = renumbered(instances.ids, kept, len(instances))
    classes, colors, scores = (values[kept] for values in (instances.classes, instances.colors, instances.scores))
    return Instances(ids, classes, colors, scores, instances.thing)


def full_mask(instances: Instances, index: int, width: int, height: int) -> NDArray[np.bool_]:
    """Mask of one instance at the size of the frame, (height, width) bool.

    The border runs where the interpolated probability of "a thing" crosses one half, so it is
    finer than the cells.
    """
    own = instances.ids == index
    soft = np.where(own, np.maximum(instances.thing, 0.55), np.where(instances.ids < 0, instances.thing, 0.0))
    near = np.zeros_like(own)
    rows, columns = np.nonzero(own)
    top, bottom = max(rows.min() - 1, 0), min(rows.max() + 2, own.shape[0])
    left, right = max(columns.min() - 1, 0), min(columns.max() + 2, own.shape[1])
    near[top:bottom, left:right] = True
    grown = _grow(own)
    soft = np.where(near & grown, soft, 0.0).astype(np.float32)
    mask = np.zeros((height, width), dtype=bool)
    sy, sx = height / own.shape[0], width / own.shape[1]
    box = soft[top:bottom, left:right]
    y0, y1 = round(top * sy), round(bottom * sy)
    x0, x1 = round(left * sx), round(right * sx)
    fine = F.interpolate(
        torch.from_numpy(box)[None, None], size=(y1 - y0, x1 - x0), mode="bilinear", align_corners=False
    )
    mask[y0:y1, x0:x1] = fine[0, 0].numpy() > 0.5
    return mask


def _grow(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """One cell in every direction."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    wide = grown.copy()
    wide[:, 1:] |= grown[:, :-1]
    wide[:, :-1] |= grown[:, 1:]
    return wide
