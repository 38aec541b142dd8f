"""What the eye named and where it is, held against what the pointer says of a phrase.

The pointer may call a thing absent because it never met that colour on that kind; the eye, which
reads the two apart, has named it all the same. Where the model's own words for a phrase ("black
cube") and its own names of the things contradict the pointer plainly, the names win. Of two drawers
an open upper one hides the lower: the only one that shows is then not the one that is meant.
"""

from __future__ import annotations

from torch import Tensor

from embodied_agent.mllm.mentions import head_of, singulars
from embodied_agent.mllm.vocabulary import CLASS_INDEX, CLASSES, COLOR_INDEX, KINDS

PLAIN = 0.6  # share from which on a thing is plainly what the words say
NEVER = 0.03  # share below which it is plainly not


def attest(words: str, state: str, objects: tuple[int, ...], named: Tensor) -> tuple[str, tuple[int, ...]]:
    """State and objects of a phrase, corrected where they contradict what the eye named.

    Args:
        words: Canonical description, as the model wrote it.
        state: "found", "several", "absent" or "ambiguous", as the pointer has it.
        objects: What it points at, best first.
        named: Shares of the classes and colours of each thing, see `objects.Seen`, (N, A).
    """
    color, kind, more, plural = _said(words)
    if not kind:
        return state, objects
    share = named[:, CLASS_INDEX[kind]]
    if color:
        share = share * named[:, len(CLASSES) + COLOR_INDEX[color]]
    if state == "absent" and not more:
        shown = tuple((share > PLAIN).nonzero()[:, 0].tolist())
        if shown:
            return "several" if plural else "found" if len(shown) == 1 else "ambiguous", shown
    if state == "found" and objects and float(share[objects[0]]) < NEVER:
        return "absent", ()
    return state, objects


def levelled(
    words: str, state: str, objects: tuple[int, ...], named: Tensor, places: Tensor
) -> tuple[str, tuple[int, ...]]:
    """State and objects of "the top drawer" and "the bottom drawer", corrected by how high they are.

    Args:
        words, state, objects, named: As for `attest`.
        places: Where the things are; their lowest and highest height above the table last [m], (N, 7).
    """
    level = words.split(" ")[0]
    if not words.endswith("drawer") or level not in ("top", "bottom") or not len(places):
        return state, objects
    drawers = named[:, CLASS_INDEX["drawer"]] > PLAIN
    heights = places[:, 5:7].mean(1)
    if int(drawers.sum()) > 1:  # a cabinet's own lowest pixel may be its lid's edge, or the floor behind it
        best = heights[drawers].max() if level == "top" else heights[drawers].min()
        right = drawers & (heights == best)
    else:
        cabinet = int(named[:, CLASS_INDEX["cabinet"]].argmax())
        if float(named[cabinet, CLASS_INDEX["cabinet"]]) < PLAIN:
            return state, objects
        right = drawers & ((heights > float(places[cabinet, 6]) / 2) == (level == "top"))
    shown = tuple(right.nonzero()[:, 0].tolist())
    if objects and bool(right[objects[0]]):
        return state, objects
    return ("found", shown) if len(shown) == 1 else ("absent", ())


def _said(words: str) -> tuple[str, str, bool, bool]:
    """Colour and kind that a description names ("" = none), whether it says more, whether it is plural."""
    head = head_of(words).split()
    if not head:
        return "", "", True, False
    kind = next((one for one in singulars(head[-1]) if one in KINDS), "")
    colors = [word for word in head[:-1] if word in COLOR_INDEX]
    more = len(head) > 1 + len(colors) or len(colors) > 1 or " ".join(head) != words
    return (colors[0] if colors else ""), kind, more, kind != head[-1]
