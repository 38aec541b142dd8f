"""Who may see what: training, validation and evaluation are apart by construction.

A template, a description by use, and a whole sentence belong to the one split that their text
hashes to. Pairs of colour and kind are dealt out by a fixed rule. Scenes come from generators that
are seeded with the split's name.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from functools import cache

from sim.dimensions import COLORS, KINDS, colors_of

SPLITS = ("train", "validation", "evaluation")
_SHARES = (70, 80)  # [%] below the first: train; below the second: validation; else evaluation


@cache
def split_of(text: str) -> str:
    """The split that a template or a fixed phrase belongs to."""
    percent = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 100
    return SPLITS[sum(percent >= share for share in _SHARES)]


@cache
def of_split(texts: tuple[str, ...], split: str) -> tuple[str, ...]:
    """Those of `texts` that belong to a split.

    A list too short to leave every split something is dealt out in turn instead of by hash, so
    that the parts stay disjoint and none is empty.
    """
    parts = {name: tuple(text for text in texts if split_of(text) == name) for name in SPLITS}
    if all(parts.values()):
        return parts[split]
    ordered = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())
    order = ("train", "evaluation", "validation", "train", "train")
    return tuple(text for i, text in enumerate(ordered) if order[i % 5] == split)


@cache
def pairs(split: str) -> frozenset[tuple[str, str]]:
    """Pairs (colour, kind) that a split may show or name.

    A kind with all eight colours gives two to evaluation alone and one to validation, other ones
    for each kind; the other five are for training, and validation may show them too. Fruits have
    too few colours to divide: all splits share them.
    """
    result = set()
    for index, kind in enumerate(KINDS):
        colors = colors_of(kind)
        for place, color in enumerate(colors):
            owner = "train"
            if len(colors) == len(COLORS):
                turn = (place - 3 * index + 1) % len(colors)
                owner = "evaluation" if turn in (0, 5) else "validation" if turn == 2 else "train"
            seen = owner == split or (split == "validation" and owner == "train")
            if seen or len(colors) < len(COLORS):
                result.add((color, kind))
    return frozenset(result)


def colors_for(kind: str, split: str) -> tuple[str, ...]:
    """Colours in which a split shows a kind."""
    return tuple(color for color in colors_of(kind) if (color, kind) in pairs(split))


def generator(split: str, seed: int, purpose: str) -> random.Random:
    """A random generator that no other split, seed or purpose shares."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}, known: {', '.join(SPLITS)}")
    return random.Random(f"{split}/{purpose}/{seed}")


@cache
def expand(pattern: str) -> tuple[str, ...]:
    """All texts of a pattern: "(put|place) {a} (in|into) {b}" gives four. Groups do not nest."""
    match = re.search(r"\(([^()]*)\)", pattern)
    if match is None:
        return (" ".join(pattern.split()).replace(" 'd", "'d"),)
    found: list[str] = []
    for option in match[1].split("|"):
        found += expand(pattern[: match.start()] + option + pattern[match.end() :])
    return tuple(dict.fromkeys(found))


def expand_all(patterns: Sequence[str]) -> tuple[str, ...]:
    """All texts of several patterns, without repetitions."""
    return tuple(dict.fromkeys(text for pattern in patterns for text in expand(pattern)))
