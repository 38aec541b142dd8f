"""Stage 1: dense labels. What the vision learns per pixel, and from which crops."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from embodied_agent.commands.splits import pairs
from embodied_agent.mllm.vision import OFFSET_SCALE, STRIDE, Dense, stack_inputs
from embodied_agent.mllm.vocabulary import CLASS_INDEX, CLASSES, COLORS, KINDS, STUFF, THINGS
from embodied_agent.training.augment import augment_color, augment_depth, augment_paint
from embodied_agent.training.shards import FIRST_INSTANCE, Shot
from sim.dimensions import RGB, colors_of

Float = NDArray[np.float32]
CROP = (160, 208)
_THING_WEIGHT = 6.0  # things cover a twentieth of a picture
_AIMED = 0.8  # share of crops that are taken around a thing
_SEEN_FROM = 5  # cells; smaller visible parts get no centre
# Scenes hold a cube far more often than a door: crops are aimed at, and cells weighted for, the rare.
_RARE = {
    "drawer_handle": 3.0, "door_handle": 3.0, "button": 2.0, "knob": 2.0, "door": 2.0, "cupboard": 2.0,
    "shelf": 1.5, "mug": 1.5, "bottle": 1.5, "cylinder": 1.5,
}  # fmt: skip
# What may be painted over, and the colours that training never shows each kind in.
WITHHELD = {
    CLASS_INDEX[kind]: np.array(
        [RGB[color] for color in colors_of(kind) if (color, kind) not in pairs("train")], dtype=np.float32
    ).reshape(-1, 3)
    for kind in KINDS
}


@dataclass(frozen=True)
class DenseBatch:
    """Crops and their targets at stride 2 (h, w).

    Attributes:
        inputs: (B, 6, H, W).
        classes: (B, h, w) int64.
        colors: (B, h, w) int64; -1 = not asked.
        weights: Of each cell, small things count more, (B, h, w).
        centres: Heatmaps, (B, 22, h, w).
        offsets: To the own centre [cells], (B, 2, h, w).
        sizes: Of the thing, relative to a cube; an error counts by that measure, (B, h, w).
        thing: Which cells belong to an instance, (B, h, w) bool.
        depth: True range [m], (B, h, w); 0 = unknown.
    """

    inputs: Tensor
    classes: Tensor
    colors: Tensor
    weights: Tensor
    centres: Tensor
    offsets: Tensor
    sizes: Tensor
    thing: Tensor
    depth: Tensor

    def to(self, device: torch.device) -> DenseBatch:
        """The same on another device."""
        return DenseBatch(*(getattr(self, item.name).to(device) for item in fields(self)))


def dense_batch(shots: list[Shot], rng: Generator, crop: tuple[int, int] | None = CROP) -> DenseBatch:
    """Augmented random crops of shots, or whole plain pictures where `crop` is None."""
    samples = [_sample(shot, rng, crop) for shot in shots]
    stacked = {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}
    rgb, depth, height = (torch.from_numpy(stacked.pop(key)) for key in ("rgb", "seen_depth", "height"))
    rest = {key: torch.from_numpy(value) for key, value in stacked.items()}
    return DenseBatch(inputs=stack_inputs(rgb, depth, height), **rest)


def _sample(shot: Shot, rng: Generator, crop: tuple[int, int] | None) -> dict[str, NDArray[np.generic]]:
    picture = shot.picture()
    labels = np.asarray(shot.labels)
    rgb, depth, height, true_depth = picture.rgb, picture.depth, picture.height, picture.depth
    instances = shot.instances
    centres = _centres_of(labels, len(instances))
    if crop is not None:
        if rng.random() < 0.5:
            rgb, labels = rgb[:, ::-1], labels[:, ::-1]
            depth, height = depth[:, ::-1], height[:, ::-1]
            true_depth = true_depth[:, ::-1]
            centres = centres.copy()
            centres[:, 0] = labels.shape[1] / STRIDE - 1 - centres[:, 0]
        top, left = _corner(labels.shape, crop, centres, rareness(shot), rng)
        window = (slice(top, top + crop[0]), slice(left, left + crop[1]))
        rgb, depth, height, labels = rgb[window], depth[window], height[window], labels[window]
        true_depth = true_depth[window]
        centres = centres - np.array([left / STRIDE, top / STRIDE, 0], dtype=np.float32)
        rgb, instances = augment_paint(rgb, labels, instances, WITHHELD, rng)
        rgb = augment_color(rgb, rng)
        depth, height = augment_depth(depth, height, rng)
    y, x = (int(value) for value in rng.integers(0, STRIDE, size=2)) if crop is not None else (0, 0)
    # A cell takes the label of one of its pixels, drawn anew each time: on average its share.
    targets = _targets(labels[y::STRIDE, x::STRIDE], centres, instances)
    return {
        "rgb": np.ascontiguousarray(rgb),
        "seen_depth": np.ascontiguousarray(depth),
        "height": np.ascontiguousarray(height),
        "depth": np.ascontiguousarray(true_depth[y::STRIDE, x::STRIDE]),
        **targets,
    }


def rareness(shot: Shot) -> Float:
    """How much each instance of a shot is sought, (n,)."""
    return np.array([_RARE.get(CLASSES[kind], 1.0) for _, kind, _ in shot.instances], dtype=np.float32)


def _corner(
    shape: tuple[int, ...], crop: tuple[int, int], centres: Float, sought: Float, rng: Generator
) -> tuple[int, int]:
    """Row and column of a crop's corner, even, mostly so that some thing lies inside."""
    room = [(shape[axis] - crop[axis]) // STRIDE for axis in (0, 1)]
    chances = sought * (centres[:, 2] > 0)
    if chances.any() and rng.random() < _AIMED:
        x, y, _ = centres[int(rng.choice(len(centres), p=chances / chances.sum()))]
        aim = (y - rng.uniform(0.1, 0.9) * crop[0] / STRIDE, x - rng.uniform(0.1, 0.9) * crop[1] / STRIDE)
        top, left = (int(np.clip(round(float(a)), 0, r)) for a, r in zip(aim, room, strict=True))
    else:
        top, left = (int(rng.integers(0, r + 1)) for r in room)
    return STRIDE * top, STRIDE * left


def _centres_of(labels: NDArray[np.uint8], count: int) -> Float:
    """Mean cell (x, y) and number of visible cells of each instance, (count, 3)."""
    flat = labels.reshape(-1)
    size = FIRST_INSTANCE + count
    area = np.bincount(flat, minlength=size)[FIRST_INSTANCE:size].astype(np.float32)
    rows, columns = np.divmod(np.arange(flat.size), labels.shape[1])
    x = np.bincount(flat, weights=columns, minlength=size)[FIRST_INSTANCE:size]
    y = np.bincount(flat, weights=rows, minlength=size)[FIRST_INSTANCE:size]
    safe = np.maximum(area, 1)
    shift = (STRIDE - 1) / 2  # a cell's centre lies between its pixels
    return np.stack([(x / safe - shift) / STRIDE, (y / safe - shift) / STRIDE, area / STRIDE**2], axis=1).astype(
        np.float32
    )


def _targets(
    labels: NDArray[np.uint8], centres: Float, instances: list[tuple[str, int, int]]
) -> dict[str, NDArray[np.generic]]:
    kinds = np.array([0, 1, 2, *(item[1] for item in instances)], dtype=np.int64)
    tints = np.array([-1, -1, -1, *(item[2] for item in instances)], dtype=np.int64)
    is_object = np.isin(kinds, [CLASS_INDEX[name] for name in KINDS])
    tints[~is_object] = -1
    rare = np.array([_RARE.get(CLASSES[kind], 1.0) for kind in kinds])
    size = np.concatenate([[1e9, 1e9, 1e9], np.maximum(centres[:, 2], 1)])
    weight = (rare * np.clip(np.sqrt(150.0 / size), 1.0, 3.0)).astype(np.float32)
    weight *= _THING_WEIGHT
    weight[:FIRST_INSTANCE] = 1.0
    height, width = labels.shape
    thing = labels >= FIRST_INSTANCE
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), 0).astype(np.float32)
    own = np.concatenate([np.zeros((FIRST_INSTANCE, 2), dtype=np.float32), centres[:, :2]])[labels]
    offsets = np.where(thing[None], own.transpose(2, 0, 1) - grid, 0).astype(np.float32)
    heat = np.zeros((len(THINGS), height, width), dtype=np.float32)
    for (x, y, area), kind in zip(centres, kinds[FIRST_INSTANCE:], strict=True):
        if area >= _SEEN_FROM:
            _draw(heat[kind - STUFF], float(x), float(y), float(np.clip(np.sqrt(area) / 7, 0.8, 3.5)))
    return {
        "classes": kinds[labels],
        "colors": tints[labels],
        "weights": weight[labels],
        "centres": heat,
        "offsets": offsets,
        "sizes": np.clip(np.sqrt(size) / 12.0, 0.7, 12.0).astype(np.float32)[labels],
        "thing": thing,
    }


def _draw(heat: Float, x: float, y: float, sigma: float) -> None:
    """A Gaussian whose nearest cell is exactly 1."""
    height, width = heat.shape
    column, row = round(x), round(y)
    reach = int(3 * sigma) + 1
    top, bottom = max(row - reach, 0), min(row + reach + 1, height)
    left, right = max(column - reach, 0), min(column + reach + 1, width)
    if top >= bottom or left >= right:
        return
    dy = np.arange(top, bottom)[:, None] - row
    dx = np.arange(left, right)[None] - column
    blob = np.exp(-(dx**2 + dy**2) / (2 * sigma**2)).astype(np.float32)
    np.maximum(heat[top:bottom, left:right], blob, out=heat[top:bottom, left:right])


def dense_loss(dense: Dense, batch: DenseBatch) -> dict[str, Tensor]:
    """The weighted parts of the loss, by name; their sum is minimised."""
    weights = batch.weights
    total = weights.sum()
    classes = (F.cross_entropy(dense.classes, batch.classes, reduction="none") * weights).sum() / total
    asked = batch.colors >= 0
    colors = dense.colors.permute(0, 2, 3, 1)[asked]
    mine = weights * batch.thing / batch.sizes
    apart = (dense.offsets - batch.offsets).abs().sum(1) / OFFSET_SCALE
    known = batch.depth > 0
    return {
        "class": classes,
        "color": 0.5 * F.cross_entropy(colors, batch.colors[asked], reduction="sum") / max(len(colors), 1),
        "centre": 0.5 * _focal(dense.centres, batch.centres),
        "offset": 1.5 * (apart * mine).sum() / mine.sum().clamp(min=1),
        "depth": 0.3 * ((dense.depth - batch.depth).abs() * known).sum() / known.sum().clamp(min=1),
    }


def _focal(logits: Tensor, target: Tensor) -> Tensor:
    """Penalty-reduced focal loss of centre heatmaps, per centre (the loss of CenterNet)."""
    peak = target == 1
    at_peak = logits[peak]
    inside = at_peak.sigmoid()
    positive = ((1 - inside) ** 2 * F.softplus(-at_peak)).sum()
    # At a peak the factor (1 - target) is 0, so the rest needs no mask.
    negative = ((1 - target) ** 4 * logits.sigmoid() ** 2 * F.softplus(logits)).sum()
    return (positive + negative) / peak.sum().clamp(min=1)


def color_index(name: str) -> int:
    """Index in COLORS; -1 for a colour that the model has no name for."""
    return COLORS.index(name) if name in COLORS else -1
