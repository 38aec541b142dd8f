"""Sentences as pieces, so that every phrase that names something is known to the letter."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

TYPO = 0.12  # share of commands with one or two slips of the keyboard


@dataclass(frozen=True)
class Ref:
    """A phrase, and what it means.

    Attributes:
        phrase: As written.
        canonical: The description that a program would pass to `find`; "" = a clicked point.
        ids: Things meant; () = none in the scene.
        alone: The phrase by itself says all of it; else the rest of the sentence is needed.
    """

    phrase: str
    canonical: str
    ids: tuple[str, ...]
    alone: bool = True


Piece = str | Ref
Pieces = tuple[Piece, ...]


def fill(template: str, slots: Mapping[str, Pieces]) -> Pieces:
    """A template with its slots filled; `{}` is the slot named ""."""
    return tuple(piece for _, pieces in _parts(template, slots) for piece in pieces)


def owners(template: str, slots: Mapping[str, Pieces]) -> tuple[str, ...]:
    """Which slot each piece that `fill` gives comes from; "" = the template itself."""
    return tuple(name for name, pieces in _parts(template, slots) for _ in pieces)


def _parts(template: str, slots: Mapping[str, Pieces]) -> Iterator[tuple[str, Pieces]]:
    """Slot and pieces of each part of a template, in order."""
    for index, part in enumerate(re.split(r"\{(\w*)\}", template)):
        if index % 2:
            yield part, slots[part]
        elif part:
            yield "", (part,)


def spans_of(pieces: Pieces, owned: Sequence[str]) -> dict[str, tuple[int, int]]:
    """First character of each owner's words in the text, and the one after its last."""
    spans: dict[str, tuple[int, int]] = {}
    place = 0
    for piece, owner in zip(pieces, owned, strict=False):  # a final mark has no owner
        end = place + len(text_of((piece,)))
        if owner:
            spans[owner] = (spans.get(owner, (place, end))[0], end)
        place = end
    return spans


def text_of(pieces: Pieces) -> str:
    """The plain text."""
    return "".join(piece if isinstance(piece, str) else piece.phrase for piece in pieces)


def refs_of(pieces: Pieces) -> tuple[Ref, ...]:
    """The phrases that name something, in order."""
    return tuple(piece for piece in pieces if isinstance(piece, Ref))


def polish(pieces: Pieces, rng: random.Random) -> Pieces:
    """Typos, a capital, a final mark: as people type."""
    if rng.random() < TYPO:
        for _ in range(rng.choice((1, 1, 2))):
            place = rng.randrange(len(pieces))
            pieces = (*pieces[:place], _changed(pieces[place], lambda t: typo(t, rng)), *pieces[place + 1 :])
    chance = rng.random()
    if chance < 0.45:
        pieces = (_changed(pieces[0], lambda t: t[:1].upper() + t[1:]), *pieces[1:])
    elif chance < 0.47:
        pieces = tuple(_changed(piece, str.upper) for piece in pieces)
    if rng.random() < 0.35:
        mark = rng.choice((".", ".", ".", "!"))
        if text_of(pieces)[-1] not in ".!?":
            pieces = (*pieces, mark)
    return pieces


def _changed(piece: Piece, change: object) -> Piece:
    assert callable(change)
    if isinstance(piece, str):
        return str(change(piece))
    return replace(piece, phrase=str(change(piece.phrase)))


def typo(text: str, rng: random.Random) -> str:
    """The text with one word of five letters or more misspelt, if it has one."""
    spans = [match.span() for match in re.finditer(r"[a-zA-Z]{5,}", text)]
    if not spans:
        return text
    start, end = rng.choice(spans)
    word = text[start:end]
    i = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        word = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    elif kind == 1:
        word = word[:i] + word[i + 1 :]
    else:
        word = word[:i] + word[i] + word[i:]
    return text[:start] + word + text[end:]
