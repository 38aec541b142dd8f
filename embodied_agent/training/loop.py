"""One training stage: a loop against the clock that can stop and go on at any minute."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from embodied_agent.mllm.precision import fast_precision, has_bfloat16

Batch = TypeVar("Batch")
SAVE_EVERY = 60.0  # [s]
_WARM_UP = 0.03


@dataclass(frozen=True)
class Stage:
    """What differs between stages.

    Attributes:
        name: Of its checkpoint and its curve.
        minutes: Budget, which the learning rate follows. On CPUs it is processor time divided by
            the number of threads: other work on the machine makes a stage later, not worse.
        rate: Highest learning rate.
        step: (step number, progress 0..1) -> the parts of the loss of one fresh batch.
        parts: Modules that are trained.
        blocks: Those of their parts whose matrices Muon updates (Jordan et al. 2024): on two cores
            it takes the language stages as far in two thirds of AdamW's time. AdamW has the rest.
    """

    name: str
    minutes: float
    rate: float
    step: Callable[[int, float], dict[str, Tensor]]
    parts: tuple[nn.Module, ...]
    blocks: tuple[nn.Module, ...] = ()

    def optimizers(self, device: torch.device) -> list[torch.optim.Optimizer]:
        """Fresh ones for all weights. Muon computes in bfloat16 whatever it is given."""
        blocks = self.blocks if has_bfloat16(device.type) else ()
        matrices = [value for block in blocks for value in block.parameters() if value.ndim == 2]
        taken = {id(value) for value in matrices}
        rest = [value for part in self.parts for value in part.parameters() if id(value) not in taken]
        adam = torch.optim.AdamW(rest, lr=self.rate, betas=(0.9, 0.98), weight_decay=0.02)
        if not matrices:
            return [adam]
        muon = torch.optim.Muon(
            matrices, lr=self.rate, weight_decay=0.02, momentum=0.95, adjust_lr_fn="match_rms_adamw"
        )
        return [adam, muon]


class Average:
    """Running average of the weights: steadier than the last step's."""

    def __init__(self, module: nn.Module) -> None:
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    def update(self, module: nn.Module, step: int) -> None:
        """Move towards the module's weights, fast at first."""
        keep = min(0.999, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in module.state_dict().items():
                if value.is_floating_point():
                    self.state[name].lerp_(value.detach(), 1 - keep)
                else:
                    self.state[name].copy_(value)


def learning_rate(progress: float, highest: float) -> float:
    """Short warm-up, then a cosine to 2 %."""
    if progress < _WARM_UP:
        return highest * max(progress / _WARM_UP, 0.02)
    fall = (progress - _WARM_UP) / (1 - _WARM_UP)
    return highest * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(fall, 1.0))))


@contextmanager
def drawn_ahead(draw: Callable[[], Batch]) -> Iterator[Callable[[], Batch]]:
    """Batches of which the next is drawn in a thread while the last is learnt from."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(draw)

        def take() -> Batch:
            nonlocal waiting
            batch = waiting.result()
            waiting = pool.submit(draw)
            return batch

        yield take


def run_stage(stage: Stage, network: nn.Module, directory: Path, device: torch.device) -> list[dict[str, float]]:
    """Train until the budget is used; resume from the stage's checkpoint if there is one.

    The network ends with the averaged weights.

    Returns:
        The curve: one row of mean losses for each 15 seconds.
    """
    path = directory / f"{stage.name}.pt"
    weights = [value for part in stage.parts for value in part.parameters()]
    optimizers = stage.optimizers(device)
    average = Average(network)
    step, used, curve = 0, 0.0, []
    if path.is_file():
        saved = torch.load(path, map_location=device, weights_only=True)
        network.load_state_dict(saved["network"])
        average.state = saved["average"]
        step, used, curve = saved["step"], saved["used"], saved["curve"]
        if not saved["done"] and len(saved["optimizers"]) == len(optimizers):  # else of another machine
            for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
                optimizer.load_state_dict(state)
    budget = stage.minutes * 60
    sums: dict[str, float] = {}
    counted, last_save, last_row = 0, used, used
    with _progress() as progress:
        task = progress.add_task(stage.name, total=budget, completed=int(used), note="")
        while used < budget:
            start = _clock(device)
            for group in (group for optimizer in optimizers for group in optimizer.param_groups):
                group["lr"] = learning_rate(used / budget, stage.rate)
            with fast_precision(device):
                parts = stage.step(step, used / budget)
            loss = torch.stack(list(parts.values())).sum()
            step += 1
            if not torch.isfinite(loss):
                used += _clock(device) - start
                continue
            _descend(loss, weights, optimizers)
            average.update(network, step - 1)
            used += _clock(device) - start
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
            counted += 1
            if used - last_row >= 15 or used >= budget:
                row = {"step": float(step), "seconds": used} | {k: v / counted for k, v in sums.items()}
                curve.append(row)
                note = " ".join(f"{k} {v / counted:.3f}" for k, v in sums.items())
                progress.update(task, completed=used, note=f"step {step} {note}")
                if not progress.console.is_terminal:
                    line = f"{stage.name} {used:.0f}/{budget:.0f} s step {step} {note}"
                    progress.console.print(line, soft_wrap=True)
                sums, counted, last_row = {}, 0, used
            if used - last_save >= SAVE_EVERY:
                _save(path, network, average, optimizers, step, used, curve, done=False)
                last_save = used
    network.load_state_dict(average.state)
    _save(path, network, average, optimizers, step, used, curve, done=True)
    return curve


def _descend(loss: Tensor, weights: list[nn.Parameter], optimizers: list[torch.optim.Optimizer]) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(weights, 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _clock(device: torch.device) -> float:
    """[s]; only differences mean something."""
    if device.type == "cpu":
        return time.process_time() / torch.get_num_threads()
    return time.monotonic()


def _save(
    path: Path,
    network: nn.Module,
    average: Average,
    optimizers: list[torch.optim.Optimizer],
    step: int,
    used: float,
    curve: list[dict[str, float]],
    done: bool,
) -> None:
    state = {
        "network": network.state_dict(), "average": average.state,
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "step": step, "used": used, "curve": curve, "done": done,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"), console=Console(stderr=True),
    )  # fmt: skip
