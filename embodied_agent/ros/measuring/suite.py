"""`bench ros`: the fault exercises in their long form, and the image stream; one result for all of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from embodied_agent.account import versions
from embodied_agent.benchmark.runner import machine
from embodied_agent.errors import RobotError
from embodied_agent.ros.faults.exercises import Finding, exercise
from embodied_agent.ros.faults.rig import Rig
from embodied_agent.ros.measuring.images import ImageWatch
from embodied_agent.ros.measuring.possible import claim
from embodied_agent.ros.measuring.rows import Row, exercise_rows, stream_rows

CAMERA, RATES = "overhead", {"overhead_rate": 30.0, "wrist_rate": 15.0}
IMAGES = "images"


@dataclass(frozen=True)
class RosBenchOptions:
    """How much is measured; 0 leaves something out.

    Attributes:
        goals: In a row.
        cancels, stops: At random moments of a motion.
        faults: Rounds of each fault: model killed, driver killed, camera, joint states and transforms
            silent, controller down.
        signals: Rounds of SIGINT and SIGTERM to node and driver.
        seconds: That images are watched [s].
        robot: Simulated.
        seed: Of the random moments.
        domain: ROS domain that nobody else is in.
    """

    goals: int = 200
    cancels: int = 50
    stops: int = 50
    faults: int = 10
    signals: int = 2
    seconds: float = 30.0
    robot: str = "panda"
    seed: int = 0
    domain: int = 0

    def counts(self) -> dict[str, int]:
        """Exercises to do, and how often; those that break processes last."""
        faults = (
            "camera_silent",
            "joint_states_silent",
            "tf_silent",
            "controller_down",
            "node_paused",
            "model_killed",
        )
        counts = {"many_goals": self.goals, "cancel_at_random": self.cancels, "stop_at_random": self.stops}
        counts["malformed_goals"] = min(1, self.faults)
        counts |= dict.fromkeys((*faults, "driver_killed"), self.faults) | {"signals": self.signals}
        return {name: count for name, count in counts.items() if count}


@dataclass(frozen=True)
class Part:
    """One exercise, or the images: what was found, and its rows."""

    finding: Finding
    rows: tuple[Row, ...]


# Called with a part's name, how much of it is done, and how much there is.
Told = Callable[[str, int, int], None]


def run_suite(options: RosBenchOptions, folder: Path, told: Told) -> Generator[Part, None, None]:
    """Do everything, part by part.

    Args:
        options: How much.
        folder: For logs.
        told: Hears of the progress.

    Raises:
        RobotError: Somebody else is in the domain, or driver or node cannot be started.
    """
    claim(options.domain)
    waiting = list(options.counts().items())
    number = 0
    while waiting:
        number += 1
        with ExitStack() as stack:
            try:
                rig = stack.enter_context(Rig(folder / f"exercises{number}", options.domain, robot=options.robot))
            except RobotError as error:
                if number == 1:
                    raise
                yield Part(Finding(waiting.pop(0)[0], (f"broke off: no new start: {error}",)), ())
                continue
            yield from _exercises(rig, waiting, options.seed, told)
    if options.seconds:
        yield _images(options, folder, told)


def _exercises(rig: Rig, waiting: list[tuple[str, int]], seed: int, told: Told) -> Iterator[Part]:
    """Those that wait, until one breaks off: what it left behind is not known, and the next wants a new rig."""
    while waiting:
        name, count = waiting.pop(0)
        rig.told = lambda done, name=name, count=count: told(name, min(done, count), count)  # type: ignore[misc]
        rig.told(0)
        found = exercise(rig, name, count, seed)
        yield Part(found, tuple(exercise_rows(found.name, found.numbers)))
        if not _whole(found):
            return


def _whole(found: Finding) -> bool:
    return not any(problem.startswith("broke off") for problem in found.problems)


def _images(options: RosBenchOptions, folder: Path, told: Told) -> Part:
    """The camera at its full rate, with the node listening too."""
    span, asked = int(options.seconds), RATES["overhead_rate"]
    name = f"{IMAGES} of {CAMERA}"
    told(IMAGES, 0, span)
    try:
        with Rig(folder / IMAGES, options.domain, robot=options.robot, driver_parameters=RATES) as rig:
            before = rig.agent.usage()[0]
            with ImageWatch(options.domain, CAMERA) as watch:
                found = watch.watch(options.seconds, asked, lambda done: told(IMAGES, min(done, span), span))
            told(IMAGES, span, span)
            said = rig.client.sentence(f"camera {CAMERA}")
            memory = (before, rig.agent.usage()[0])
    except RobotError as error:
        return Part(Finding(name, (f"broke off: {error}",)), ())
    problems = [f"{found.lost} of {found.received + found.lost} images were lost"] if found.lost else []
    numbers = {**found.as_json(), "width": watch.size[0], "height": watch.size[1], "memory_mb": memory}
    finding = Finding(name, tuple(problems), numbers, (f"the node says: {said}",))
    return Part(finding, tuple(stream_rows(name, found, memory)))


def result(options: RosBenchOptions, parts: list[Part]) -> dict[str, Any]:
    """Everything, JSON-ready."""
    return {
        "ok": all(part.finding.ok for part in parts),
        "options": asdict(options),
        "machine": machine(),
        "versions": ros_versions(),
        "parts": [
            {**asdict(part.finding), "ok": part.finding.ok, "rows": [asdict(row) for row in part.rows]}
            for part in parts
        ],
    }


def ros_versions() -> Mapping[str, str]:
    """Of the packages that decide a result, ROS's own among them."""
    found = dict(versions())
    with suppress(metadata.PackageNotFoundError):
        found["rclpy"] = metadata.version("rclpy")
    if distribution := os.environ.get("ROS_DISTRO"):
        found["ROS"] = distribution
    with suppress(ImportError):
        from rclpy.utilities import get_rmw_implementation_identifier

        found["middleware"] = get_rmw_implementation_identifier()
    return found
