"""Visual tokens: one for each thing seen, a few for the whole picture, one per clicked point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from embodied_agent.mllm.instances import Instances
from embodied_agent.mllm.picture import Picture
from embodied_agent.mllm.settings import ModelSettings
from embodied_agent.mllm.vocabulary import CLASSES, COLORS

Float = NDArray[np.float32]

ATTRIBUTES = len(CLASSES) + len(COLORS)
# x y z of the centre, extent along x y, lowest and highest z, longest and shortest horizontal
# width [m]; image column and row, log of the area, score, share of cells with depth.
GEOMETRY = 14
_WAVELENGTHS = (0.05, 0.1, 0.2, 0.4, 0.8)  # [m], of the position encoding
GRID_ROWS, GRID_COLUMNS = 6, 8


@dataclass(frozen=True)
class Seen:
    """Raw visual tokens of one picture, before any learned layer of the fusion.

    Attributes:
        attributes: Class and colour probabilities of each thing, (n, 33) float32.
        geometry: See GEOMETRY, (n, 14) float32.
        grid: Coarse features of the picture, (6, 8, C) float32.
    """

    attributes: Float
    geometry: Float
    grid: Float

    def __len__(self) -> int:
        return len(self.geometry)


def describe(picture: Picture, instances: Instances, coarse: Tensor) -> Seen:
    """What each instance is called, and where it is.

    Args:
        picture: Source of the world points.
        instances: What was found in it.
        coarse: Deepest features of this picture, (C, 15, 20).
    """
    count = len(instances)
    geometry = np.zeros((count, GEOMETRY), dtype=np.float32)
    for index in range(count):
        cells = np.flatnonzero(instances.ids.reshape(-1) == index)
        geometry[index] = _measure(picture, cells, float(instances.scores[index]))
    grid = F.adaptive_avg_pool2d(coarse.float()[None], (GRID_ROWS, GRID_COLUMNS))[0]
    return Seen(
        attributes=np.concatenate([instances.classes, instances.colors], axis=1),
        geometry=geometry,
        grid=grid.permute(1, 2, 0).cpu().numpy().astype(np.float32),
    )


def _measure(picture: Picture, cells: NDArray[np.intp], score: float) -> Float:
    height, width = picture.measured.shape
    good = cells[picture.measured.reshape(-1)[cells]]
    share = len(good) / len(cells)
    points = picture.points.reshape(-1, 3)[good if len(good) >= 4 else cells]
    low, middle, high = np.percentile(points, [4, 50, 96], axis=0)
    centre = (low + high) / 2
    flat = points[:, :2] - points[:, :2].mean(0)
    values, axes = np.linalg.eigh(flat.T @ flat / max(len(flat), 1) + 1e-9 * np.eye(2))
    spread = np.ptp(np.percentile(flat @ axes, [4, 96], axis=0), axis=0)
    del values
    rows, columns = cells // width, cells % width
    return np.array(
        [
            *centre[:2], middle[2], *(high - low)[:2], low[2], high[2], spread.max(), spread.min(),
            columns.mean() / width, rows.mean() / height, np.log(len(cells)) / 5.0, score, share,
        ],
        dtype=np.float32,
    )  # fmt: skip


def encode_position(points: Tensor) -> Tensor:
    """Sines and cosines of world positions [m], (..., 3) -> (..., 30)."""
    waves = torch.tensor(_WAVELENGTHS, device=points.device, dtype=torch.float32)
    phase = points.float()[..., None] * (2 * torch.pi / waves)
    return torch.cat([phase.sin(), phase.cos()], dim=-1).flatten(-2)


POSITION = 3 * 2 * len(_WAVELENGTHS)


class ObjectEncoder(nn.Module):
    """What a thing is called, and where and how large it is -> one token, the sum of both.

    The names add up and are not mixed: a layer that sees kind and colour together learns which of
    them go together, and takes a cube in a colour that it never met for none.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.names = nn.Linear(ATTRIBUTES, settings.width, bias=False)
        self.place = nn.Sequential(
            nn.Linear(GEOMETRY + POSITION, 2 * settings.width),
            nn.GELU(),
            nn.Linear(2 * settings.width, settings.width),
        )

    def forward(self, attributes: Tensor, geometry: Tensor) -> Tensor:
        """(B, N, 33), (B, N, 14) -> (B, N, D)."""
        position = encode_position(geometry[..., :3])
        scaled = torch.cat([geometry[..., :3] * 2.0, geometry[..., 3:9] * 8.0, geometry[..., 9:]], dim=-1)
        tokens: Tensor = self.names(attributes) + self.place(torch.cat([scaled, position], dim=-1))
        return tokens


class GridEncoder(nn.Module):
    """Windows of the coarse map at several scales; a learnt query reads each window.

    Training begins with the coarsest scale alone and adds the finer one late: fewer tokens
    while the words are learnt, more when the details matter.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.scales = settings.grid_scales
        self.project = nn.Linear(settings.channels[-1], settings.width)
        self.place = nn.Parameter(torch.randn(GRID_ROWS, GRID_COLUMNS, settings.width) * 0.02)
        self.queries = nn.ParameterList(
            [nn.Parameter(torch.randn(down * across, settings.width) * 0.02) for down, across in self.scales]
        )
        self.norm = nn.LayerNorm(settings.width)

    def forward(self, grid: Tensor, scales: int) -> Tensor:
        """(B, 6, 8, C) -> tokens of the first `scales` layouts, (B, windows, D)."""
        cells = self.norm(self.project(grid) + self.place)
        batch, rows, columns, width = cells.shape
        tokens = []
        for (down, across), query in zip(self.scales[:scales], self.queries, strict=False):
            windows = cells.reshape(batch, down, rows // down, across, columns // across, width)
            windows = windows.transpose(2, 3).reshape(batch, down * across, -1, width)
            weights = (windows @ query[None, :, :, None] / width**0.5).softmax(dim=2)
            tokens.append((windows * weights).sum(2) + query)
        return torch.cat(tokens, dim=1)


class PointEncoder(nn.Module):
    """A clicked pixel: where it is in the image and the world, and its number in the command."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Linear(5 + POSITION, settings.width), nn.GELU(), nn.Linear(settings.width, settings.width)
        )
        self.number = nn.Embedding(settings.max_points, settings.width)

    def forward(self, points: Tensor) -> Tensor:
        """World x y z [m] and image column and row in [0, 1], (B, P, 5) -> (B, P, D)."""
        order = self.number.weight[: points.shape[1]]
        tokens: Tensor = self.mix(torch.cat([points, encode_position(points[..., :3])], dim=-1)) + order
        return tokens


def point_features(picture: Picture, points: tuple[tuple[float, float], ...], width: int, height: int) -> Float:
    """World position and place in the image of clicked pixels.

    Args:
        picture: The picture that was clicked.
        points: (x, y) in the original image.
        width, height: Size of the original image [px].

    Returns:
        (P, 5) float32.
    """
    rows, columns = picture.measured.shape
    features = np.zeros((len(points), 5), dtype=np.float32)
    for index, (x, y) in enumerate(points):
        u, v = (x + 0.5) / width, (y + 0.5) / height
        row = int(np.clip(v * rows, 0, rows - 1))
        column = int(np.clip(u * columns, 0, columns - 1))
        features[index] = [*picture.points[row, column], u, v]
    return features
