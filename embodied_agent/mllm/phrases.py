"""Which words of a command name something: a label for each word, and phrases out of labels.

A phrase is then read by itself, as `find` will read it when the program runs. Among the words of
a long command the colour of one thing is easily given to another, all the more where training never
showed the right pair; a phrase that stands alone has no such neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embodied_agent.mllm.settings import ModelSettings

# A phrase that says all by itself, or one that the rest of the command completes ("everything").
LABELS = ("outside", "first", "inside", "first of a partial one")
OUTSIDE, FIRST, INSIDE, FIRST_PARTIAL = range(len(LABELS))


@dataclass(frozen=True)
class Spoken:
    """A phrase of a command.

    Attributes:
        start, end: First character, and the one after the last.
        alone: It says all of what is meant by itself.
    """

    start: int
    end: int
    alone: bool


class PhraseTagger(nn.Module):
    """Labels of fused word tokens."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Linear(settings.width, settings.width), nn.GELU(), nn.Linear(settings.width, len(LABELS))
        )

    def forward(self, words: Tensor) -> Tensor:
        """(B, L, D) -> logits (B, L, 4)."""
        labels: Tensor = self.mix(words)
        return labels.float()


def labels_of(spans: Sequence[Sequence[int]], places: Sequence[tuple[int, int]]) -> list[int]:
    """Label of each word piece.

    Args:
        spans: Of each phrase start, end, whether it stands alone, and what else is known of it.
        places: Of the whole word of each piece, see `WordReader.places`.
    """
    labels = [OUTSIDE] * len(places)
    for start, end, alone, *_ in spans:
        inside = [k for k, (low, high) in enumerate(places) if high > low and low < end and high > start]
        for k in inside:
            labels[k] = INSIDE
        if inside:
            labels[inside[0]] = FIRST if alone else FIRST_PARTIAL
    return labels


def phrases_of(logits: Tensor, places: Sequence[tuple[int, int]]) -> list[Spoken]:
    """Phrases out of the logits (L, 4) of one command, in the order of its words."""
    best: list[int] = torch.argmax(logits, dim=-1).tolist()
    phrases: list[Spoken] = []
    going, word = False, (0, 0)
    for label, place in zip(best, places, strict=False):
        same = place == word  # the pieces of a word share its fate, which the first decides
        word = place
        if same or place[1] <= place[0]:
            continue
        if label == OUTSIDE:
            going = False
        elif label == INSIDE and going:
            phrases[-1] = Spoken(phrases[-1].start, place[1], phrases[-1].alone)
        else:
            going = True
            phrases.append(Spoken(*place, alone=label != FIRST_PARTIAL))
    return phrases
