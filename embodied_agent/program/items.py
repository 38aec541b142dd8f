"""What grammar rules are made of, and random texts from them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

Ranges = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Text:
    """Exactly this text."""

    value: str


@dataclass(frozen=True)
class Chars:
    """Between `minimum` and `maximum` characters, each in one of the ranges (both ends included)."""

    ranges: Ranges
    minimum: int = 1
    maximum: int = 1


@dataclass(frozen=True)
class Ref:
    """Another rule; terminals have capital names."""

    name: str


@dataclass(frozen=True, init=False)
class Sequence:
    """One after the other."""

    items: tuple[Item, ...]

    def __init__(self, *items: Item) -> None:
        object.__setattr__(self, "items", items)


@dataclass(frozen=True, init=False)
class Choice:
    """One of these."""

    items: tuple[Item, ...]

    def __init__(self, *items: Item) -> None:
        object.__setattr__(self, "items", items)


@dataclass(frozen=True)
class Many:
    """Between `minimum` and `maximum` times; None = no bound."""

    item: Item
    minimum: int
    maximum: int | None


Item = Text | Chars | Ref | Sequence | Choice | Many


def maybe(item: Item) -> Many:
    """Once or not at all."""
    return Many(item, 0, 1)


def sampled(item: Item, rule: Callable[[str], Item], generator: random.Random, size: float) -> str:
    """A random text of an item.

    Args:
        item: Where to start.
        rule: Finds a rule by name.
        generator: Source of randomness.
        size: Mean number of repetitions above the minimum; halves with each one inside another.
    """
    if isinstance(item, Text):
        return item.value
    if isinstance(item, Ref):
        return sampled(rule(item.name), rule, generator, size)
    if isinstance(item, Sequence):
        return "".join(sampled(part, rule, generator, size) for part in item.items)
    if isinstance(item, Choice):
        return sampled(generator.choice(item.items), rule, generator, size)
    if isinstance(item, Chars):
        number = generator.randint(item.minimum, min(item.maximum, item.minimum + 8))
        return "".join(_character(item.ranges, generator) for _ in range(number))
    number = item.minimum
    while (item.maximum is None or number < item.maximum) and generator.random() < size / (1 + size):
        number += 1
    return "".join(sampled(item.item, rule, generator, size * 0.7) for _ in range(number))


def _character(ranges: Ranges, generator: random.Random) -> str:
    low, high = generator.choice(ranges)
    return chr(generator.randint(ord(low), ord(high)))
