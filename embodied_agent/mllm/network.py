"""All trained parts of the built-in model as one module, and the batch that they read."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from embodied_agent.mllm.clauses import ClauseTagger
from embodied_agent.mllm.decoder import Decoder
from embodied_agent.mllm.fusion import Fusion
from embodied_agent.mllm.language import WordAdapter
from embodied_agent.mllm.mask import MaskDecoder
from embodied_agent.mllm.objects import (
    ATTRIBUTES,
    GEOMETRY,
    GRID_COLUMNS,
    GRID_ROWS,
    Float,
    GridEncoder,
    ObjectEncoder,
    PointEncoder,
    Seen,
)
from embodied_agent.mllm.phrases import PhraseTagger
from embodied_agent.mllm.pointer import Pointer, Pointing
from embodied_agent.mllm.recognize import Recognizer
from embodied_agent.mllm.settings import ModelSettings
from embodied_agent.mllm.vision import Vision


@dataclass(frozen=True)
class Scenes:
    """Visual tokens of a batch, padded.

    Attributes:
        attributes, geometry: As in `Seen`, (B, N, ...).
        present: Which object slots are filled, (B, N) bool.
        grid: (B, 6, 8, C).
        points: Clicked points, (B, P, 5).
        clicked: Which point slots are filled, (B, P) bool.
    """

    attributes: Tensor
    geometry: Tensor
    present: Tensor
    grid: Tensor
    points: Tensor
    clicked: Tensor

    def to(self, device: torch.device) -> Scenes:
        """The same on another device."""
        return Scenes(*(getattr(self, item.name).to(device) for item in fields(self)))


def stack_scenes(seen: list[Seen], points: list[Float], settings: ModelSettings) -> Scenes:
    """Pad visual tokens and clicked points of several pictures to one batch."""
    batch = len(seen)
    objects = max(1, *(len(item) for item in seen)) if seen else 1
    clicks = max((len(item) for item in points), default=0)
    arrays = {
        "attributes": np.zeros((batch, objects, ATTRIBUTES), dtype=np.float32),
        "geometry": np.zeros((batch, objects, GEOMETRY), dtype=np.float32),
        "present": np.zeros((batch, objects), dtype=bool),
        "grid": np.zeros((batch, GRID_ROWS, GRID_COLUMNS, settings.channels[-1]), dtype=np.float32),
        "points": np.zeros((batch, clicks, 5), dtype=np.float32),
        "clicked": np.zeros((batch, clicks), dtype=bool),
    }
    for row, (item, clicked) in enumerate(zip(seen, points, strict=True)):
        for name in ("attributes", "geometry"):
            arrays[name][row, : len(item)] = getattr(item, name)
        arrays["present"][row, : len(item)] = True
        arrays["grid"][row] = item.grid
        arrays["points"][row, : len(clicked)] = clicked
        arrays["clicked"][row, : len(clicked)] = True
    return Scenes(**{name: torch.from_numpy(array) for name, array in arrays.items()})


@dataclass(frozen=True)
class Memory:
    """What the decoder reads.

    Attributes:
        tokens: (B, M, D).
        mask: (B, M) bool.
        words: The word tokens among them, (B, L, D).
        said: The same as the sentence encoder gave them, (B, L, 768).
        objects: The object tokens among them, (B, N, D).
        places: Where these are and how large, as the first of `Seen.geometry`, (B, N, 7).
        named: What the eye named them, `Seen.attributes`, (B, N, A).
        present: (B, N) bool.
    """

    tokens: Tensor
    mask: Tensor
    words: Tensor
    said: Tensor
    objects: Tensor
    places: Tensor
    named: Tensor
    present: Tensor

    def row(self, index: int) -> Memory:
        """The memory of one command alone."""
        return Memory(*(getattr(self, item.name)[index : index + 1] for item in fields(self)))


class EmbodiedNetwork(nn.Module):
    """Vision, object and word encoders, fusion, decoder, pointer, mask decoder."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.vision = Vision(settings)
        self.recognizer = Recognizer(settings)
        self.things = ObjectEncoder(settings)
        self.grid = GridEncoder(settings)
        self.clicks = PointEncoder(settings)
        self.words = WordAdapter(settings)
        self.fusion = Fusion(settings)
        self.phrases = PhraseTagger(settings)
        self.clauses = ClauseTagger(settings)
        self.decoder = Decoder(settings)
        self.pointer = Pointer(settings)
        self.mask = MaskDecoder(settings)

    def fuse(self, words: Tensor, letters: Tensor, spoken: Tensor, scenes: Scenes, scales: int = 2) -> Memory:
        """Read a command in sight of a scene.

        Args:
            words: Frozen word tokens, (B, L, 768).
            letters: Letter groups, (B, L, 20).
            spoken: Which word slots are filled, (B, L) bool.
            scenes: Visual tokens and clicked points.
            scales: How many layouts of grid tokens are read.
        """
        objects = self.things(scenes.attributes, scenes.geometry)
        grid = self.grid(scenes.grid, scales)
        points = self.clicks(scenes.points)
        everywhere = torch.ones(grid.shape[:2], dtype=torch.bool, device=grid.device)
        memory, mask = self.fusion(
            (self.words(words, letters), objects, grid, points),
            (spoken, scenes.present, everywhere, scenes.clicked),
            _placed(scenes),
        )
        first = words.shape[1]
        seen = memory[:, first : first + objects.shape[1]]
        read = memory[:, :first]
        places = scenes.geometry[..., :7]
        return Memory(memory, mask, read, words, seen, places, scenes.attributes, scenes.present)

    def point(self, hidden: Tensor, memory: Memory) -> Pointing:
        """Follow super links from the states at them, (B, P, D), in what was read."""
        pointing: Pointing = self.pointer(hidden, memory.objects, memory.places, memory.present)
        return pointing


def _placed(scenes: Scenes) -> Tensor:
    """Positions of objects and points for the pair features, (B, N + P, 7)."""
    objects = scenes.geometry[..., :7]
    clicks = scenes.points[..., :3]
    flat = torch.zeros_like(clicks[..., :2])
    height = clicks[..., 2:]
    return torch.cat([objects, torch.cat([clicks, flat, height, height], dim=-1)], dim=1)


def seen_at(objects: Tensor, chosen: Tensor) -> Tensor:
    """Mean embedding of chosen objects: (B, N, D), (B, P, N) bool -> (B, P, D); zeros for none."""
    weights = chosen.to(objects.dtype)
    return weights @ objects / weights.sum(-1, keepdim=True).clamp(min=1.0)
