"""The mask decoder: a super-link embedding turns pixel features into a mask and a point."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embodied_agent.mllm.settings import ModelSettings

_WIDTH = 32


class MaskDecoder(nn.Module):
    """Pixel features, seen through what the link means and what it points at.

    The mask of the instances that the pointer chose goes in as a prior, so the decoder repairs
    a grouping (two cubes taken for one, a rim that was lost) instead of searching anew.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.read = nn.Conv2d(settings.pixel_features + 3, _WIDTH, 3, padding=1)
        self.condition = nn.Linear(2 * settings.width, 2 * _WIDTH)
        self.mix = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)
        self.write = nn.Conv2d(_WIDTH, 1, 1)

    def forward(self, features: Tensor, prior: Tensor, link: Tensor, pointed: Tensor) -> Tensor:
        """Mask logits.

        Args:
            features: Pixel features, (B, F, h, w).
            prior: Mask of the chosen instances, (B, h, w) in [0, 1].
            link: Super-link embedding, (B, D).
            pointed: Mean fused embedding of the chosen objects, (B, D).

        Returns:
            (B, h, w).
        """
        batch, _, height, width = features.shape
        y = torch.linspace(-1, 1, height, device=features.device, dtype=features.dtype)
        x = torch.linspace(-1, 1, width, device=features.device, dtype=features.dtype)
        places = torch.stack([y[:, None].expand(height, width), x[None].expand(height, width)])
        planes = torch.cat([features, places.expand(batch, -1, -1, -1), prior[:, None].to(features.dtype)], dim=1)
        scale, shift = self.condition(torch.cat([link, pointed], dim=-1)).chunk(2, dim=-1)
        seen = self.read(planes) * (1 + scale[..., None, None]) + shift[..., None, None]
        seen = F.relu(self.mix(F.relu(seen)))
        # The decoder begins as the identity on its prior.
        logits: Tensor = self.write(seen)[:, 0].float() + 6.0 * (prior.float() - 0.5)
        return logits


def point_of(mask: Tensor) -> tuple[float, float]:
    """The cell (x, y) of a mask (h, w) bool that lies deepest inside it.

    The centre of a ring or of a bent banana may lie outside; the deepest cell never does.
    """
    inside = mask.float()[None, None]
    depth = inside.clone()
    while True:
        inside = -F.max_pool2d(-F.pad(inside, (1, 1, 1, 1)), 3, stride=1)
        if not bool(inside.any()):
            break
        depth += inside
    deepest = depth[0, 0] == depth.max()
    rows, columns = torch.nonzero(deepest, as_tuple=True)
    middle = ((rows - rows.float().mean()) ** 2 + (columns - columns.float().mean()) ** 2).argmin()
    return float(columns[middle]), float(rows[middle])
