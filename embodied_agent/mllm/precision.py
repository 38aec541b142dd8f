"""In which number format the network computes: bfloat16 where that is faster."""

from __future__ import annotations

from functools import cache

import torch


@cache
def has_bfloat16(kind: str) -> bool:
    """Whether devices of a kind ("cpu", "cuda") multiply in bfloat16.

    A processor without it imitates it, eight times slower than float32.
    """
    if kind != "cpu":
        return True
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported


def fast_precision(device: torch.device) -> torch.autocast:
    """Context in which matrices multiply in bfloat16 where the device does that in hardware, else in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device.type))
