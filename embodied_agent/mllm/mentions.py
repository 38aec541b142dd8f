"""Which grounded phrases may stand at a place of a program: what a call asks for, and what a name promises."""

from __future__ import annotations

import re
from collections.abc import Sequence

# `find` is given a description of one thing that was found, `find_all` and `count` one of several.
_ASKS = {
    "find": ("found",),
    "find_all": ("several",),
    "count": ("several",),
    "exists": ("found", "absent", "ambiguous"),
}
_OPEN = re.compile(r'(?:\b(\w+?)(?:_\d+)? = )?\b(find|find_all|exists|count)\("$')
_RELATION = re.compile(r" (?:left of|right of|in front of|behind|next to|on|in|from the|except) ")
_NAMES = {"object": "thing"}  # what a variable of that noun is called
WHOLE = ("find", "count", "exists")  # calls whose description is always a phrase of the command


def place_of(written: str) -> tuple[str, str]:
    """The call whose description begins where a text ends, and the variable's name; "" = none."""
    found = _OPEN.search(written)
    return (found.group(2), found.group(1) or "") if found else ("", "")


def fitting(call: str, name: str, phrases: Sequence[tuple[str, str]]) -> list[int]:
    """Numbers of the phrases that fit a place; where none does, all.

    Args:
        call, name: As `place_of` gives them; "" = nothing is asked.
        phrases: Words and state of each grounded phrase.
    """
    every = [number for number, (words, _) in enumerate(phrases) if words]
    if not call:
        return every
    asked = [number for number in every if phrases[number][1] in _ASKS[call]]
    named = [number for number in asked if not name or name == noun_of(phrases[number][0])]
    return named or asked or every


def noun_of(words: str) -> str:
    """What a variable that holds this description is called: "second cube from the back" -> "cube"."""
    noun = head_of(words).split()[-1:]
    return _NAMES.get(noun[0], noun[0]) if noun else ""


def head_of(words: str) -> str:
    """A description without its relation, exception and side: "second cube from the back" -> "second cube"."""
    return _RELATION.split(words)[0]


def singulars(noun: str) -> tuple[str, ...]:
    """What one thing of a noun may be called: "boxes" -> "boxes", "boxe", "box"."""
    return noun, noun.removesuffix("s"), noun.removesuffix("es")
