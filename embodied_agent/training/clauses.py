"""Commands whose words are labelled as condition and branches: how a sentence is built needs no picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from embodied_agent.mllm.clauses import ClauseTagger, clause_labels
from embodied_agent.mllm.language import SentenceEncoder, WordReader

EXCHANGED = 0.5  # share of the conditionals that get the clauses of others: templates are few, clauses many
_IGNORED = -100


@dataclass(frozen=True)
class Clauses:
    """A command and where its clauses stand in it, see `commands.draw.Example.clauses`."""

    command: str
    spans: Mapping[str, Sequence[int]]

    @staticmethod
    def of(record: Mapping[str, Any]) -> Clauses:
        """Out of a record of the data set."""
        return Clauses(record["command"], record["clauses"])

    def said(self, name: str) -> str:
        """The words of a clause; "" = it has none."""
        start, end = self.spans.get(name, (0, 0))
        return self.command[start:end]

    def with_clauses_of(self, other: Clauses) -> Clauses:
        """The same sentence around the clauses of another one, as far as that has them."""
        text, spans, done = "", {}, 0
        for name, (start, end) in sorted(self.spans.items(), key=lambda item: item[1][0]):
            text += self.command[done:start]
            words = other.said(name) or self.said(name)
            spans[name] = (len(text), len(text) + len(words))
            text, done = text + words, end
        return Clauses(text + self.command[done:], spans)


@dataclass(frozen=True)
class ClauseBatch:
    """Commands as tensors.

    Attributes:
        words: Tokens of the sentence encoder, (B, L, 768).
        spoken: Which of them are there, (B, L) bool.
        labels: See `mllm.clauses.CLAUSES`, (B, L); -100 = no word.
    """

    words: Tensor
    spoken: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> ClauseBatch:
        """The same on another device."""
        return ClauseBatch(self.words.to(device), self.spoken.to(device), self.labels.to(device))


def draw_clauses(
    conditionals: Sequence[Clauses], others: Sequence[Clauses], count: int, rng: Generator
) -> list[Clauses]:
    """Commands to learn from, short ones first: two of three are conditionals, the rest is anything else."""
    drawn = []
    for _ in range(count):
        pool = conditionals if conditionals and (not others or rng.random() < 2 / 3) else others
        chosen = pool[int(rng.integers(len(pool)))]
        if chosen.spans and rng.random() < EXCHANGED:
            chosen = chosen.with_clauses_of(conditionals[int(rng.integers(len(conditionals)))])
        drawn.append(chosen)
    return sorted(drawn, key=lambda item: len(item.command))


def clause_batch(
    examples: Sequence[Clauses], sentences: SentenceEncoder, reader: WordReader, device: torch.device
) -> ClauseBatch:
    """Encode commands of like length."""
    words = reader.read([example.command for example in examples])
    labels = np.full(words.pieces.shape, _IGNORED, dtype=np.int64)
    for row, example in enumerate(examples):
        places = reader.places(example.command)
        labels[row, : len(places)] = clause_labels(example.spans, places)
    tokens = sentences(words.pieces.to(device))
    return ClauseBatch(tokens, words.pieces != 0, torch.from_numpy(labels)).to(device)


def clause_loss(tagger: ClauseTagger, batch: ClauseBatch) -> dict[str, Tensor]:
    """Cross entropy of the labels."""
    logits = tagger(batch.words, batch.spoken)
    return {"clauses": F.cross_entropy(logits.transpose(1, 2), batch.labels, ignore_index=_IGNORED)}
