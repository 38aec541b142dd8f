"""What the language stages learn from next: commands and queries, in batches of like length."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from embodied_agent.mllm.settings import ModelSettings
from embodied_agent.training.imagine import imagine_situation
from embodied_agent.training.sequences import Example
from embodied_agent.training.situations import Situation, plan_example, query_examples

_CUT = 0.6  # share of programs of which only the beginning is learnt: it holds most of what must be understood


def draw_examples(
    situations: list[Situation],
    imagined: list[dict[str, Any]],
    plans: int,
    queries: int,
    settings: ModelSettings,
    rng: np.random.Generator,
) -> list[Example]:
    """Commands and queries from seen and imagined scenes."""
    with_command = [item for item in situations if item.episode is not None]

    def one(pool: list[Situation], share: float) -> Situation:
        if imagined and (not pool or rng.random() < share):
            return imagine_situation(imagined[int(rng.integers(len(imagined)))], settings, rng)
        return pool[int(rng.integers(len(pool)))]

    examples: list[Example] = []
    while len(examples) < plans:
        example = plan_example(one(with_command, 0.65), rng)
        if example is not None:
            examples.append(example)
    while len(examples) < plans + queries:
        examples += query_examples(one(situations, 0.35), 4, rng)
    return examples[: plans + queries]


def cut_short(example: Example, rng: np.random.Generator) -> Example:
    """Most programs without their end: the rest follows from the beginning, and costs as much."""
    return replace(example, until=int(rng.integers(4, 28))) if rng.random() < _CUT else example


def batches_of_like_length(examples: list[Example], size: int) -> list[list[Example]]:
    """Batches whose programs, then commands, are of like length: half would be padding otherwise."""
    examples = sorted(examples, key=lambda item: min(len(item.program), 4 * item.until or 10**6))
    batches: list[list[Example]] = []
    for start in range(0, len(examples), 4 * size):
        group = sorted(examples[start : start + 4 * size], key=lambda item: len(item.words))
        batches += [group[i : i + size] for i in range(0, len(group), size)]
    return batches
