"""Which words of a command are a condition and its branches; each is then written by itself.

"Unless there is a bin, A, in which case B" turns its branches round, and a long command mixes their
things. Said as "if there is a bin, B", and A by itself, either is as easily written as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embodied_agent.mllm.faults import declines
from embodied_agent.mllm.settings import ModelSettings

CLAUSES = ("outside", "if", "1", "2")  # none of them, the condition, what then, what otherwise
OUTSIDE, IF, THEN, OTHERWISE = range(len(CLAUSES))
WIDTH, LAYERS, DROPOUT = 192, 3, 0.1  # of the tagger
SHREDS = 0.4  # mean surprise at a word's label, beyond which clauses are a guess (99 % of right cuts: below 0.36)
_INDENT = "    "


@dataclass(frozen=True)
class Conditional:
    """A command that depends on something.

    Attributes:
        condition, then: Its words.
        otherwise: What to do else; "" = nothing.
    """

    condition: str
    then: str
    otherwise: str

    @property
    def plain(self) -> str:
        """The condition and what to do then, in the plainest order."""
        return f"if {self.condition}, {self.then}"


class ClauseTagger(nn.Module):
    """Labels of words as the frozen sentence encoder gives them: how a sentence is built needs no scene."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.narrow = nn.Linear(2 * settings.word_width, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, 4, 2 * WIDTH, dropout=DROPOUT, batch_first=True, norm_first=True, activation="gelu"
        )
        self.among = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.name = nn.Linear(WIDTH, len(CLAUSES))

    def forward(self, words: Tensor, spoken: Tensor) -> Tensor:
        """(B, L, 768), which are there (B, L) bool -> logits (B, L, 4)."""
        labels: Tensor = self.name(self.among(self.narrow(words), src_key_padding_mask=~spoken))
        return labels.float()


def clause_labels(spans: Mapping[str, Sequence[int]], places: Sequence[tuple[int, int]]) -> list[int]:
    """Label of each word piece.

    Args:
        spans: First character of each clause, and the one after its last.
        places: Of the whole word of each piece, see `WordReader.places`.
    """
    labels = [OUTSIDE] * len(places)
    for name, (start, end) in spans.items():
        for k, (low, high) in enumerate(places):
            if high > low and low < end and high > start:
                labels[k] = CLAUSES.index(name)
    return labels


def conditional_of(text: str, logits: Tensor, places: Sequence[tuple[int, int]]) -> Conditional | None:
    """The clauses of a command out of the logits (L, 4) of its words; None if it has none, or only in shreds."""
    pieces: dict[tuple[int, int], list[Tensor]] = {}
    for place, row in zip(places, logits.log_softmax(-1), strict=False):
        if place[1] > place[0]:
            pieces.setdefault(place, []).append(row)
    words = sorted(pieces)
    likely = np.array([torch.stack(pieces[word]).mean(0).tolist() for word in words])
    labels = best_labels(likely) if words else []
    if -sum(likely[k, label] for k, label in enumerate(labels)) > SHREDS * len(words):
        return None
    found = ["", "", ""]
    for clause in (IF, THEN, OTHERWISE):
        own = [word for word, label in zip(words, labels, strict=True) if label == clause]
        if own:
            found[clause - 1] = text[own[0][0] : own[-1][1]]
    return Conditional(*found) if found[0] else None


def best_labels(likely: NDArray[np.float64]) -> list[int]:
    """The likeliest labels of words in which every clause is one piece (Viterbi 1967).

    Args:
        likely: Logarithms of the probabilities, (n, 4).

    Returns:
        A condition and what to do then, with or without what else; or all are outside.
    """
    paths: dict[tuple[int, frozenset[int]], tuple[float, tuple[int, ...]]] = {(OUTSIDE, frozenset()): (0.0, ())}
    for row in likely:
        longer: dict[tuple[int, frozenset[int]], tuple[float, tuple[int, ...]]] = {}
        for (label, done), (score, path) in paths.items():
            for following in range(len(CLAUSES)):
                if following not in (OUTSIDE, label) and following in done:
                    continue
                state = following, done | ({following} - {OUTSIDE})
                reached = score + float(row[following]), (*path, following)
                longer[state] = max(longer.get(state, reached), reached)
        paths = longer
    whole = [path for (_, done), path in paths.items() if not done or {IF, THEN} <= done]
    return list(max(whole)[1])


def joined(plain: str, then: str, otherwise: str) -> str | None:
    """One program out of those of a plain conditional and of its branches; None where it has no one condition.

    Args:
        plain: Of the condition and what to do then; its condition is taken.
        then: Of what to do then, by itself; where that is declined, it speaks of the condition's things
            ("put it in the bowl"), and what `plain` does is taken.
        otherwise: Of what to do else; "" = nothing. What is declined is declined when it comes to that.
    """
    lines = plain.splitlines()
    asked = [k for k, line in enumerate(lines) if line.startswith(f"{_INDENT}if ") and line.endswith(":")]
    if declines(plain) or len(asked) != 1:
        return None
    program = lines if declines(then) else [*lines[: asked[0] + 1], *_inside(then)]
    if otherwise:
        program += [f"{_INDENT}else:", *_inside(otherwise)]
    return "\n".join(takewhile(bool, program)) + "\n"


def _inside(program: str) -> list[str]:
    """The lines of a task, one level deeper."""
    body = program.splitlines()[1:]
    return [_INDENT + line for line in takewhile(bool, body)]
