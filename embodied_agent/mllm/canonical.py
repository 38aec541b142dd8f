"""The one wording in which programs describe things, and what it says of names and places.

[ordinal or superlative] [size] [color] noun [from the side] [relation the ...] [except the ... and the ...]
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from embodied_agent.mllm.mentions import singulars
from embodied_agent.mllm.vocabulary import CATEGORIES, COLOR_INDEX, KINDS

_PARTS = ("drawer", "cupboard door", "button", "knob", "shelf", "cabinet", "cupboard")
RELATIONS = ("left of", "right of", "in front of", "behind", "next to")
SIZES = ("small", "large")
_RELATED = re.compile(rf"(.*?)(?: ({'|'.join(RELATIONS)}) the (.*))?$", re.DOTALL)
_NOUNS = "|".join(sorted((*KINDS, *CATEGORIES, *_PARTS), key=len, reverse=True))
_NOUN = (
    r"(?:(?:leftmost|rightmost|nearest|farthest|largest|smallest|top|bottom|second|third) )?"
    rf"(?:(?:{'|'.join(SIZES)}) )?(?:(?:{'|'.join(COLOR_INDEX)}) )?(?:{_NOUNS})(?:e?s)?"
    r"(?: from the (?:left|right|front|back))?"
)
_PLACED = rf"{_NOUN}(?: (?:{'|'.join((*RELATIONS, 'on', 'in'))}) the {_NOUN})*"
_CANONICAL = re.compile(rf"{_PLACED}(?: except the {_PLACED}(?: and the {_PLACED})*)?")


def is_canonical(words: str) -> bool:
    """Whether a phrase is said as programs say it; then there is nothing to be read out of it."""
    return _CANONICAL.fullmatch(words) is not None


@dataclass(frozen=True)
class Named:
    """What a description says of things by names, and by where they stand to others.

    Attributes:
        kinds: Names that fit.
        color: "" = any.
        size: "small" or "large" among things of that name; "" = any.
        plural: All that fit are meant.
        relation: To what `reference` names, one of `RELATIONS`; "" = none.
        but: What is left out of them.
    """

    kinds: tuple[str, ...]
    color: str
    size: str
    plural: bool
    relation: str = ""
    reference: Named | None = None
    but: tuple[Named, ...] = ()

    @property
    def is_placed(self) -> bool:
        """Whether it says where things stand."""
        return bool(self.relation) or any(other.is_placed for other in self.but)


def named_by(words: str) -> Named | None:
    """What a description says; None if that is more: a rank, what it lies in or on."""
    placed, _, left_out = words.partition(" except the ")
    head, relation, other = _RELATED.match(placed).groups("")  # type: ignore[union-attr]
    *before, noun = head.split() or [""]
    size = before.pop(0) if before and before[0] in SIZES else ""
    one = next((name for name in singulars(noun) if name in KINDS or name in CATEGORIES), "")
    if not one or len(before) > 1 or any(color not in COLOR_INDEX for color in before):
        return None
    reference = named_by(other) if relation else None
    but = [named_by(other) for other in left_out.split(" and the ")] if left_out else []
    known = tuple(other for other in but if other is not None)
    if len(known) < len(but) or bool(relation) != (reference is not None):
        return None
    return Named(CATEGORIES.get(one, (one,)), "".join(before), size, one != noun, relation, reference, known)
