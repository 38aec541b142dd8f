"""Commands whose words are labelled as condition and branches: how a sentence is built needs no picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
_GROUP = 4  # batches drawn at once, to sort by length
_FRESH = 5  # of so many batches one is encoded, which costs three steps; the rest are seen again


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
    drawn: list[Clauses] = []
    while len(drawn) < count:
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


def clause_batches(
    records: Sequence[Mapping[str, Any]],
    size: int,
    sentences: SentenceEncoder,
    reader: WordReader,
    device: torch.device,
    rng: Generator,
) -> Callable[[], ClauseBatch]:
    """What to learn from next, without end.

    Args:
        records: Of the data set.
        size: Commands of a batch.
    """
    known = [Clauses.of(record) for record in records]
    conditionals, others = ([item for item in known if bool(item.spans) is wanted] for wanted in (True, False))
    waiting: list[list[Clauses]] = []
    encoded: list[ClauseBatch] = []
    drawn = 0

    def following() -> ClauseBatch:
        nonlocal drawn
        drawn += 1
        if drawn % _FRESH and len(encoded) >= _GROUP:
            return encoded[int(rng.integers(len(encoded)))]
        if not waiting:
            examples = draw_clauses(conditionals, others, _GROUP * size, rng)
            waiting.extend(examples[k : k + size] for k in range(0, len(examples), size))
        encoded.append(clause_batch(waiting.pop(), sentences, reader, device))
        return encoded[-1]

    return following
