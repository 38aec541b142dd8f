"""The tabletop benchmark: episodes in parallel, one JSON file each, resumed where it was broken off."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from embodied_agent.account import versions
from embodied_agent.benchmark.metrics import COMBINATIONS, EpisodeRecord, by_family, figures
from embodied_agent.benchmark.pool import Done, Unusable, run_jobs
from embodied_agent.config import nearest
from embodied_agent.errors import BadInput, PlannerError
from embodied_agent.planners.goal import FAMILIES
from embodied_agent.record import plain, write_whole
from embodied_agent.setup import Setup

SLOWEST = 5.0  # times the deadline on the wall clock: a busy machine must not decide
GRACE = 60.0  # [s] beyond that before a worker counts as hanging


@dataclass(frozen=True)
class BenchOptions:
    """What is measured. Two calls with equal options measure the same episodes.

    Attributes:
        episodes: Of each family; their scenes' seeds count from `seed`.
        families: () = all.
        deadline: Longest run of one episode, by the robot's own clock [s].
        videos: How many episodes are filmed: the first of each family, in turn.
        backend: "mujoco" steps the world directly; "ros2" goes through driver, node and action.
        robot, planner, planner_url, model, perception, depth_noise: As for `run`.
    """

    episodes: int = 50
    seed: int = 0
    families: tuple[str, ...] = ()
    robot: str = "panda"
    planner: str = "builtin"
    planner_url: str = ""
    model: str = ""
    perception: str = "camera"
    depth_noise: bool = False
    deadline: float = 180.0
    videos: int = 6
    backend: str = "mujoco"

    def __post_init__(self) -> None:
        for family in self.families:
            if family not in FAMILIES:
                known = ", ".join(FAMILIES)
                raise BadInput(f"--families: no family {family!r}{nearest(family, FAMILIES)}; known: {known}")
        object.__setattr__(self, "families", self.families or FAMILIES)

    @property
    def combination(self) -> str:
        """Planner and perception, as reports name them."""
        path = " over ROS" if self.backend == "ros2" else ""
        return f"{self.planner} x {self.perception}{path}"

    def like(self, combination: str) -> BenchOptions:
        """The same episodes with another planner and perception."""
        planner, perception = combination.split(" x ")
        if planner == self.planner:
            return replace(self, perception=perception)
        return replace(self, planner=planner, perception=perception, planner_url="", model="")


@dataclass(frozen=True)
class Job:
    """One episode to run, and where its film goes."""

    family: str
    seed: int
    film: str = ""

    @property
    def id(self) -> str:
        """As in the record."""
        return f"{self.family}-{self.seed:06d}"


# Runs episodes and gives their ends as they come; closed when no more are wanted.
Execute = Callable[[Sequence[Job]], Generator[Done[Job], None, None]]


def jobs_of(options: BenchOptions, folder: Path) -> list[Job]:
    """All episodes, families in turn, so that a broken-off run says something about each."""
    jobs = []
    for number in range(options.episodes):
        for place, family in enumerate(options.families):
            filmed = number * len(options.families) + place < options.videos
            job = Job(family, options.seed + number)
            jobs.append(replace(job, film=str(folder / "films" / job.id)) if filmed else job)
    return jobs


class Runner:
    """Runs one job after another in a worker process; loads the models once."""

    def __init__(self, options: BenchOptions) -> None:
        from embodied_agent.assembly import Minds

        self.setup = Setup(
            robot=options.robot, planner=options.planner, planner_url=options.planner_url,
            model=options.model, perception=options.perception, depth_noise=options.depth_noise,
            seconds=SLOWEST * options.deadline, robot_seconds=options.deadline,
        )  # fmt: skip
        self.minds = Minds(self.setup)

    def __call__(self, job: Job) -> dict[str, Any]:
        """The record of one episode, as JSON."""
        from embodied_agent.benchmark.episode import run_episode
        from embodied_agent.benchmark.suites import episode

        drawn = episode(job.family, job.seed)
        return run_episode(drawn, self.setup, self.minds, Path(job.film) if job.film else None).as_json()


def run_bench(
    options: BenchOptions,
    folder: Path,
    workers: int = 1,
    told: Callable[[EpisodeRecord, int, int], None] = lambda record, done, total: None,
    execute: Execute | None = None,
) -> list[EpisodeRecord]:
    """Run what is still missing of a benchmark; returns all its records.

    Args:
        options: What is measured.
        folder: Holds `options.json`, `episodes/*.json`, `films/`.
        workers: Processes.
        told: Called with each record as it comes, and how many of how many are there.
        execute: Runs the episodes; None = worker processes that step the world directly.

    Raises:
        BadInput: The folder holds another benchmark, or cannot be written.
        PlannerError: Planner or perception cannot be loaded.
    """
    _claim(folder, options)
    jobs = jobs_of(options, folder)
    records = {record.id: record for record in stored(folder)}
    missing = [job for job in jobs if job.id not in records]
    limit = SLOWEST * options.deadline + GRACE
    ends = execute(missing) if execute is not None else run_jobs(Runner, options, missing, workers, limit)
    try:
        with closing(ends):  # whatever ends this, no process stays behind
            for done in ends:
                record = EpisodeRecord.from_json(done.value) if not done.error else _lost(done.job, done.error)
                text = json.dumps(plain(record.as_json()), indent=1) + "\n"
                write_whole(folder / "episodes" / f"{record.id}.json", text)
                records[record.id] = record
                told(record, len(records), len(jobs))
    except Unusable as error:
        raise PlannerError(f"{options.combination} cannot be run: {error}") from None
    wanted = {job.id for job in jobs}
    return [record for record in _in_order(records.values(), jobs) if record.id in wanted]


def _in_order(records: Any, jobs: Sequence[Job]) -> list[EpisodeRecord]:
    place = {job.id: number for number, job in enumerate(jobs)}
    return sorted(records, key=lambda record: place.get(record.id, len(place)))


def _lost(job: Job, error: str) -> EpisodeRecord:
    """An episode that took its process with it counts as a failure."""
    return EpisodeRecord(job.id, job.family, job.seed, "", "done", False, "error", error=error)


def _claim(folder: Path, options: BenchOptions) -> None:
    """Make the folder this benchmark's, or see that it is."""
    path = folder / "options.json"
    mine = {**asdict(options), "families": list(options.families)}
    free = ("episodes", "families", "videos")  # more of the same may be added to what is there
    try:
        if path.is_file():
            theirs = json.loads(path.read_text(encoding="utf-8"))
            theirs.setdefault("backend", BenchOptions.backend)  # of an earlier version
            other = [key for key in mine if key not in free and theirs.get(key) != mine[key]]
            if other:
                told = ", ".join(f"{key} {theirs.get(key)!r}, now {mine[key]!r}" for key in other)
                raise BadInput(f"{folder} holds another benchmark ({told}); give another --out")
        write_whole(path, json.dumps(mine, indent=1) + "\n")
        (folder / "episodes").mkdir(exist_ok=True)
    except (OSError, ValueError, AttributeError) as error:
        raise BadInput(f"--out {folder}: cannot be used ({error})") from None


def stored(folder: Path) -> Iterator[EpisodeRecord]:
    """Records that are there.

    Raises:
        BadInput: One of them is damaged or of another version.
    """
    for path in sorted((folder / "episodes").glob("*.json")):
        try:
            yield EpisodeRecord.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise BadInput(f"{path}: not a record of this version ({error}); remove it to run it again") from None


def run_combinations(
    options: BenchOptions,
    folder: Path,
    workers: int,
    told: Callable[[str, EpisodeRecord, int, int], None],
    combinations: Sequence[str] = COMBINATIONS,
) -> dict[str, list[EpisodeRecord]]:
    """The same episodes with each planner and perception, the given one first."""
    names = [options.combination, *(name for name in combinations if name != options.combination)]
    return {
        name: run_bench(
            options if name == options.combination else options.like(name),
            folder / name.replace(" ", ""),
            workers,
            lambda record, done, total, name=name: told(name, record, done, total),  # type: ignore[misc]
        )
        for name in names
    }


def summary(options: BenchOptions, records: dict[str, list[EpisodeRecord]]) -> dict[str, Any]:
    """All figures, JSON-ready."""
    return {
        "options": {**asdict(options), "families": list(options.families)},
        "machine": machine(),
        "versions": versions(),
        "combinations": {
            name: {
                "all": figures(found).as_json(),
                "families": {family: f.as_json() for family, f in by_family(found).items()},
            }
            for name, found in records.items()
        },
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        pass
    return {"processor": model, "cores": os.cpu_count(), "system": platform.platform()}
