"""Attention written out gives what torch's own gives."""

import pytest
import torch
from torch.nn import functional as F

from embodied_agent.mllm.attention import attend, bias_of, causal_bias


def heads(length: int, seed: int) -> torch.Tensor:
    return torch.randn(2, 4, length, 8, generator=torch.Generator().manual_seed(seed))


def test_attention_agrees_with_torch() -> None:
    q, k, v = heads(5, 0), heads(7, 1), heads(7, 2)
    assert torch.allclose(attend(q, k, v), F.scaled_dot_product_attention(q, k, v), atol=1e-6)


def test_what_may_not_be_read_changes_nothing() -> None:
    q, k, v = heads(5, 0), heads(7, 1), heads(7, 2)
    allowed = torch.tensor([True] * 4 + [False] * 3)[None, None, None]
    assert torch.allclose(attend(q, k, v, bias_of(allowed)), attend(q, k[:, :, :4], v[:, :, :4]), atol=1e-6)


@pytest.mark.parametrize("past", [0, 3])
def test_a_new_place_reads_the_past_and_itself_only(past: int) -> None:
    q, k, v = heads(4, 0), heads(4 + past, 1), heads(4 + past, 2)
    together = attend(q, k, v, causal_bias(4, past, q.device))
    for place in range(4):
        seen = past + place + 1
        one = attend(q[:, :, place : place + 1], k[:, :, :seen], v[:, :, :seen])
        assert torch.allclose(together[:, :, place : place + 1], one, atol=1e-6)


def test_an_empty_memory_gives_numbers() -> None:
    q, k, v = heads(2, 0), heads(3, 1), heads(3, 2)
    nothing = bias_of(torch.zeros(1, 1, 1, 3, dtype=torch.bool))
    assert torch.isfinite(attend(q, k, v, nothing)).all()
