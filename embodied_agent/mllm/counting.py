"""The rank of a thing, counted: "second from the left", "nearest" among those that fit in all else.

What fits is for the pointer to say; which of four is the second from the left is not a matter of
experience. Ranks of size stay with the pointer, which has learnt how sizes are mismeasured.
"""

from __future__ import annotations

import re

from torch import Tensor

FITS = 0.5  # share from which on a thing counts as fitting
APART = 0.01  # [m] between two ranks that can be told apart
_RANKS = ("first", "second", "third")
_X, _Y = 0, 1  # columns of the places
# Coordinate and sign by which the first comes first.
_SIDES = {"left": (_Y, -1.0), "right": (_Y, 1.0), "front": (_X, 1.0), "back": (_X, -1.0)}
_SUPERLATIVES = {
    "leftmost": _SIDES["left"], "rightmost": _SIDES["right"], "nearest": _SIDES["front"],
    "farthest": _SIDES["back"],
}  # fmt: skip
_RANKED = re.compile(rf"^({'|'.join(_RANKS)}) .* from the ({'|'.join(_SIDES)})$")

_ROW = re.compile(
    rf"^(?:(?:{'|'.join(_SUPERLATIVES)}) (?P<most>.*)|"
    rf"(?:{'|'.join(_RANKS)}) (?P<some>.*?) from the (?:{'|'.join(_SIDES)})(?P<more>.*))$"
)


def unranked(words: str) -> str:
    """A description without its rank in a row; "" if it has none."""
    found = _ROW.match(words)
    return "".join(part or "" for part in found.group("most", "some", "more")) if found else ""


def ranked(words: str, fitting: Tensor, places: Tensor) -> int | None:
    """The thing of the rank that a description names; None = it names none, or it cannot be told.

    Args:
        words: Canonical description, as the model wrote it.
        fitting: Share with which each thing fits in all but rank, (N,).
        places: Where they are, x first, then y [m], (N, 7).
    """
    rank, by = 0, _SUPERLATIVES.get(words.split(" ")[0])
    found = _RANKED.match(words)
    if found is not None:
        rank, by = _RANKS.index(found[1]), _SIDES[found[2]]
    among = (fitting > FITS).nonzero()[:, 0].tolist()
    if by is None or len(among) <= rank:
        return None
    column, sign = by
    values = places[:, column] * sign
    order = sorted(among, key=lambda k: float(values[k]))
    beside = [k for k in (rank - 1, rank + 1) if 0 <= k < len(order)]
    if any(abs(float(values[order[k]] - values[order[rank]])) < APART for k in beside):
        return None
    return int(order[rank])
