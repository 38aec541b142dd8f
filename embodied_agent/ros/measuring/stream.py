"""A stream of images as a subscriber gets it: rate, losses, age, and whether a queue grows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from embodied_agent.benchmark.metrics import Spread, percentile, spread

HAIR = 1e-4  # [s] within which two stamps are of one exposure
QUARTER = 4  # the first and the last quarter of the pictures tell whether they grow older


@dataclass(frozen=True)
class StreamFigures:
    """What came of one camera.

    Attributes:
        asked: Images per second that the driver was asked for, by the robot's clock.
        seconds: From the first stamp to the last, by the robot's clock.
        received: Colour images that came.
        hz: Of them, by the robot's clock.
        undrawn: Exposures that were due and of which nothing came: the driver left them out.
        lost: Exposures whose depth or camera info came, and whose colour image did not.
        age: From the stamp to the moment at which the subscriber had it, by the robot's clock [s].
        growth: Age in the last quarter less that in the first, of medians [s].
    """

    asked: float
    seconds: float
    received: int
    hz: float
    undrawn: int
    lost: int
    age: Spread
    oldest: float
    growth: float

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "age": vars(self.age)}


def stream_figures(
    arrivals: Sequence[tuple[float, float]], others: Collection[float], asked: float
) -> StreamFigures:
    """The figures of one camera.

    Args:
        arrivals: (stamp, robot's time when it was there) of each colour image, in the order of arrival [s].
        others: Stamps of depth images and camera infos [s].
        asked: Images per second.
    """
    if len(arrivals) < 2:
        lost = len(_rounded(others) - _rounded(stamp for stamp, _ in arrivals))
        return StreamFigures(asked, 0.0, len(arrivals), 0.0, 0, lost, spread(()), 0.0, 0.0)
    stamps = [stamp for stamp, _ in arrivals]
    first, last = min(stamps), max(stamps)
    mine = _rounded(stamps)
    exposures = mine | {key for key in _rounded(others) if first <= key * HAIR <= last}
    due = round((last - first) * asked) + 1
    ages = [at - stamp for stamp, at in arrivals]
    part = max(1, len(ages) // QUARTER)
    early, late = percentile(ages[:part], 0.5), percentile(ages[-part:], 0.5)
    assert early is not None and late is not None
    return StreamFigures(
        asked=asked,
        seconds=round(last - first, 3),
        received=len(mine),
        hz=round((len(mine) - 1) / (last - first), 2) if last > first else 0.0,
        undrawn=max(0, due - len(exposures)),
        lost=len(exposures - mine),
        age=spread(round(age, 4) for age in ages),
        oldest=round(max(ages), 4),
        growth=round(late - early, 4),
    )


def _rounded(stamps: Any) -> set[int]:
    return {round(stamp / HAIR) for stamp in stamps}
