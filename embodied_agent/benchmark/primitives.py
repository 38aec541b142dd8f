"""How long each primitive took, and how much of that it waited for the robot beyond the motion itself.

A simulator that is stepped directly stands still while the agent thinks, and moves faster than real
time; over ROS it moves in real time beside the agent. Durations on the wall can therefore not be
compared. What can be is the robot's own clock, from the moment that the supervisor allows a command
until its outcome is known, less the time that the command was planned to take:

    waited = (done - allowed) - planned duration        summed over the commands of one primitive

Directly that is the time in which the arm settles and the fingers travel. Over ROS the goal's way
to the controller, its acceptance, the result's way back, and the wait for a reading after it are
added; they are the difference. Commands that a contact or a problem ends early have no such figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embodied_agent.program.events import Event

HAIR = 1e-3  # [s] by which rounded stamps of one moment may differ; commands are ten times as long
PLANNED = {"follow": "duration", "wait": "seconds"}  # key of the planned time; a grip has none


@dataclass(frozen=True)
class PrimitiveTime:
    """One primitive that succeeded.

    Attributes:
        path, label, attempt: As in its event.
        took_s: On the wall.
        commands: To arm and gripper.
        counted: Of them, those that have the figure above.
        waited_s: Sum of their figures; None where there is none.
    """

    path: str
    label: str
    attempt: int
    took_s: float
    commands: int = 0
    counted: int = 0
    waited_s: float | None = None


@dataclass(frozen=True)
class Ended:
    """A primitive's end: `took_s` on the wall, `stamp` by the robot's clock [s]."""

    path: str
    label: str
    attempt: int
    took_s: float
    stamp: float


class Ends:
    """Hears the events of a run, and notes by the robot's clock when each primitive succeeded."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.found: list[Ended] = []
        self._now = now

    def __call__(self, event: Event) -> None:
        """Take in one event, from the run's thread."""
        if event.kind == "succeeded" and event.level == "primitive":
            end = Ended(event.path, event.label, event.attempt, event.duration, self._now())
            self.found.append(end)


def times(ends: Iterable[Ended], audit: Iterable[Mapping[str, Any]]) -> tuple[PrimitiveTime, ...]:
    """The times of primitives.

    Args:
        ends: In the order of their starts, where several end at once. Primitives hold no primitives, so
            that each command belongs to the first that ends at or after the command's own end.
        audit: The supervisor's decisions as JSON, in their order; other lines are skipped.
    """
    waits = _waits(audit)
    found = []
    for end in sorted(ends, key=lambda each: each.stamp):
        mine = [wait for at, wait in waits if at <= end.stamp + HAIR]
        waits = waits[len(mine) :]
        known = [wait for wait in mine if wait is not None]
        waited = round(sum(known), 4) if known else None
        took = round(end.took_s, 4)
        found.append(PrimitiveTime(end.path, end.label, end.attempt, took, len(mine), len(known), waited))
    return tuple(found)


def _waits(audit: Iterable[Mapping[str, Any]]) -> list[tuple[float, float | None]]:
    """End of each command by the robot's clock, and what it waited [s]."""
    waits: list[tuple[float, float | None]] = []
    begun: Mapping[str, Any] | None = None
    for line in audit:
        if line.get("verb") not in ("follow", "grip", "wait") or "stamp" not in line:
            continue
        if line["decision"] == "allowed":
            begun = line
        elif begun is not None and begun["verb"] == line["verb"]:
            asked = begun["numbers"]
            whole = line["decision"] == "done" and "until_contact" not in asked
            planned = float(asked.get(PLANNED.get(line["verb"], ""), 0.0))
            waits.append((line["stamp"], line["stamp"] - begun["stamp"] - planned if whole else None))
            begun = None
    return waits


def added(direct: Sequence[PrimitiveTime], other: Sequence[PrimitiveTime]) -> tuple[list[float], list[float]]:
    """What another path to the robot adds to the same primitives of the same program [s].

    Returns:
        By the robot's clock, for those that command arm or gripper equally often; and on the wall,
        for those that command nothing: they look, or reckon.
    """
    moving, looking = [], []
    known = {(time.path, time.label, time.attempt): time for time in direct}
    for theirs in other:
        mine = known.get((theirs.path, theirs.label, theirs.attempt))
        if mine is None or (mine.commands, mine.counted) != (theirs.commands, theirs.counted):
            continue
        if not mine.commands:
            looking.append(theirs.took_s - mine.took_s)
        elif mine.waited_s is not None and theirs.waited_s is not None:
            moving.append(theirs.waited_s - mine.waited_s)
    return moving, looking
