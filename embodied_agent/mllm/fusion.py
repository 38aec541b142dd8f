"""The embodied-former: words, things, picture windows and clicked points read one another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from embodied_agent.mllm.attention import attend, bias_of
from embodied_agent.mllm.settings import ModelSettings

WORDS, OBJECTS, GRID, POINTS = range(4)
_PAIR = 10


def pair_features(positions: Tensor) -> Tensor:
    """How each placed token lies to each other one.

    Args:
        positions: Centre x y z, extents x y, lowest and highest z [m], (B, N, 7).

    Returns:
        (B, N, N, 10); entry [i, j] looks from i to j.
    """
    centre, half = positions[..., :3], positions[..., 3:5] / 2
    apart = centre[:, None] - centre[:, :, None]
    distance = apart[..., :2].norm(dim=-1, keepdim=True)
    inside = (half[:, :, None] - apart[..., :2].abs()).amin(dim=-1, keepdim=True)
    rise = (positions[:, None, :, 5] - positions[:, :, None, 6])[..., None]  # j's bottom over i's top
    return torch.cat(
        [apart * 3.0, torch.tanh(apart / 0.02), distance * 4.0, torch.exp(-distance / 0.08),
         torch.tanh(inside / 0.02), torch.tanh(rise / 0.02)],
        dim=-1,
    )  # fmt: skip


class Block(nn.Module):
    """Pre-norm self-attention and feed-forward, with a bias between placed tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.forward_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, T, D) with additive attention bias (B, H, T, T) -> (B, T, D)."""
        batch, length, width = x.shape
        qkv = self.qkv(self.norm(x)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attend(q, k, v, bias)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        done: Tensor = x + self.feed(self.forward_norm(x))
        return done


class Fusion(nn.Module):
    """Joint transformer over [words; objects; grid; points]."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.kinds = nn.Embedding(4, settings.width)
        self.blocks = nn.ModuleList([Block(settings.width, settings.heads) for _ in range(settings.fusion_layers)])
        self.relate = nn.Sequential(
            nn.Linear(_PAIR, 48), nn.GELU(), nn.Linear(48, settings.heads * settings.fusion_layers)
        )
        self.norm = nn.LayerNorm(settings.width)

    def forward(
        self, parts: tuple[Tensor, Tensor, Tensor, Tensor], masks: tuple[Tensor, ...], placed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            parts: Words, objects, grid, points, each (B, T_i, D).
            masks: Which of them are there, each (B, T_i) bool.
            placed: Positions of objects then points, (B, T_objects + T_points, 7).

        Returns:
            Memory (B, T, D) in the order of `parts`, and its mask (B, T).
        """
        x = torch.cat([part + self.kinds.weight[kind] for kind, part in enumerate(parts)], dim=1)
        mask = torch.cat(masks, dim=1)
        batch, length, _ = x.shape
        words, objects, _grid, points = (part.shape[1] for part in parts)
        where = torch.cat([torch.arange(words, words + objects), torch.arange(length - points, length)]).to(
            x.device
        )
        relation = self.relate(pair_features(placed)).to(x.dtype)  # (B, N, N, H * layers)
        relation = relation.view(*relation.shape[:3], len(self.blocks), self.heads).permute(3, 0, 4, 1, 2)
        base = bias_of(mask[:, None, None]).to(x.dtype).expand(batch, self.heads, length, length)
        for index, block in enumerate(self.blocks):
            bias = base.clone()
            bias[:, :, where[:, None], where[None]] += relation[index]
            x = block(x, bias)
        return self.norm(x), mask
