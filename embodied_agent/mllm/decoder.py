"""The causal decoder: it points, reads what it pointed at, and then writes.

One sequence holds, for each phrase of the command, `<ground> description <link> state`, and
after `<program>` the program. `<link>` is the routing token: its hidden state is the super-link
embedding, which points at object tokens. The state (`<found> <several> <absent> <ambiguous>`)
is decided by that pointer and carries the embedding of what it points at back into the
sequence, so the words that follow are written in knowledge of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embodied_agent.mllm.attention import attend, bias_of, causal_bias
from embodied_agent.mllm.settings import ModelSettings


class Cache:
    """Keys and values of what was decoded so far, per layer."""

    def __init__(self, settings: ModelSettings) -> None:
        layers = settings.decoder_layers
        self.own: list[tuple[Tensor, Tensor] | None] = [None] * layers
        self.memory: list[tuple[Tensor, Tensor] | None] = [None] * layers

    def length(self, layer: int) -> int:
        """Positions that `layer` has decoded so far."""
        past = self.own[layer]
        return 0 if past is None else past[0].shape[2]

    def cut(self, length: int) -> None:
        """Forget what was decoded after the first `length` positions."""
        self.own = [past and (past[0][:, :, :length], past[1][:, :, :length]) for past in self.own]


def _rotate(x: Tensor, start: int) -> Tensor:
    """Rotary position encoding of (B, H, T, E)."""
    half = x.shape[-1] // 2
    place = torch.arange(start, start + x.shape[2], device=x.device, dtype=torch.float32)
    rate = torch.pow(10000.0, -torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angle = place[:, None] * rate
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Layer(nn.Module):
    """Causal self-attention, attention to the fused memory, feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.memory_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.memory_kv = nn.Linear(width, 2 * width)
        self.memory_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, memory: Tensor, readable: Tensor, cache: Cache | None, index: int) -> Tensor:
        batch, length, width = x.shape
        split = (batch, length, self.heads, width // self.heads)
        q, k, v = (part.view(split).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, dim=-1))
        start = cache.length(index) if cache is not None else 0
        q, k = _rotate(q, start), _rotate(k, start)
        if cache is not None:
            past = cache.own[index]
            if past is not None:
                k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
            cache.own[index] = (k, v)
        mixed = attend(q, k, v, causal_bias(length, start, x.device) if length > 1 else None)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        q = self.query(self.memory_norm(x)).view(split).transpose(1, 2)
        k, v = self._memory(memory, cache, index)
        mixed = attend(q, k, v, readable)
        x = x + self.memory_out(mixed.transpose(1, 2).reshape(batch, length, width))
        done: Tensor = x + self.feed(self.feed_norm(x))
        return done

    def _memory(self, memory: Tensor, cache: Cache | None, index: int) -> tuple[Tensor, Tensor]:
        known = cache.memory[index] if cache is not None else None
        if known is not None:
            return known
        batch, length, width = memory.shape
        k, v = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.memory_kv(memory).chunk(2, dim=-1)
        )
        if cache is not None:
            cache.memory[index] = (k, v)
        return k, v


class Decoder(nn.Module):
    """Token and feedback embeddings, layers, and output head."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        width = settings.width
        self.tokens = nn.Embedding(settings.vocabulary, width)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.feedback = nn.Linear(width, width)
        self.layers = nn.ModuleList([Layer(width, settings.heads) for _ in range(settings.decoder_layers)])
        self.norm = nn.LayerNorm(width)

    def forward(
        self, tokens: Tensor, seen: Tensor, memory: Tensor, mask: Tensor, cache: Cache | None = None
    ) -> Tensor:
        """Hidden states.

        Args:
            tokens: (B, T) ids.
            seen: What the state tokens carry back: mean object embedding at their positions,
                zeros elsewhere, (B, T, D).
            memory: Fused tokens, (B, M, D).
            mask: Which of them are there, (B, M).
            cache: Filled with this step; None in training.

        Returns:
            (B, T, D).
        """
        x = self.tokens(tokens) * memory.shape[-1] ** 0.5 * 0.5 + self.feedback(seen)
        readable = bias_of(mask[:, None, None])
        for index, layer in enumerate(self.layers):
            x = layer(x, memory, readable, cache, index)
        hidden: Tensor = self.norm(x)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits, (..., D) -> (..., V); the output head is the input table."""
        return F.linear(hidden, self.tokens.weight)
