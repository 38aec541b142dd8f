"""Places where a thing could be put, as all that chooses among them speaks of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from embodied_agent.types import Array, Pose

ABOVE = 0.03  # [m] over a surface that a thing may be let go, where the hand cannot go lower
RELEASE = 0.006  # [m] a thing is let go this far above what it will stand on


@dataclass(frozen=True)
class Spot:
    """A place that a thing could be put at.

    Attributes:
        center: Of the thing, seen from above [m], (2,).
        surface: Height of what it would stand on [m].
        cost: How much worse than the best it is [m], for other reasons than its height of fall.
    """

    center: Array
    surface: float
    cost: float = 0.0


@dataclass(frozen=True)
class Placement:
    """A place for a thing.

    Attributes:
        pose: Of the thing's centre when the hand lets go, world frame, z up.
        surface: Height of what it will stand on [m].
        drop: Distance that it falls after release [m].
        clearance: Horizontal distance to the nearest other thing or wall [m].
        evidence: The numbers behind it, JSON-ready.
        spots: Places that would do as well, best first; which one the hand can serve is not known here.
        highest: Of the thing's underside over any of them [m]; higher is never needed.
    """

    pose: Pose
    surface: float
    drop: float
    clearance: float
    evidence: Mapping[str, object] = field(default_factory=dict)
    spots: tuple[Spot, ...] = ()
    highest: float = 0.0
