"""Stage 2: cut-outs of things with what they are, as the eye's second look learns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from embodied_agent.mllm.instances import find_instances
from embodied_agent.mllm.network import EmbodiedNetwork
from embodied_agent.mllm.picture import camera_from_array
from embodied_agent.mllm.recognize import (
    SIDE,
    Cutout,
    Recognizer,
    Window,
    colorless,
    cut,
    cut_out,
    stack_cutouts,
    window_of,
)
from embodied_agent.mllm.vision import STRIDE
from embodied_agent.mllm.vocabulary import CLASS_INDEX, CLASSES, STUFF, THINGS
from embodied_agent.training.augment import augment_color, augment_depth, augment_paint
from embodied_agent.training.dense import WITHHELD
from embodied_agent.training.shards import FIRST_INSTANCE, Shot, Shots
from embodied_agent.training.situations import look_at, match_instances

Float = NDArray[np.float32]
NOTHING = CLASS_INDEX["background"]
_TOUCHED = 0.2  # share of a detected mask on true things from which on it is not nothing
_SPLINTER = 0.5  # share of a thing's cells; a larger piece might pass for it
_VISIBLE = 8  # cells; of less, not even the kind can be said
_PARTLY = 0.2  # share of masks of which only a side is kept, as when something was seen in fragments
_SPREAD = 0.25  # share of masks that reach over their border
_COARSE = 0.3  # share of cut-outs as a worse camera would give them


class Sample(NamedTuple):
    """One thing in one shot, or a place where the first look wrongly saw one.

    Attributes:
        shot: Its index.
        kind: Class index; 0 (background) for nothing.
        instance: Which thing of the shot; -1 for nothing.
        detected: A detected mask in packed bits; b"" for the true one.
    """

    shot: int
    kind: int
    instance: int
    detected: bytes = b""

    def mask(self, shot: Shot) -> NDArray[np.bool_]:
        """In cells, (120, 160)."""
        cells = np.asarray(shot.labels)[::STRIDE, ::STRIDE]
        if not self.detected:
            return np.asarray(cells == FIRST_INSTANCE + self.instance)
        bits = np.unpackbits(np.frombuffer(self.detected, dtype=np.uint8), count=cells.size)
        return np.asarray(bits.reshape(cells.shape) > 0)


def true_samples(shots: Shots | Sequence[Shot]) -> list[Sample]:
    """Everything that shows in some shots."""
    samples: list[Sample] = []
    for index in track(range(len(shots)), description="things", console=Console(stderr=True)):
        shot = shots[index]
        cells = np.bincount(np.asarray(shot.labels)[::STRIDE, ::STRIDE].reshape(-1), minlength=256)
        for number, (_, kind, _) in enumerate(shot.instances):
            if cells[FIRST_INSTANCE + number] >= _VISIBLE:
                samples.append(Sample(index, kind, number))
    return samples


def detected_samples(
    network: EmbodiedNetwork, shots: Shots | Sequence[Shot], count: int, rng: Generator
) -> list[Sample]:
    """What the first look makes of `count` of the shots: things with their detected masks, and what is none."""
    samples: list[Sample] = []
    chosen = [int(i) for i in rng.choice(len(shots), size=min(count, len(shots)), replace=False)]
    for start in track(range(0, len(chosen), 8), description="detected", console=Console(stderr=True)):
        batch = chosen[start : start + 8]
        _, dense = look_at(network, [shots[i] for i in batch], rng if start % 16 else None)
        for place, index in enumerate(batch):
            shot = shots[index]
            instances = find_instances(dense, place, network.settings.max_objects)
            token_of = match_instances(shot, instances)
            names = [name for name, _, _ in shot.instances]
            shown = {token: names.index(name) for name, token in token_of.items()}
            cells = np.asarray(shot.labels)[::STRIDE, ::STRIDE]
            for found in range(len(instances)):
                mask, number = instances.ids == found, shown.get(found, -1)
                if number < 0 and not _is_nothing(cells, mask, set(shown.values())):
                    continue
                kind = shot.instances[number][1] if number >= 0 else NOTHING
                samples.append(Sample(index, kind, number, np.packbits(mask).tobytes()))
    return samples


def _is_nothing(cells: NDArray[np.uint8], mask: NDArray[np.bool_], found: set[int]) -> bool:
    """Whether what was detected and matches no thing is none: not on any, or a splinter of one in `found`."""
    touched = cells[mask & (cells >= FIRST_INSTANCE)]
    if len(touched) <= _TOUCHED * mask.sum():
        return True
    thing = int(np.bincount(touched).argmax())
    return thing - FIRST_INSTANCE in found and mask.sum() < _SPLINTER * (cells == thing).sum()


def chances_of(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """How often each is to be drawn: rare kinds more often, what is nothing as often as a common kind, (n,)."""
    kinds = np.array([item.kind for item in samples])
    often = np.bincount(kinds, minlength=len(CLASSES))
    chances = 1 / np.sqrt(often[kinds])
    return np.asarray(chances / chances.sum())


def draw_cutout(shot: Shot, sample: Sample, rng: Generator) -> tuple[Cutout, int]:
    """A thing of a shot as it might be cut out in use, and its colour's index (-1 = it has no name).

    Detected masks are not the true ones, windows not quite in place; the rest is what `augment` does.
    """
    labels, mask = np.asarray(shot.labels), sample.mask(shot)
    mask = mask if sample.detected else _worn(mask, rng)
    left, top, side = window_of(mask)
    grown = side * float(np.exp(rng.normal(0, 0.12)))
    x, y = rng.normal(0, 0.07, size=2) * side - (grown - side) / 2
    window = Window(left + x, top + y, grown)
    camera, depth = camera_from_array(shot.camera), np.asarray(shot.depth, dtype=np.float32) / 1000.0
    item = cut_out(np.asarray(shot.rgb), depth, camera, mask, window)
    shown = cut(labels, window, cv2.INTER_NEAREST)
    rgb, painted = augment_paint(item.rgb, shown, shot.instances, WITHHELD, rng)
    near, height = augment_depth(item.depth, item.height, rng)
    if not near.any():
        item = cut_out(np.asarray(shot.rgb), np.zeros_like(depth), camera, mask, window)
    if rng.random() < _COARSE:
        size = int(rng.integers(SIDE // 4, SIDE))
        small = cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA)
        rgb = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    item = replace(item, rgb=augment_color(rgb, rng), depth=near, height=height)
    if rng.random() < 0.5:
        item = replace(
            item, rgb=item.rgb[:, ::-1], depth=item.depth[:, ::-1], height=item.height[:, ::-1],
            mask=item.mask[:, ::-1],
        )  # fmt: skip
    return item, painted[sample.instance][2] if sample.kind in WITHHELD else -1


def _worn(mask: NDArray[np.bool_], rng: Generator) -> NDArray[np.bool_]:
    """A true mask with the errors of a detected one; never empty."""
    chance = rng.random()
    if chance < _SPREAD:
        kernel = np.ones((2 if chance < _SPREAD / 2 else 3,) * 2, dtype=np.uint8)
        mask = cv2.dilate(mask.astype(np.uint8), kernel) > 0
    if rng.random() < _PARTLY:
        rows, columns = np.nonzero(mask)
        angle = rng.uniform(0, 2 * np.pi)
        along = columns * np.cos(angle) + rows * np.sin(angle)
        mask = mask.copy()
        mask[rows, columns] = along <= np.quantile(along, rng.uniform(0.5, 0.9))
    return mask


class CutoutBatch(NamedTuple):
    """Inputs of the recognizer, and the answers, (B,); a colour of -1 is not asked."""

    planes: Tensor
    facts: Tensor
    kinds: Tensor
    colors: Tensor

    def to(self, device: torch.device) -> CutoutBatch:
        """The same on another device."""
        return CutoutBatch(*(value.to(device) for value in self))


def cutout_batch(shots: Shots | Sequence[Shot], samples: list[Sample], rng: Generator) -> CutoutBatch:
    """Augmented cut-outs of these samples."""
    drawn = [draw_cutout(shots[item.shot], item, rng) for item in samples]
    planes, facts = stack_cutouts([item for item, _ in drawn])
    colors = torch.tensor([color for _, color in drawn])
    half = rng.permutation(len(drawn))[: len(drawn) // 2]
    planes[half], colors[half] = colorless(planes[half]), -1
    kinds = [len(THINGS) if item.kind == NOTHING else item.kind - STUFF for item in samples]
    return CutoutBatch(planes, facts, torch.tensor(kinds), colors)


def cutout_loss(recognizer: Recognizer, batch: CutoutBatch) -> dict[str, Tensor]:
    """Cross-entropy; a little doubt is left, for some cut-outs show what nobody could name."""
    kinds = recognizer(batch.planes, batch.facts)
    asked = batch.colors >= 0
    colors = recognizer.colors_of(batch.planes[asked])
    wrong = F.cross_entropy(colors, batch.colors[asked], reduction="sum") / max(len(colors), 1)
    return {"kind": F.cross_entropy(kinds, batch.kinds, label_smoothing=0.05), "color": wrong}
