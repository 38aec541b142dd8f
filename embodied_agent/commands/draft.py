"""A command before it has words: the goal, the words it is bound to, and the manner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from embodied_agent.commands.cast import Cast
from embodied_agent.planners import goal as g
from sim.descriptions import Description

_MANNERS: dict[str, dict[str, object]] = {
    "gentle": {"max_force": 8.0},
    "slow": {"speed": 0.3},
    "upright": {"keep_upright": True},
    "above": {"approach": "above"},
    "side": {"approach": "side"},
    "handle": {"grasp_at": "handle"},
    "rim": {"grasp_at": "rim"},
}


@dataclass(frozen=True)
class Said:
    """Something whose wording leaves out a part of what is meant ("everything": not the bin itself)."""

    said: Description
    meant: Description


@dataclass(frozen=True)
class Clicked:
    """A place that the person clicked.

    Attributes:
        position: In the world [m].
        name: The thing there; "" = the bare table.
    """

    position: tuple[float, float, float]
    name: str = ""


Slot = Description | Said | str


@dataclass(frozen=True)
class Draft:
    """A command before it has words.

    Attributes:
        goal: What is wanted.
        pattern: Key of the templates that word it.
        slots: What fills them: descriptions, or words as they are.
        points: What was clicked, in order.
        manner: Keys of `MANNERS` that the goal already carries.
        implied: Things that the goal names and the words do not.
    """

    goal: g.Goal
    pattern: str
    slots: Mapping[str, Slot] = field(default_factory=dict)
    points: tuple[Clicked, ...] = ()
    manner: tuple[str, ...] = ()
    implied: tuple[Description, ...] = ()


Family = Callable[[Cast], Draft]


def manner_of(cast: Cast, kind: str, share: float = 0.1) -> tuple[g.Manner, tuple[str, ...]]:
    """Now and then, how the person wants a thing to be handled."""
    if cast.rng.random() > share:
        return g.PLAIN, ()
    usable = ["gentle", "slow", "above"]
    usable += {
        "mug": ["handle", "rim", "upright"],
        "bottle": ["side", "upright"],
        "can": ["side", "upright"],
    }.get(kind, [])
    key = cast.rng.choice(usable)
    return g.Manner(**_MANNERS[key]), (key,)  # type: ignore[arg-type]
