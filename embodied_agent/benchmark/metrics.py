"""Figures of a benchmark, from episode records; every share with its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from embodied_agent.benchmark.primitives import PrimitiveTime

# Planner and perception, default first: what each costs shows in the differences.
COMBINATIONS = ("builtin x camera", "builtin x truth", "scripted x camera", "scripted x truth")
Z95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class EpisodeRecord:
    """What one episode came to, as its JSON file holds it.

    Attributes:
        id: Unique within the suite, e.g. "place_in-0003".
        family: Task family.
        seed: Of the scene.
        command: What was said.
        expected: "done", "refused" or "asked": what a right agent says in the end.
        success: By simulator truth.
        verdict: The agent's own.
        message: The agent's own.
        accepted: The first program parsed and passed the check.
        moved: The arm moved.
        finished, steps: Steps of the task that hold at the end by truth, and all that were asked for.
        unmet: What does not hold by truth, in words.
        plans: Programs written.
        plan_s, command_to_motion_s, total_s: Wall time; None where it did not come to that.
        error: What broke, where an error ended the episode.
        failed_node, reason: Where its first program failed, by the agent's own account.
        program: The last program.
        primitives: Times of those that succeeded, where one program was all.
        pace: The robot's time per time on the wall, where it has a clock of its own; else None.
    """

    id: str
    family: str
    seed: int
    command: str
    expected: str
    success: bool
    verdict: str
    message: str = ""
    accepted: bool = False
    moved: bool = False
    finished: int = 0
    steps: int = 0
    unmet: str = ""
    plans: int = 0
    plan_s: float | None = None
    command_to_motion_s: float | None = None
    total_s: float | None = None
    error: str = ""
    failed_node: str = ""
    reason: str = ""
    program: str = ""
    primitives: tuple[PrimitiveTime, ...] = ()
    pace: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> EpisodeRecord:
        """Inverse of `as_json`.

        Raises:
            TypeError: Fields are missing or unknown: the file is of another version.
        """
        primitives = tuple(PrimitiveTime(**row) for row in values.get("primitives", ()))
        return EpisodeRecord(**{**values, "primitives": primitives})

    @property
    def claims(self) -> bool:
        """The agent says that it did what was asked."""
        return self.verdict == "done"


@dataclass(frozen=True)
class Share:
    """`count` of `total`, with the Wilson 95 % interval."""

    count: int
    total: int

    @property
    def value(self) -> float:
        """In [0, 1]; nan of nothing."""
        return self.count / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound in [0, 1]."""
        return wilson(self.count, self.total)

    def __str__(self) -> str:
        if not self.total:
            return "–"
        low, high = self.interval
        return f"{100 * self.value:.1f} % [{100 * low:.0f}–{100 * high:.0f}]"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        low, high = self.interval
        share = self.value if self.total else None
        return {"count": self.count, "total": self.total, "share": share, "low": low, "high": high}


@dataclass(frozen=True)
class Spread:
    """Median and 95th percentile of some durations [s]."""

    n: int
    p50: float | None
    p95: float | None

    def __str__(self) -> str:
        return "–" if self.p50 is None or self.p95 is None else f"{self.p50:.2f} / {self.p95:.2f}"


@dataclass(frozen=True)
class Figures:
    """The figures of a set of episodes.

    Attributes:
        episodes: How many.
        success: By truth.
        verdict: The agent's own, of tasks that can be done: how often it says done.
        false_success: The agent says done and truth says not, of all episodes.
        missed_success: Truth says done and the agent says not, of all episodes.
        grammar: First programs that parsed and passed the check.
        finished_steps: Mean share of steps that succeeded.
        answers: Refusals and questions that were right, of commands that should be so answered.
        wrong_action: The arm moved, of commands that should be answered by words.
        errors: Episodes that an error ended.
        planning, to_motion, total: Wall time.
        failures: What failed how often, by failing node.
    """

    episodes: int
    success: Share
    verdict: Share
    false_success: Share
    missed_success: Share
    grammar: Share
    finished_steps: float | None
    answers: Share
    wrong_action: Share
    errors: int
    planning: Spread
    to_motion: Spread
    total: Spread
    failures: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        values = asdict(self)
        for key in ("success", "verdict", "false_success", "missed_success", "grammar", "answers", "wrong_action"):
            values[key] = getattr(self, key).as_json()
        return values


def wilson(count: int, total: int) -> tuple[float, float]:
    """The Wilson score interval of a share at 95 %.

    Wilson (1927), Probable inference, the law of succession, and statistical inference. It holds
    for few trials and near 0 and 1, where the usual normal interval does not.
    """
    if total <= 0:
        return 0.0, 1.0
    share, z2 = count / total, Z95 * Z95
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    # At 0 and at all the bound is exact; rounding must not leave a hair.
    low = 0.0 if count == 0 else max(0.0, middle - half)
    high = 1.0 if count == total else min(1.0, middle + half)
    return low, high


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` of the values lie, linearly between neighbours; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def spread(values: Iterable[float | None]) -> Spread:
    """Median and 95th percentile of those that are there."""
    present = [value for value in values if value is not None]
    return Spread(len(present), percentile(present, 0.5), percentile(present, 0.95))


def figures(records: Sequence[EpisodeRecord]) -> Figures:
    """The figures of some episodes."""
    doable = [r for r in records if r.expected == "done"]
    spoken = [r for r in records if r.expected != "done"]
    ratios = [r.finished / r.steps for r in doable if r.steps]
    failures: dict[str, int] = {}
    for record in records:
        if not record.success:
            cause = record.error or record.failed_node or f"says {record.verdict}"
            cause = cause.split("(")[0].split("=")[-1].strip()[:60]
            failures[cause] = failures.get(cause, 0) + 1
    return Figures(
        episodes=len(records),
        success=Share(sum(r.success for r in records), len(records)),
        verdict=Share(sum(r.claims for r in doable), len(doable)),
        false_success=Share(sum(r.claims and not r.success for r in records), len(records)),
        missed_success=Share(sum(r.success and not r.claims for r in doable), len(records)),
        grammar=Share(sum(r.accepted for r in records), len(records)),
        finished_steps=sum(ratios) / len(ratios) if ratios else None,
        answers=Share(sum(r.success for r in spoken), len(spoken)),
        wrong_action=Share(sum(r.moved for r in spoken), len(spoken)),
        errors=sum(bool(r.error) for r in records),
        planning=spread(r.plan_s for r in records),
        to_motion=spread(r.command_to_motion_s for r in records),
        total=spread(r.total_s for r in records),
        failures=dict(sorted(failures.items(), key=lambda pair: -pair[1])),
    )


def by_family(records: Iterable[EpisodeRecord]) -> dict[str, Figures]:
    """Figures of each family, in order of first appearance."""
    groups: dict[str, list[EpisodeRecord]] = {}
    for record in records:
        groups.setdefault(record.family, []).append(record)
    return {family: figures(group) for family, group in groups.items()}
