"""Where matrices are multiplied in bfloat16."""

import pytest
import torch

from embodied_agent.mllm import precision
from embodied_agent.training.loop import Stage

CPU = torch.device("cpu")


def imitate(monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda kind: supported)
    monkeypatch.setattr("embodied_agent.training.loop.has_bfloat16", lambda kind: supported)


@pytest.mark.parametrize(("supported", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_used_only_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, supported: bool, expected: torch.dtype
) -> None:
    imitate(monkeypatch, supported)
    with precision.fast_precision(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected


def test_a_processor_without_it_is_asked_and_not_guessed() -> None:
    assert precision.has_bfloat16("cpu") == torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert precision.has_bfloat16("cuda")


@pytest.mark.parametrize(("supported", "count"), [(True, 2), (False, 1)])
def test_muon_which_always_computes_in_bfloat16_is_left_out_there_too(
    monkeypatch: pytest.MonkeyPatch, supported: bool, count: int
) -> None:
    imitate(monkeypatch, supported)
    block = torch.nn.Linear(4, 4)
    stage = Stage("write", 1.0, 1e-3, lambda step, progress: {}, (block,), (block,))
    assert len(stage.optimizers(CPU)) == count
