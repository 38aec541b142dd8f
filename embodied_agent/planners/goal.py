"""What a person wants, as data: the middle link between a scene, a sentence and a program.

A goal names things by `Description`, as the person does, or by the clicked point that shows
them. `planners/scripted.py` writes it as a program, `commands/` says it in words, and
`commands/truth.py` turns it into a predicate over simulator truth.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from sim.descriptions import Description

FAMILIES = (
    "place_in",
    "place_on",
    "place_beside",
    "stack",
    "sort",
    "open",
    "close",
    "put_in_drawer",
    "press",
    "turn",
    "push",
    "clear",
    "swap",
    "conditional",
)


@dataclass(frozen=True)
class Click:
    """The thing, or the place, at a clicked point.

    Attributes:
        point: Counted from 1.
    """

    point: int = 1


Target = Description | Click


@dataclass(frozen=True)
class Manner:
    """How to do it, where the person said so; None and "" = not said.

    Attributes:
        approach: "above", "side" or "front".
        grasp_at: "body", "handle" or "rim".
        max_force: Grip force limit [N].
        speed: Share of full speed, in (0, 1].
        keep_upright: Do not tilt what is carried.
    """

    approach: str = ""
    grasp_at: str = ""
    max_force: float | None = None
    speed: float | None = None
    keep_upright: bool = False


PLAIN = Manner()


@dataclass(frozen=True)
class Hold:
    """Pick a thing up and keep it."""

    thing: Target
    manner: Manner = PLAIN


@dataclass(frozen=True)
class PlaceIn:
    """Put a thing into a container, or a part that is open."""

    thing: Target
    container: Target
    manner: Manner = PLAIN


@dataclass(frozen=True)
class PlaceOn:
    """Put a thing on top of another."""

    thing: Target
    support: Target
    manner: Manner = PLAIN


@dataclass(frozen=True)
class PlaceBeside:
    """Put a thing next to another; `side` as the robot sees it: any, left, right, front, behind."""

    thing: Target
    other: Target
    side: str = "any"
    manner: Manner = PLAIN


@dataclass(frozen=True)
class PlaceAt:
    """Put a thing at a clicked place."""

    thing: Target
    spot: Click
    manner: Manner = PLAIN


@dataclass(frozen=True)
class Stack:
    """Build a tower of the things, given bottom first."""

    things: tuple[Target, ...]


@dataclass(frozen=True)
class Sort:
    """Put each group (a plural description) into or onto its own place.

    Attributes:
        groups: Pairs of what, and where to.
        how: "inside" or "on".
    """

    groups: tuple[tuple[Description, Description], ...]
    how: str = "inside"


@dataclass(frozen=True)
class Open:
    """Open a drawer or door; `to` is a share of its range, None = the usual."""

    part: Target
    to: float | None = None


@dataclass(frozen=True)
class Close:
    """Close a drawer or door."""

    part: Target


@dataclass(frozen=True)
class PutInDrawer:
    """Put a thing into a drawer, opening it first if it is closed."""

    thing: Target
    drawer: Target
    close_after: bool = False
    manner: Manner = PLAIN


@dataclass(frozen=True)
class Press:
    """Press a button."""

    button: Target


@dataclass(frozen=True)
class Turn:
    """Turn a knob; [rad], positive counter-clockwise from above, None = a quarter turn that way."""

    knob: Target
    angle: float | None = None


@dataclass(frozen=True)
class Push:
    """Push a thing left, right, forward or backward; `distance` [m], None = the usual 0.1."""

    thing: Target
    direction: str
    distance: float | None = None


@dataclass(frozen=True)
class Clear:
    """Bring all of a plural description into a container, or to free places on the table."""

    things: Description
    container: Description | None = None


@dataclass(frozen=True)
class Swap:
    """Exchange the places of two things."""

    first: Target
    second: Target


@dataclass(frozen=True)
class Home:
    """Move the arm out of the way."""


@dataclass(frozen=True)
class Wait:
    """Hold still for some seconds."""

    seconds: float


@dataclass(frozen=True)
class Exists:
    """Condition: such a thing is there (or not)."""

    thing: Description
    negated: bool = False


@dataclass(frozen=True)
class Counted:
    """Condition: how many such things there are; `sign` is one of < <= == != >= >."""

    things: Description
    sign: str
    number: int


@dataclass(frozen=True)
class PartState:
    """Condition: a drawer or door is open, or closed."""

    part: Description
    open: bool


@dataclass(frozen=True)
class Related:
    """Condition: `test` is is_inside, is_on, is_beside, left_of, right_of, in_front_of or behind."""

    first: Description
    test: str
    second: Description
    negated: bool = False


Condition = Exists | Counted | PartState | Related


@dataclass(frozen=True)
class Conditional:
    """Do one thing if a condition holds, perhaps another if not."""

    condition: Condition
    then: Goal
    otherwise: Goal | None = None


@dataclass(frozen=True)
class Sequence:
    """Several goals, one after the other."""

    steps: tuple[Goal, ...]


@dataclass(frozen=True)
class Refuse:
    """Nothing can or may be done.

    Attributes:
        reason: What the person is told.
        why: absent, unreachable, not_a_task, ability, unsafe, fit, language or junk.
    """

    reason: str
    why: str


@dataclass(frozen=True)
class Ask:
    """It is not clear what is meant.

    Attributes:
        question: What the person is asked.
        why: two_fit, many_fit, what or where.
    """

    question: str
    why: str


Goal = (
    Hold
    | PlaceIn
    | PlaceOn
    | PlaceBeside
    | PlaceAt
    | Stack
    | Sort
    | Open
    | Close
    | PutInDrawer
    | Press
    | Turn
    | Push
    | Clear
    | Swap
    | Home
    | Wait
    | Conditional
    | Sequence
    | Refuse
    | Ask
)


def descriptions_in(goal: Goal | Condition) -> tuple[Description, ...]:
    """Every description that a goal names, in order, references inside descriptions not counted."""
    return tuple(_descriptions(goal))


def _descriptions(value: object) -> list[Description]:
    if isinstance(value, Description):
        return [value]
    if isinstance(value, tuple):
        return [found for item in value for found in _descriptions(item)]
    if type(value).__module__ == __name__:
        return [found for f in fields(value) for found in _descriptions(getattr(value, f.name))]  # type: ignore[arg-type]
    return []
