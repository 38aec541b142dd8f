"""What colour a thing has, read from its own pixels and from nothing else.

A network that sees shapes as well learns which kinds come in which colours, and calls a red box
orange because red boxes were not shown in training. Here pixels are a heap without places: what is
learnt of red is learnt for every kind. Some pixels say more than others (a ball's white stripe and
a can's lid say little), so each of a few attentions weighs them in its own way (Ilse et al. 2018,
attention pooling of bags).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embodied_agent.mllm.vocabulary import COLORS

_WIDTH = 48
_WAYS = 4
_STEP = 2  # every second pixel of a cut-out in each direction is enough
_OUTSIDE = -1e4  # logit of pixels that are not the thing's


class ColorReader(nn.Module):
    """Pixels -> the colour's name."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, _WIDTH), nn.Linear(_WIDTH, _WIDTH)
        self.weigh = nn.Linear(_WIDTH, _WAYS)
        self.mix = nn.Linear(_WIDTH * (_WAYS + 1), 2 * _WIDTH)
        self.names = nn.Linear(2 * _WIDTH, len(COLORS))

    def forward(self, rgb: Tensor, own: Tensor) -> Tensor:
        """Normalised colours (B, 3, h, w) and the thing's own pixels (B, h, w) -> logits (B, 8)."""
        pixels = rgb[:, :, ::_STEP, ::_STEP].flatten(2).transpose(1, 2)
        inside = own[:, ::_STEP, ::_STEP].flatten(1) > 0.5
        seen = F.gelu(self.second(F.gelu(self.first(pixels))))
        weights = self.weigh(seen).masked_fill(~inside[..., None], _OUTSIDE).softmax(dim=1)
        pooled = torch.einsum("bnw,bnd->bwd", weights, seen).flatten(1)
        share = inside / inside.sum(dim=1, keepdim=True).clamp(min=1)
        mean = torch.einsum("bn,bnd->bd", share.to(seen.dtype), seen)
        names: Tensor = self.names(F.gelu(self.mix(torch.cat([pooled, mean], dim=1))))
        return names.float()
