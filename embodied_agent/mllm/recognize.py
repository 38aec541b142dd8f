"""A second look: every thing is cut out of the full-size image and named by itself.

The dense pass finds things at a quarter of the camera's resolution, where a cube across the table
is seven cells wide. Here the same small window shows each thing at one size, near or far, with its
heights above the table in metres: kinds are told apart by shape. In the manner of two-stage
detectors (Ren et al. 2015), but from the camera's own pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embodied_agent.mllm.colors import ColorReader
from embodied_agent.mllm.fragments import join_fragments
from embodied_agent.mllm.instances import Instances, only
from embodied_agent.mllm.picture import HEIGHT, WIDTH, Picture
from embodied_agent.mllm.precision import fast_precision
from embodied_agent.mllm.settings import ModelSettings
from embodied_agent.mllm.standing import part_standing
from embodied_agent.mllm.vision import Residual, convolution
from embodied_agent.mllm.vocabulary import CLASS_INDEX, STUFF, THINGS
from embodied_agent.types import Camera

Float = NDArray[np.float32]
Scalar = TypeVar("Scalar", bound=np.generic)
SIDE = 48  # pixels of a cut-out
MARGIN = 1.5  # window side over the longer side of what is seen
SMALLEST = 6.0  # cells; windows are at least so wide
LARGE = 25  # cells; what is smaller may well be a splinter of something
UNLIKELY = 0.25  # lower scores are dropped: of 200 such, one is a thing
PLANES = 7  # red, green, blue, height, depth, depth is valid, own mask
FACTS = 7


@dataclass(frozen=True)
class Cutout:
    """One thing at one size.

    Attributes:
        rgb: (48, 48, 3) uint8; black outside the image.
        depth: [m], (48, 48); 0 = no reading.
        height: Above the table top [m], (48, 48); 0 where depth is 0.
        mask: Which pixels are the thing's own, (48, 48) bool.
        range: Median depth of the thing [m].
        side: Of the window at that range [m].
        steep: How far down the camera looks there, 0 = level, 1 = straight down.
    """

    rgb: NDArray[np.uint8]
    depth: Float
    height: Float
    mask: NDArray[np.bool_]
    range: float
    side: float
    steep: float


class Window(NamedTuple):
    """Left, top and side of a square in cells (160 x 120 to the picture); it may leave the picture."""

    left: float
    top: float
    side: float


def window_of(mask: NDArray[np.bool_]) -> Window:
    """The window around a mask, (120, 160) bool."""
    rows, columns = np.nonzero(mask)
    wide, high = columns.max() + 1 - columns.min(), rows.max() + 1 - rows.min()
    side = max(MARGIN * max(wide, high), SMALLEST)
    middle = (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2
    return Window(float(middle[0] - side / 2), float(middle[1] - side / 2), float(side))


def cut_out(
    image: NDArray[np.uint8], depth: Float, camera: Camera, mask: NDArray[np.bool_], window: Window
) -> Cutout:
    """Cut a window out of everything that is known of a picture.

    Args:
        image: Colours at any size, (H, W, 3).
        depth: [m], (240, 320); 0 = no reading.
        camera: Of the size of `depth`.
        mask: Of the thing, (120, 160).
        window: Where to cut.
    """
    own = cut(mask.astype(np.uint8), window, cv2.INTER_NEAREST) > 0
    near = cut(depth, window, cv2.INTER_NEAREST)
    scale = WIDTH / mask.shape[1]
    steps = (np.arange(SIDE, dtype=np.float32) + 0.5) * (window.side * scale / SIDE) - 0.5
    u = (window.left * scale + steps - camera.cx) / camera.fx
    v = (window.top * scale + steps - camera.cy) / camera.fy
    pose = camera.world_from_camera
    down = pose.rotation[2].astype(np.float32)
    slope = down[0] * u[None, :] + down[1] * v[:, None] + down[2]
    height = np.where(near > 0, np.float32(pose.position[2]) + slope * near, 0).astype(np.float32)
    middle = float(slope[SIDE // 2, SIDE // 2])
    valid = near[own & (near > 0)]
    if len(valid):
        far = float(np.median(valid))
    else:  # where the middle ray meets the plane 2 cm above the table
        far = float(np.clip((0.02 - pose.position[2]) / min(middle, -0.05), 0.05, 3.0))
    length = float(np.sqrt(1 + u[SIDE // 2] ** 2 + v[SIDE // 2] ** 2))
    return Cutout(
        rgb=cut(image, window, None), depth=near, height=height, mask=own, range=far,
        side=window.side * scale / camera.fx * far, steep=-middle / length,
    )  # fmt: skip


def cut(values: NDArray[Scalar], window: Window, how: int | None) -> NDArray[Scalar]:
    """A window of an array that spans the picture, at 48x48; zero outside. `how`: None = by area or bilinear."""
    scale = values.shape[0] / (HEIGHT // 2)
    left, top = round(window.left * scale), round(window.top * scale)
    side = max(round(window.side * scale), 1)
    high, wide = values.shape[:2]
    y0, y1, x0, x1 = max(top, 0), min(top + side, high), max(left, 0), min(left + side, wide)
    if (y0, y1, x0, x1) == (top, top + side, left, left + side):
        piece = values[y0:y1, x0:x1]
    else:
        piece = np.zeros((side, side, *values.shape[2:]), dtype=values.dtype)
        if y0 < y1 and x0 < x1:
            piece[y0 - top : y1 - top, x0 - left : x1 - left] = values[y0:y1, x0:x1]
    if how is None:
        how = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(piece), (SIDE, SIDE), interpolation=how)  # type: ignore[call-overload]
    return cast("NDArray[Scalar]", resized)


def stack_cutouts(cutouts: Sequence[Cutout]) -> tuple[Tensor, Tensor]:
    """Normalised inputs: planes (B, 7, 48, 48) and facts (B, 7), float32."""
    planes = np.zeros((len(cutouts), PLANES, SIDE, SIDE), dtype=np.float32)
    facts = np.zeros((len(cutouts), FACTS), dtype=np.float32)
    for row, item in enumerate(cutouts):
        valid = item.depth > 0
        planes[row, :3] = (item.rgb.transpose(2, 0, 1).astype(np.float32) / 255 - 0.45) / 0.25
        planes[row, 3] = (np.clip(item.height, -0.1, 0.6) - 0.05) / 0.1 * valid
        planes[row, 4] = np.clip((item.depth - item.range) / 0.1, -3, 3) * valid
        planes[row, 5] = valid
        planes[row, 6] = item.mask
        measured = item.height[item.mask & valid]
        low, high = np.percentile(measured, [4, 96]) if len(measured) else (0.0, 0.0)
        facts[row] = [
            np.log2(max(item.side, 0.01) / 0.1), item.range - 0.8, item.steep, low * 8, high * 8,
            item.mask.mean(), (item.mask & valid).sum() / max(item.mask.sum(), 1),
        ]  # fmt: skip
    return torch.from_numpy(planes), torch.from_numpy(facts)


def colorless(planes: Tensor) -> Tensor:
    """Cut-outs in shades of grey, stretched so that a black thing shows its shape like a white one."""
    own = planes[:, 6]
    shades = planes[:, :3].mean(dim=1)
    area = own.sum(dim=(1, 2)).clamp(min=1)
    mean = (shades * own).sum(dim=(1, 2)) / area
    apart = shades - mean[:, None, None]
    spread = ((apart**2 * own).sum(dim=(1, 2)) / area).sqrt() + 0.02
    stretched = (apart / spread[:, None, None]).clamp(-3, 3)
    return torch.cat([stretched[:, None].expand(-1, 3, -1, -1), planes[:, 3:]], dim=1)


class Recognizer(nn.Module):
    """Cut-outs -> what they show: one of the things or nothing that is one, and in which colour."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        first, second, third = settings.cutout_channels
        self.body = nn.Sequential(
            convolution(PLANES, first, 2),
            convolution(first, second, 2), Residual(second),
            convolution(second, third, 2), Residual(third),
        )  # fmt: skip
        self.mix = nn.Sequential(nn.Linear(2 * third + FACTS, third), nn.GELU(), nn.Dropout(0.1))
        self.kinds = nn.Linear(third, len(THINGS) + 1)
        self.colors = ColorReader()

    def colors_of(self, planes: Tensor) -> Tensor:
        """(B, 7, 48, 48) with their colours -> logits of the colours, (B, 8)."""
        named: Tensor = self.colors(planes[:, :3], planes[:, 6])
        return named

    def forward(self, planes: Tensor, facts: Tensor) -> Tensor:
        """(B, 7, 48, 48), (B, 7) -> logits of the things and, last, of nothing, (B, 23)."""
        seen = self.body(planes.contiguous(memory_format=torch.channels_last))
        pooled = torch.cat([seen.mean(dim=(2, 3)), seen.amax(dim=(2, 3)), facts.to(seen.dtype)], dim=1)
        kinds: Tensor = self.kinds(self.mix(pooled))
        return kinds.float()


def recognize(recognizer: Recognizer, picture: Picture, instances: Instances) -> Instances:
    """The instances that a second look confirms, with the names and scores that it gives them.

    The score is the probability of the name, less for what is small.
    Kinds are read with and without colours, for the reason that `vision.look_twice` gives.
    """
    if not len(instances):
        return instances
    instances = part_standing(picture, instances)
    cutouts = []
    for index in range(len(instances)):
        mask = instances.ids == index
        cutouts.append(cut_out(picture.image, picture.depth, picture.camera, mask, window_of(mask)))
    device = next(recognizer.parameters()).device
    planes, facts = (value.to(device) for value in stack_cutouts(cutouts))
    shapes = colorless(planes)
    with torch.inference_mode(), fast_precision(device):
        kinds = recognizer(torch.cat([planes, shapes]), torch.cat([facts, facts]))
        colors = recognizer.colors_of(planes).softmax(1).cpu().numpy()
    colored, shaped = kinds.softmax(1).chunk(2)
    named = ((colored + shaped) / 2).cpu().numpy()
    classes = np.zeros_like(instances.classes)
    classes[:, STUFF:], classes[:, CLASS_INDEX["background"]] = named[:, :-1], named[:, -1]
    areas = np.bincount(instances.ids[instances.ids >= 0].ravel(), minlength=len(instances))
    scores = classes[:, STUFF:].max(axis=1) * np.minimum(areas / LARGE, 1.0)
    likely = _likely(replace(instances, classes=classes, colors=colors, scores=scores.astype(np.float32)))
    return join_fragments(picture, likely)


def _likely(instances: Instances) -> Instances:
    """Those that may be there; what is a splinter, or nothing that has a name, goes."""
    return only(instances, np.flatnonzero(instances.scores >= UNLIKELY))
