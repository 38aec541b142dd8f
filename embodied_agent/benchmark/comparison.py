"""The same episodes on two paths to the robot: directly, and over ROS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embodied_agent.benchmark.metrics import EpisodeRecord, Share, Spread, spread
from embodied_agent.benchmark.primitives import added
from embodied_agent.page import section, table, text

POINTS = 3.0  # that success may differ by
ADDED = 0.060  # [s] a primitive, in the middle
DEFINITION = (
    "Added to a primitive that moves: by the robot's clock, from the supervisor's permission of a command until "
    "its outcome is known, less the duration that was planned for it, summed over the primitive's commands; over "
    "ROS less directly. That is the goal's way to the controller, its acceptance, the result's way back, and the "
    "wait for a reading after it; settling and finger travel, which both paths have, cancel out. Commands that a "
    "contact may end are left out. Added to a primitive that looks or reckons: its duration on the wall, over ROS "
    "less directly; it holds the wait for the next picture, and the model behind HTTP. Pairs are the same node of "
    "the same program of one seed, in episodes that needed one program on both paths."
)


@dataclass(frozen=True)
class Comparison:
    """What the path makes of the same episodes.

    Attributes:
        direct, ros: Success by truth over the episodes that both have.
        only_direct, only_ros: Episodes that succeeded on one path alone.
        moving, looking: Seconds that the ROS path adds to a primitive; see DEFINITION.
        paired: Episodes whose primitives were compared.
        pace: Simulated time per time over ROS: below 1 the machine was too slow for real time.
    """

    direct: Share
    ros: Share
    only_direct: tuple[str, ...]
    only_ros: tuple[str, ...]
    moving: Spread
    looking: Spread
    paired: int
    pace: Spread

    @property
    def points(self) -> float:
        """Success over ROS less directly, in percent points; nan of nothing."""
        return 100 * (self.ros.value - self.direct.value)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "direct": self.direct.as_json(),
            "ros": self.ros.as_json(),
            "points": round(self.points, 2) if self.direct.total else None,
            "only_direct": list(self.only_direct),
            "only_ros": list(self.only_ros),
            "added_moving_s": vars(self.moving),
            "added_looking_s": vars(self.looking),
            "paired_episodes": self.paired,
            "real_time_factor": vars(self.pace),
            "definition": DEFINITION,
        }

    def rows(self) -> list[tuple[str, str, str, str]]:
        """What, measured, target, and whether it was met ("" = no target)."""
        near, quick = "", ""
        if self.direct.total:
            near = "met" if abs(self.points) <= POINTS + 1e-9 else "not met"
        if self.moving.p50 is not None:
            quick = "met" if self.moving.p50 < ADDED else "not met"
        points = f"{self.points:+.1f} points" if self.direct.total else "–"
        aim = f"within {POINTS:g} points"
        return [
            ("success directly", f"{self.direct}, n {self.direct.total}", "", ""),
            ("success over ROS", f"{self.ros}, n {self.ros.total}", "", ""),
            ("difference", f"{points} ({len(self.only_direct)} lost, {len(self.only_ros)} won)", aim, near),
            ("added to a primitive that moves", _told(self.moving), f"p50 < {1000 * ADDED:g} ms", quick),
            ("added to a primitive that looks or reckons", _told(self.looking), "", ""),
            ("simulated time per time over ROS", _factor(self.pace), "", ""),
        ]


def compare(direct: Sequence[EpisodeRecord], ros: Sequence[EpisodeRecord]) -> Comparison:
    """Compare the episodes that both have."""
    known = {record.id: record for record in direct}
    pairs = [(known[record.id], record) for record in ros if record.id in known]
    moving: list[float] = []
    looking: list[float] = []
    paired = [(a, b) for a, b in pairs if a.plans == b.plans == 1 and a.program == b.program]
    for mine, theirs in paired:
        moves, looks = added(mine.primitives, theirs.primitives)
        moving += moves
        looking += looks
    return Comparison(
        direct=Share(sum(a.success for a, _ in pairs), len(pairs)),
        ros=Share(sum(b.success for _, b in pairs), len(pairs)),
        only_direct=tuple(a.id for a, b in pairs if a.success and not b.success),
        only_ros=tuple(b.id for a, b in pairs if b.success and not a.success),
        moving=spread(moving),
        looking=spread(looking),
        paired=len(paired),
        pace=spread(b.pace for _, b in pairs),
    )


def comparison_html(found: Comparison) -> str:
    """A section of the benchmark's page."""
    differ = ", ".join(found.only_direct) or "none"
    won = ", ".join(found.only_ros) or "none"
    return section(
        "Directly and over ROS",
        table(["what", "measured", "target", ""], found.rows()),
        f'<p class="soft">Succeeded directly alone: {text(differ)}. Over ROS alone: {text(won)}. '
        f"{found.paired} episodes compared node by node.</p>",
        f'<p class="soft">{text(DEFINITION)}</p>',
    )


def _told(found: Spread) -> str:
    if found.p50 is None or found.p95 is None:
        return "– (no pairs)"
    return f"p50 {1000 * found.p50:.0f} ms, p95 {1000 * found.p95:.0f} ms, n {found.n}"


def _factor(found: Spread) -> str:
    return "–" if found.p50 is None else f"p50 {found.p50:.2f}, n {found.n}"
