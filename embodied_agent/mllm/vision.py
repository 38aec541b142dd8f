"""Dense image encoder-decoder: what and where, per pixel.

One picture, RGB and depth, goes in at 320x240; at stride 2 (160x120) come out, per pixel, the
class, the colour, centres of instances, the offset to the own centre, and the depth (which
stands in where the sensor gives none). Everything later reads instances and features from here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from embodied_agent.mllm.settings import ModelSettings
from embodied_agent.mllm.vocabulary import CLASSES, COLORS, THINGS

INPUTS = 6  # red, green, blue, depth, height above the table, depth is valid
STRIDE = 2
OFFSET_SCALE = 16.0  # offsets are learnt in units of this many cells
_DEPTH_SCALE = 0.5


class Dense(NamedTuple):
    """Per-pixel outputs at stride 2, h = 120, w = 160.

    Attributes:
        features: (B, F, h, w).
        classes: Logits (B, 25, h, w).
        colors: Logits (B, 8, h, w).
        centres: Logits of the heatmap of each thing class, (B, 22, h, w).
        offsets: To the own instance's centre [cells], as (dx, dy), (B, 2, h, w).
        depth: Predicted range along the optical axis [m], (B, h, w).
        coarse: Deepest feature map, stride 16, (B, C, 15, 20).
    """

    features: Tensor
    classes: Tensor
    colors: Tensor
    centres: Tensor
    offsets: Tensor
    depth: Tensor
    coarse: Tensor


def stack_inputs(rgb: Tensor, depth: Tensor, height: Tensor) -> Tensor:
    """Normalised network input.

    Args:
        rgb: (B, H, W, 3), 0..255.
        depth: [m], (B, H, W); 0 = no reading.
        height: Above the table top [m], (B, H, W); ignored where depth is 0.

    Returns:
        (B, 6, H, W) float32.
    """
    valid = (depth > 0).float()
    color = (rgb.float() / 255.0 - 0.45) / 0.25
    planes = [
        color.permute(0, 3, 1, 2),
        ((depth - 1.0) / _DEPTH_SCALE * valid).clamp(-3, 3)[:, None],
        ((height.clamp(-0.1, 0.6) - 0.05) / 0.1 * valid)[:, None],
        valid[:, None],
    ]
    return torch.cat(planes, dim=1)


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        y = F.relu(self.first_norm(self.first(x)), inplace=True)
        return F.relu(x + self.second_norm(self.second(y)), inplace=True)


def convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """A convolution, batch norm and a rectifier: (B, inputs, h, w) -> (B, outputs, h / stride, w / stride)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def fold_norms(network: nn.Module) -> None:
    """Take batch norms into the convolutions before them: the same outputs, an eighth sooner. Not for training."""
    for module in network.modules():
        if isinstance(module, Residual):
            for name in ("first", "second"):
                conv, norm = getattr(module, name), getattr(module, f"{name}_norm")
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, f"{name}_norm", nn.Identity())
        elif isinstance(module, nn.Sequential):
            for k, (conv, norm) in enumerate(pairwise(list(module))):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module[k], module[k + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


class _Join(nn.Module):
    """One step up: the coarser map is upsampled onto the finer one."""

    def __init__(self, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(coarse, outputs, 1)
        self.side = nn.Conv2d(fine, outputs, 1)
        self.mix = convolution(outputs, outputs)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        up = F.interpolate(self.narrow(coarse), size=fine.shape[-2:], mode="bilinear", align_corners=False)
        mixed: Tensor = self.mix(up + self.side(fine))
        return mixed


class Vision(nn.Module):
    """The encoder-decoder. Fully convolutional: it also takes crops whose sides divide by 16."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        c2, c4, c8, c16 = settings.channels
        features = settings.pixel_features
        self.stem = convolution(INPUTS * STRIDE * STRIDE, c2)
        self.down4 = nn.Sequential(convolution(c2, c4, 2), Residual(c4))
        self.down8 = nn.Sequential(convolution(c4, c8, 2), Residual(c8), Residual(c8))
        self.down16 = nn.Sequential(convolution(c8, c16, 2), Residual(c16), Residual(c16))
        self.context = nn.Linear(c16, c16)
        self.up8 = _Join(c16, c8, c8)
        self.up4 = _Join(c8, c4, c4)
        self.up2 = _Join(c4, c2, features)
        self.refine = convolution(features, features)
        self.sizes = (len(CLASSES), len(COLORS), len(THINGS), 2, 1)
        self.heads = nn.Conv2d(features, sum(self.sizes), 1)
        assert self.heads.bias is not None
        with torch.no_grad():  # centres are rare: start the heatmaps near 0.02
            start = len(CLASSES) + len(COLORS)
            self.heads.bias[start : start + len(THINGS)].fill_(-4.0)

    def forward(self, inputs: Tensor) -> Dense:
        """(B, 6, 240, 320) -> the dense outputs at 120 x 160."""
        x2 = self.stem(F.pixel_unshuffle(inputs, STRIDE).contiguous(memory_format=torch.channels_last))
        x4 = self.down4(x2)
        x8 = self.down8(x4)
        x16 = self.down16(x8)
        x16 = x16 + self.context(x16.mean(dim=(2, 3)))[:, :, None, None]
        features = self.refine(self.up2(self.up4(self.up8(x16, x8), x4), x2))
        classes, colors, centres, offsets, depth = self.heads(features).float().split(self.sizes, dim=1)
        return Dense(
            features=features.float(),
            classes=classes,
            colors=colors,
            centres=centres,
            offsets=offsets * OFFSET_SCALE,
            depth=F.softplus(depth[:, 0] + 0.5),
            coarse=x16.float(),
        )
