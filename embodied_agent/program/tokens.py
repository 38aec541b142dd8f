"""The grammar's terminals: strings, names that are not taken, numbers in their range."""

from __future__ import annotations

import math
from collections.abc import Callable

from embodied_agent.program.items import Chars, Choice, Item, Ranges, Sequence, Text, maybe

NAME_LENGTH = 24
_DIGIT: Ranges = (("0", "9"),)
# No quote, backslash, control or invisible character; a space may not come first.
_VISIBLE: Ranges = (("!", "!"), ("#", "["), ("]", "~"), ("\u00a1", "\u167f"), ("\u3001", "\ud7ff"))
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TAIL = _LETTERS + "0123456789_"
DECIMALS = 4


def string_item(length: int) -> Item:
    """A string in double quotes, of 1 to `length` characters."""
    inside: Ranges = ((" ", "!"), *_VISIBLE[1:])
    return Sequence(Text('"'), Chars(_VISIBLE), Chars(inside, 0, length - 1), Text('"'))


def name_item(excluded: frozenset[str]) -> Item:
    """A lower-case name of at most `NAME_LENGTH` characters that is none of the excluded words."""
    words = sorted(w for w in excluded if w and w[0] in _LETTERS and set(w) <= set(_TAIL))
    return _after("", words, _LETTERS)


def _after(prefix: str, words: list[str], alphabet: str) -> Item:
    """What may follow a prefix so that the whole is none of the words, all of which start with it."""
    branches: dict[str, list[str]] = {}
    for word in words:
        if len(word) > len(prefix):
            branches.setdefault(word[len(prefix)], []).append(word)
    options: list[Item] = []
    free = "".join(letter for letter in alphabet if letter not in branches)
    if len(prefix) < NAME_LENGTH and free:
        tail = Chars(ranges_of(_TAIL), 0, NAME_LENGTH - len(prefix) - 1)
        options.append(Sequence(Chars(ranges_of(free)), tail))
    for letter, longer in branches.items():
        options.append(Sequence(Text(letter), _after(prefix + letter, longer, _TAIL)))
    item: Item = Choice(*options) if len(options) > 1 else options[0]
    return item if not prefix or prefix in words else maybe(item)


def ranges_of(letters: str) -> Ranges:
    """The fewest ranges that hold exactly these letters."""
    ranges: list[tuple[str, str]] = []
    for letter in sorted(letters):
        if ranges and ord(letter) == ord(ranges[-1][1]) + 1:
            ranges[-1] = (ranges[-1][0], letter)
        else:
            ranges.append((letter, letter))
    return tuple(ranges)


def number_item(whole: bool, minimum: float | None, maximum: float | None) -> Item:
    """A number within a range, exactly: what the check would refuse cannot be written.

    Args:
        whole: Integers only.
        minimum, maximum: The closed range; None = 9999 either way. At most four decimals count.
    """
    low = -9999.0 if minimum is None else minimum
    high = 9999.0 if maximum is None else maximum
    options: list[Item] = []
    if high >= 0:
        options.append(_magnitude(whole, max(low, 0.0), high))
    if low < 0:
        options.append(Sequence(Text("-"), _magnitude(whole, max(-high, 0.0), -low)))
    return _one_of(options)


def _one_of(options: list[Item]) -> Item:
    return options[0] if len(options) == 1 else Choice(*options)


def _magnitude(whole: bool, low: float, high: float) -> Item:
    """A number without sign, from `low` to `high`."""
    if whole:
        return _one_of(_integers(math.ceil(low), math.floor(high)))
    first, above = _decimal(math.ceil, low)
    last, below = _decimal(math.floor, high)
    if first == last:
        return Sequence(Text(first), _fraction(above, below))
    options: list[Item] = [Sequence(Text(first), _fraction(above, None))]
    options += [Sequence(item, _fraction(None, None)) for item in _integers(int(first) + 1, int(last) - 1)]
    return Choice(*options, Sequence(Text(last), _fraction(None, below)))


def _decimal(rounded: Callable[[float], int], value: float) -> tuple[str, str]:
    """The digits before and after the point, rounded so that the range does not grow."""
    whole, after = divmod(rounded(round(value * 10**DECIMALS, 6)), 10**DECIMALS)
    return str(whole), f"{after:0{DECIMALS}}"


def _integers(first: int, last: int) -> list[Item]:
    """Whole numbers from `first` to `last`: one item for each number of digits."""
    found = []
    for length in range(len(str(first)), len(str(last)) + 1):
        low, high = max(first, 10 ** (length - 1) if length > 1 else 0), min(last, 10**length - 1)
        if low <= high and (item := _digits(str(low), str(high), length, fixed=True)) is not None:
            found.append(item)
    return found


def _fraction(low: str | None, high: str | None) -> Item:
    """What follows a whole number: a point and decimals between two bounds; None = no bound."""
    decimals = _digits(low, high, DECIMALS, fixed=False, first=True)
    if decimals is None:
        return Text("")
    item = Sequence(Text("."), decimals)
    return item if low is not None and low.strip("0") else maybe(item)


def _digits(low: str | None, high: str | None, left: int, *, fixed: bool, first: bool = False) -> Item | None:
    """`left` digits (at most, unless `fixed`) that compare between two digit strings; None = there are none."""
    low = low if low and low.strip("0") else None  # zeros and nines bound nothing
    high = high if high and high.strip("9") else None
    if low is None and high is None:
        least = left if fixed else int(first)
        return Chars(_DIGIT, least, left) if left else None
    may_stop = not fixed and not first and not (low or "").strip("0")
    if left == 0:
        return None
    free = ""
    options: list[Item] = []
    for digit in "0123456789":
        if (low is not None and digit < low[0]) or (high is not None and digit > high[0]):
            continue
        on_low, on_high = low is not None and digit == low[0], high is not None and digit == high[0]
        if not on_low and not on_high:
            free += digit
            continue
        after_low, after_high = low[1:] if low and on_low else None, high[1:] if high and on_high else None
        after = _digits(after_low, after_high, left - 1, fixed=fixed)
        options.append(Text(digit) if after is None else Sequence(Text(digit), after))
    if free:
        rest = Chars(_DIGIT, left - 1 if fixed else 0, left - 1)
        options.append(Sequence(Chars(ranges_of(free)), rest) if left > 1 else Chars(ranges_of(free)))
    item = _one_of(options)
    return maybe(item) if may_stop else item
