"""Numbers of a program that its command does not hold.

A writer copies words well and numbers badly: "12 centimetres" became 0.2 m with all confidence. A
number that acts must have been said, in some unit; what it is for, the model decides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

_WORDS = {word: float(number) for number, word in enumerate(
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
)}  # fmt: skip
_SAID = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?|\.\d+)(?!\d|\.\d|\s?(?:st|nd|rd|th)\b)|\b([a-z]+)\b")
_PERCENT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?(?:%|percent\b|per cent\b)")
_SHARE = re.compile(r"\bto=(\d+(?:\.\d+)?)")
_NEAR = 1e-3


def _length(said: float) -> tuple[float, ...]:
    return said, said / 100, said / 1000


def _angle(said: float) -> tuple[float, ...]:
    return said, round(math.radians(said), 2)


def _itself(said: float) -> tuple[float, ...]:
    return (said,)


# What is asked of a number where it stands, and what a number that was said may come to there.
_ASKED: tuple[tuple[re.Pattern[str], Callable[[float], tuple[float, ...]]], ...] = (
    (re.compile(r"\bdistance=(\d+(?:\.\d+)?)"), _length),
    (re.compile(r"\bangle=-?(\d+(?:\.\d+)?)"), _angle),
    (re.compile(r"\bseconds=(\d+(?:\.\d+)?)"), _itself),
    (re.compile(r"\) (?:[<>=!]=|[<>]) (\d+)"), _itself),
)


def numbers_in(command: str) -> tuple[float, ...]:
    """The numbers that a command holds, in figures or words, but the ordinal ones."""
    found = []
    for match in _SAID.finditer(command.lower()):
        if match[1]:
            found.append(float(match[1]))
        elif match[2] in _WORDS:
            found.append(_WORDS[match[2]])
    return tuple(found)


def unsaid_numbers(program: str, command: str) -> Iterator[tuple[int, str]]:
    """Where a program's numbers end that were not said, and why that is wrong.

    A command without any number says nothing against one: "halfway", "a quarter turn".
    """
    shares = [float(match[1]) / 100 for match in _PERCENT.finditer(command.lower())]
    for match in _SHARE.finditer(program) if shares else ():  # others are words: "two thirds", "a crack"
        if not any(abs(float(match[1]) - share) < _NEAR for share in shares):
            yield match.end(), f"nobody said {match[1]}"
    said = numbers_in(command)
    for pattern, readings in _ASKED:
        for match in pattern.finditer(program) if said else ():
            value = float(match[1])
            if not any(abs(value - reading) < _NEAR for number in said for reading in readings(number)):
                yield match.end(), f"nobody said {match[1]}"
