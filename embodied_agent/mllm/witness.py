"""What the eye named and where it is, held against what the pointer says of a phrase.

The pointer may call a thing absent because it never met that colour on that kind, or leave out one of
"the black objects"; the eye, which reads kind and colour apart, has named it all the same. Where the
model's own words for a phrase and its own names of the things contradict the pointer plainly, the
names win. Of two drawers an open upper one hides the lower: the only one that shows is then not the
one that is meant.

Only descriptions in the wording of programs are read here, never the words of a person.
"""

from __future__ import annotations

import torch
from torch import Tensor

from embodied_agent.mllm.canonical import Named, named_by
from embodied_agent.mllm.counting import unranked
from embodied_agent.mllm.mentions import head_of, singulars
from embodied_agent.mllm.vocabulary import CLASS_INDEX, CLASSES, COLOR_INDEX, KINDS

PLAIN = 0.6  # share from which on a thing is plainly what the words say
MOSTLY = 0.5  # share from which on a thing has no other name, and is one of several
RIVAL = 0.4  # share from which on it may be meant as well
HARDLY = 0.2  # share below which it is none of several
APART = 0.03  # [m] between centres, from which on one is left of another, or behind it
NEAR = 0.12  # [m] between what is next to another; sides that are seen aslant are measured 1 cm too short
UPPER = 0.75  # of a cabinet's height, beyond which the upper edge of its top drawer alone is
FLAT = 0.03  # [m] height up to which extents tell the size
LARGER = 1.2  # ratio of sizes from which on one of two is the large one
NEVER = 0.03  # share below which it is plainly not


def attest(
    words: str, state: str, objects: tuple[int, ...], named: Tensor, places: Tensor
) -> tuple[str, tuple[int, ...]]:
    """State and objects of a phrase, corrected where they contradict what the eye named.

    Args:
        words: Canonical description, as the model wrote it.
        state: "found", "several", "absent" or "ambiguous", as the pointer has it.
        objects: What it points at, best first.
        named: Shares of the classes and colours of each thing, see `objects.Seen`, (N, A).
        places: Centre x y z, extents x y, lowest and highest z of each [m], (N, 7).
    """
    said = named_by(words)
    if said is None or not len(named):
        return _undenied(words, state, objects, named)
    share = _share(said, named, places)
    order = share.argsort(descending=True).tolist()
    if said.plural and not said.is_placed:
        members = tuple(k for k in order if share[k] > MOSTLY or (k in objects and share[k] > HARDLY))
        return "several" if members else "absent", members
    shown = tuple(k for k in order if share[k] > MOSTLY)
    one = len(shown) == 1
    elsewhere = state == "found" and bool(objects) and float(share[objects[0]]) < HARDLY and one
    told_apart = state == "ambiguous" and one and int((share > RIVAL).sum()) == 1
    if shown and (state == "absent" or elsewhere or told_apart):
        return "several" if said.plural else "found" if one else "ambiguous", shown
    return _undenied(words, state, objects, named)


def in_all_but_rank(words: str, named: Tensor, places: Tensor) -> Tensor | None:
    """How much each thing is what a description says but for its rank in a row, (N,); None = names do not tell."""
    said = named_by(unranked(words))
    if said is None or not len(named):
        return None
    share = _share(said, named, places)
    untold = bool(said.size) and float(share.max()) <= MOSTLY  # things of one size: the pointer may know
    return None if untold else share


def _undenied(words: str, state: str, objects: tuple[int, ...], named: Tensor) -> tuple[str, tuple[int, ...]]:
    """State and objects without those that are plainly not what the noun and the colours say."""
    *before, noun = head_of(words).split() or [""]
    kind = next((one for one in singulars(noun) if one in KINDS), "")
    if not kind or state not in ("found", "several"):
        return state, objects
    share = _called((kind,), next((word for word in before if word in COLOR_INDEX), ""), named)
    left = tuple(index for index in objects if float(share[index]) >= NEVER)
    return (state, left) if left else ("absent", ())


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
        upper = places[:, 6] > UPPER * float(places[cabinet, 6])  # a mask may leak down to the floor, not up
        right = drawers & (upper == (level == "top"))
    shown = tuple(right.nonzero()[:, 0].tolist())
    if objects and bool(right[objects[0]]):
        return state, objects
    return ("found", shown) if len(shown) == 1 else ("absent", ())


def _share(said: Named, named: Tensor, places: Tensor) -> Tensor:
    """How much each thing is what is said, (N,)."""
    share = _called(said.kinds, said.color, named)
    if said.size:
        share = share * _sized(said, share > PLAIN, places)
    if said.reference is not None:
        holds = _holds(said.relation, places) & ~torch.eye(len(share), dtype=torch.bool)
        share = share * (holds * _share(said.reference, named, places)).amax(1)
    for other in said.but:
        share = share * (1 - _share(other, named, places))
    return share


def _sized(said: Named, alike: Tensor, places: Tensor) -> Tensor:
    """How much each thing is small or large among those that are alike but for their size, (N,).

    Things that are seen aslant show their height best; what is flat shows its extents. Names of several kinds, and
    things that are all of one size, tell nothing: then it is a half for each.
    """
    if len(said.kinds) > 1 or int(alike.sum()) < 2:
        return torch.full((len(alike),), 0.5)
    stands = places[:, 5] < FLAT  # what lies behind another shows its upper part alone
    height = places[:, 6] - torch.where(stands, 0.0, places[:, 5])
    size = height if float(height[alike].min()) > FLAT else places[:, 3:5].amax(1)
    if float(size[alike].max()) < LARGER * float(size[alike].min()):
        return torch.full((len(alike),), 0.5)
    middle = float(size[alike].max() * size[alike].min()) ** 0.5
    fits: Tensor = size < middle if said.size == "small" else size > middle
    return fits.float()


def _called(kinds: tuple[str, ...], color: str, named: Tensor) -> Tensor:
    """How much each thing is one of the kinds and, if one is given, of the colour, (N,)."""
    share = named[:, [CLASS_INDEX[kind] for kind in kinds]].sum(1)
    return share * named[:, len(CLASSES) + COLOR_INDEX[color]] if color else share


def _holds(relation: str, places: Tensor) -> Tensor:
    """Whether each thing stands in a relation to each other one, as a person at the robot sees it, (N, N) bool."""
    apart = places[:, None, :2] - places[None, :, :2]  # x points away, y to the left
    half = (places[:, None, 3:5] + places[None, :, 3:5]) / 2
    tests: dict[str, Tensor] = {
        "left of": apart[..., 1] > APART,
        "right of": apart[..., 1] < -APART,
        "behind": apart[..., 0] > APART,
        "in front of": apart[..., 0] < -APART,
        "next to": (apart.abs() - half).clamp(min=0.0).norm(dim=-1) <= NEAR,
    }
    return tests[relation]
