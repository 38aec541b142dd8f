"""How much a search may take: counted work, so that every machine, however busy, ends it at the same point."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

PROCESSOR = 1e-3  # [s] of processor time for one unit at most; a usual one takes a tenth of it
WALL = 120.0  # [s] at most that anybody waits for one search

# Whether a search has to end.
Spent = Callable[[], bool]


def never() -> bool:
    """A search without an end but its own."""
    return False


@dataclass(frozen=True)
class Allowance:
    """What is left for one search; calling it says whether it is spent.

    The count decides. Time is a net below it, and wide: where time decided, the same seed would give
    one result on an idle machine and another on a busy one.

    Attributes:
        count: Units of work done so far: collision checks and steps of inverse kinematics.
        most: Count at which the search ends.
        processor: Reading of `time.thread_time()` at which it ends in any case [s].
        wall: Reading of `time.monotonic()` at which it ends in any case [s].
    """

    count: Callable[[], int]
    most: int
    processor: float
    wall: float

    @staticmethod
    def of(count: Callable[[], int], units: int) -> Allowance:
        """An allowance of so many units from now."""
        return Allowance(count, count() + units, time.thread_time() + units * PROCESSOR, time.monotonic() + WALL)

    def __call__(self) -> bool:
        return self.count() >= self.most or time.thread_time() > self.processor or time.monotonic() > self.wall
