"""Noun phrases for things, in one canonical wording, and what they mean in a known scene.

The canonical wording is what programs pass to `find`, `find_all`, `exists` and `count`:

    [ordinal or superlative] [size] [color] kind [relation the reference] [except the ...]

`resolve` decides by simulator truth; it serves the truth ablation, the labels of training data
and tests. Nothing that runs on cameras may call it. Left and right are as a person at the robot's
base sees them: left is +y, behind is +x.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from embodied_agent.errors import BadInput
from sim.dimensions import COLORS, CONTAINERS, DIMENSIONS, FRUITS, KINDS, SIZES

CATEGORIES: dict[str, tuple[str, ...]] = {
    "object": KINDS,
    "fruit": FRUITS,
    "container": CONTAINERS,
    "dish": ("plate", "bowl", "mug"),
}
PARTS = ("drawer", "cupboard door", "button", "knob", "shelf", "cabinet", "cupboard")
NOUNS = KINDS + tuple(CATEGORIES) + PARTS
RELATIONS = ("left of", "right of", "in front of", "behind", "next to", "on", "in")
SUPERLATIVES = ("leftmost", "rightmost", "nearest", "farthest", "largest", "smallest", "top", "bottom")
RANKS = ("second", "third")
SIDES = ("left", "right", "front", "back")
ORDINALS = SUPERLATIVES + tuple(f"{rank} from the {side}" for rank in RANKS for side in SIDES)

NEXT_TO = 0.10  # [m] largest gap between two footprints that are next to each other
MARGIN = 0.03  # [m] least difference of centres for left of, right of, in front of, behind
DRAWERS = {"top drawer": "top", "bottom drawer": "bottom"}

_SPECIAL_PLURALS = {"box": "boxes", "dish": "dishes", "shelf": "shelves"}


def plural_of(noun: str) -> str:
    """The plural of a kind or category."""
    return _SPECIAL_PLURALS.get(noun, noun + "s")


_SINGULARS = {plural_of(noun): noun for noun in NOUNS}


@dataclass(frozen=True)
class Thing:
    """One thing in a known scene.

    Attributes:
        id: Unique name in the scene, e.g. "cube_1" or "top drawer".
        kind: Object kind, or one of `PARTS`.
        color: Colour name, or "".
        size: "small", "large", or "".
        position: Centre of the bounding box in the world [m].
        extent: Full sizes of the bounding box along the world axes [m].
        container: Id of what it lies in, or "".
        support: Id of what it stands on, or "" for the table.
    """

    id: str
    kind: str
    color: str
    size: str
    position: tuple[float, float, float]
    extent: tuple[float, float, float]
    container: str = ""
    support: str = ""


@dataclass(frozen=True)
class Description:
    """What a noun phrase says.

    Attributes:
        kind: One of `NOUNS`.
        color, size: "" = any.
        ordinal: One of `ORDINALS`, or "".
        relation: One of `RELATIONS`, or "".
        reference: What the relation refers to.
        plural: All that fit are meant, not the one.
        except_: What is left out.
    """

    kind: str
    color: str = ""
    size: str = ""
    ordinal: str = ""
    relation: str = ""
    reference: Description | None = None
    plural: bool = False
    except_: tuple[Description, ...] = ()

    def __post_init__(self) -> None:
        for value, allowed, what in (
            (self.kind, NOUNS, "kind"),
            (self.color, ("", *COLORS), "color"),
            (self.size, ("", *SIZES), "size"),
            (self.ordinal, ("", *ORDINALS), "ordinal"),
            (self.relation, ("", *RELATIONS), "relation"),
        ):
            if value not in allowed:
                known = ", ".join(filter(None, allowed))
                raise BadInput(f"description: unknown {what} {value!r}, known: {known}")
        if bool(self.relation) != (self.reference is not None):
            raise BadInput("description: a relation and its reference go together")

    def text(self) -> str:
        """The canonical wording, without a leading article."""
        noun = plural_of(self.kind) if self.plural else self.kind
        words = [self.size, self.color, noun]
        if " from the " in self.ordinal:
            rank, side = self.ordinal.split(" from the ")
            words = [rank, *words, f"from the {side}"]
        else:
            words = [self.ordinal, *words]
        if self.reference is not None:
            words += [self.relation, "the", self.reference.text()]
        if self.except_:
            words += ["except", " and ".join(f"the {item.text()}" for item in self.except_)]
        return " ".join(word for word in words if word)


def parse_canonical(text: str) -> Description:
    """Read a canonical description; a leading "the" is allowed anywhere an article may stand.

    Raises:
        BadInput: The text is not in the canonical wording.
    """
    body, _, excluded = text.strip().removeprefix("the ").partition(" except ")
    except_ = tuple(parse_canonical(part) for part in excluded.split(" and ")) if excluded else ()
    relation, reference = "", None
    if match := re.search(rf" ({'|'.join(RELATIONS)}) (?:the )?(.+)$", body):
        relation, reference = match[1], parse_canonical(match[2])
        body = body[: match.start()]
    ordinal = ""
    if match := re.search(rf" from the ({'|'.join(SIDES)})$", body):
        rank, _, rest = body[: match.start()].partition(" ")
        ordinal, body = f"{rank} from the {match[1]}", rest
    words = body.split()
    if words and words[0] in SUPERLATIVES:
        ordinal = words.pop(0)
    size = words.pop(0) if words and words[0] in SIZES else ""
    color = words.pop(0) if words and words[0] in COLORS else ""
    noun = " ".join(words)
    kind, plural = _SINGULARS.get(noun, noun), noun in _SINGULARS
    if kind not in NOUNS:
        raise BadInput(f"description {text!r}: {noun!r} is not a kind of thing, e.g. {', '.join(KINDS[:4])}")
    return Description(kind, color, size, ordinal, relation, reference, plural, except_)


def resolve(description: Description, things: Sequence[Thing]) -> list[Thing]:
    """Every thing that a description fits, in the order left to right.

    Args:
        description: Singular or plural.
        things: All things of the scene.

    Returns:
        [] = absent. For a singular description, more than one = ambiguous.
    """
    fitting = [thing for thing in things if _fits(description, thing)]
    if description.reference is not None:
        references = resolve(description.reference, things)
        holds = relation_test(description.relation)
        fitting = [a for a in fitting if any(holds(a, b) for b in references if b.id != a.id)]
    for excluded in description.except_:
        out = {thing.id for thing in resolve(excluded, things)}
        fitting = [thing for thing in fitting if thing.id not in out]
    fitting.sort(key=lambda thing: (-thing.position[1], thing.id))
    return _ranked(description.ordinal, fitting) if description.ordinal else fitting


def relation_test(relation: str) -> Callable[[Thing, Thing], bool]:
    """The test whether thing `a` stands in a relation to thing `b`."""
    return {
        "left of": lambda a, b: a.position[1] > b.position[1] + MARGIN,
        "right of": lambda a, b: a.position[1] < b.position[1] - MARGIN,
        "behind": lambda a, b: a.position[0] > b.position[0] + MARGIN,
        "in front of": lambda a, b: a.position[0] < b.position[0] - MARGIN,
        "next to": lambda a, b: gap(a, b) <= NEXT_TO,
        "on": lambda a, b: a.support == b.id,
        "in": lambda a, b: a.container == b.id,
    }[relation]


def gap(a: Thing, b: Thing) -> float:
    """Horizontal distance between two bounding boxes [m]; 0 where they overlap."""
    spaces = [max(abs(a.position[i] - b.position[i]) - (a.extent[i] + b.extent[i]) / 2, 0.0) for i in (0, 1)]
    return float((spaces[0] ** 2 + spaces[1] ** 2) ** 0.5)


def _fits(description: Description, thing: Thing) -> bool:
    kinds = CATEGORIES.get(description.kind, (description.kind,))
    return thing.kind in kinds and description.color in ("", thing.color) and description.size in ("", thing.size)


def _ranked(ordinal: str, fitting: list[Thing]) -> list[Thing]:
    """The one of a rank, or [] if there are fewer. Ranks too close to tell stay ambiguous."""
    keys: dict[str, Callable[[Thing], float]] = {
        "left": lambda thing: -thing.position[1],
        "right": lambda thing: thing.position[1],
        "front": lambda thing: thing.position[0],
        "back": lambda thing: -thing.position[0],
        "top": lambda thing: -thing.position[2],
        "bottom": lambda thing: thing.position[2],
        "largest": lambda thing: -_length(thing),
        "smallest": _length,
    }
    names = {"leftmost": "left", "rightmost": "right", "nearest": "front", "farthest": "back"}
    rank, _, side = ordinal.partition(" from the ")
    index = RANKS.index(rank) + 1 if side else 0
    key = keys[side or names.get(ordinal, ordinal)]
    ordered = sorted(fitting, key=key)
    if index >= len(ordered):
        return []
    level = key(ordered[index])
    tie = 0.002 if ordinal in ("largest", "smallest") else 0.01  # [m]
    return [thing for thing in ordered if abs(key(thing) - level) < tie]


def _length(thing: Thing) -> float:
    """Edge of the cube of the same volume [m], whatever the yaw: a box around a thing grows as that turns."""
    known = DIMENSIONS.get((thing.kind, thing.size))
    x, y, z = thing.extent if known is None else (2 * known.half[0], 2 * known.half[1], known.height)
    return float((x * y * z) ** (1 / 3))


def ambiguous(description: Description, things: Iterable[Thing]) -> bool:
    """Whether a singular description fits more than one thing."""
    return not description.plural and len(resolve(description, list(things))) > 1
