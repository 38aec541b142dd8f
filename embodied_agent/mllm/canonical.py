"""The one wording in which programs describe things, as far as it says what by names alone.

[ordinal or superlative] [size] [color] noun [from the side] [relation the ...] [except the ... and the ...]
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from embodied_agent.mllm.mentions import singulars
from embodied_agent.mllm.vocabulary import CATEGORIES, COLOR_INDEX, KINDS

_PARTS = ("drawer", "cupboard door", "button", "knob", "shelf", "cabinet", "cupboard")
_NOUNS = "|".join(sorted((*KINDS, *CATEGORIES, *_PARTS), key=len, reverse=True))
_NOUN = (
    r"(?:(?:leftmost|rightmost|nearest|farthest|largest|smallest|top|bottom|second|third) )?"
    rf"(?:(?:small|large) )?(?:(?:{'|'.join(COLOR_INDEX)}) )?(?:{_NOUNS})(?:e?s)?"
    r"(?: from the (?:left|right|front|back))?"
)
_PLACED = rf"{_NOUN}(?: (?:left of|right of|in front of|behind|next to|on|in) the {_NOUN})*"
_CANONICAL = re.compile(rf"{_PLACED}(?: except the {_PLACED}(?: and the {_PLACED})*)?")


def is_canonical(words: str) -> bool:
    """Whether a phrase is said as programs say it; then there is nothing to be read out of it."""
    return _CANONICAL.fullmatch(words) is not None


@dataclass(frozen=True)
class Named:
    """What a description says of things by names alone.

    Attributes:
        kinds: Names that fit.
        color: "" = any.
        plural: All that fit are meant.
        but: What is left out of them.
    """

    kinds: tuple[str, ...]
    color: str
    plural: bool
    but: tuple[Named, ...] = ()


def named_by(words: str) -> Named | None:
    """What a description says; None if that is more than names: a size, a rank, a place."""
    head, _, left_out = words.partition(" except the ")
    *colors, noun = head.split() or [""]
    one = next((name for name in singulars(noun) if name in KINDS or name in CATEGORIES), "")
    if not one or len(colors) > 1 or any(color not in COLOR_INDEX for color in colors):
        return None
    but = [named_by(other) for other in left_out.split(" and the ")] if left_out else []
    known = tuple(other for other in but if other is not None)
    if len(known) < len(but):
        return None
    return Named(CATEGORIES.get(one, (one,)), "".join(colors), one != noun, known)
