"""Sizes of the built-in model: everything that must agree between training and use."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from embodied_agent.errors import WeightsError

VERSION = 6  # raised whenever weights of an older layout stop being readable


@dataclass(frozen=True)
class ModelSettings:
    """Shape of the network.

    Attributes:
        image_width, image_height: Size the picture is read at [px].
        channels: Channels of the image encoder at strides 2, 4, 8, 16.
        cutout_channels: Of the recognizer at strides 2, 4, 8 of a cut-out.
        pixel_features: Channels of the dense feature map (stride 2).
        width: Width of the fusion and decoder layers.
        heads: Attention heads of both.
        fusion_layers, decoder_layers: Depth.
        max_objects: Most object tokens of one picture.
        max_points: Most clicked points of one command.
        grid_scales: Window layouts (rows, columns) of the grid tokens, coarse first.
        word_width: Width of the frozen sentence encoder's tokens.
        max_words: Most word pieces of a command that are read.
        max_tokens: Longest written sequence, grounding and program together.
        vocabulary: Tokens of the program tokenizer.
    """

    image_width: int = 320
    image_height: int = 240
    channels: tuple[int, ...] = (32, 96, 192, 320)
    cutout_channels: tuple[int, ...] = (32, 96, 192)
    pixel_features: int = 48
    width: int = 320
    heads: int = 8
    fusion_layers: int = 4
    decoder_layers: int = 4
    max_objects: int = 28
    max_points: int = 4
    grid_scales: tuple[tuple[int, int], ...] = ((1, 1), (3, 4))
    word_width: int = 384
    max_words: int = 96
    max_tokens: int = 640
    vocabulary: int = 1280

    @staticmethod
    def from_dict(data: dict[str, Any]) -> ModelSettings:
        """Inverse of `to_dict`.

        Raises:
            WeightsError: A key is missing or unknown.
        """
        names = {item.name for item in fields(ModelSettings)}
        wrong = names.symmetric_difference(data)
        if wrong:
            raise WeightsError(f"model settings do not fit this version: {', '.join(sorted(wrong))}")
        values = dict(data)
        values["channels"] = tuple(values["channels"])
        values["cutout_channels"] = tuple(values["cutout_channels"])
        values["grid_scales"] = tuple((int(r), int(c)) for r, c in values["grid_scales"])
        return ModelSettings(**values)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


TINY = ModelSettings(
    channels=(8, 16, 24, 32),
    cutout_channels=(8, 12, 16),
    pixel_features=16,
    width=64,
    heads=4,
    fusion_layers=1,
    decoder_layers=2,
    max_objects=12,
)  # for tests: learns a handful of examples in seconds
