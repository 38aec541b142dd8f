"""How fast it is: real commands on real scenes, each stage timed where it happens."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from embodied_agent.account import versions
from embodied_agent.agent import Listeners
from embodied_agent.assembly import Assembly, Minds
from embodied_agent.benchmark.metrics import spread
from embodied_agent.benchmark.runner import machine
from embodied_agent.benchmark.suites import Episode, episode
from embodied_agent.errors import EmbodiedAgentError
from embodied_agent.setup import Setup

FAMILIES = ("place_in", "open", "place_on", "press", "stack")  # long and short sentences and motions
LONGEST_RUN = 40.0  # [s] of one timed command
CAMERA_PERIOD = 0.1  # [s] between pictures while physics is timed
PHYSICS = 2.0  # [s] of simulated time per measurement


@dataclass(frozen=True)
class Target:
    """A figure, and what it should be."""

    what: str
    unit: str
    limit: float
    at_least: bool = False


TARGETS = {
    "plan": Target("planner", "s", 1.0),
    "motion": Target("command to first motion", "s", 1.5),
    "perception": Target("perception of one 640x480 frame", "ms", 200),
    "path": Target("motion plan", "ms", 200),
    "physics": Target("physics with cameras at 10 Hz", "x real time", 2.0, at_least=True),
    "memory": Target("peak memory of `run`", "MB", 2000),
    "masking": Target("grammar masking in decoding", "%", 10),
}


@dataclass
class Samples:
    """Measurements by figure, in the figure's unit; and what could not be measured, with the reason."""

    values: dict[str, list[float]] = field(default_factory=lambda: {key: [] for key in TARGETS})
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, value: float | None) -> None:
        """Keep a measurement that came about."""
        if value is not None:
            self.values[key].append(value)


def measure(repeats: int, setup: Setup, told: Callable[[str], None] = lambda words: None) -> dict[str, Any]:
    """Time everything.

    Args:
        repeats: Commands run; other figures have about as many measurements.
        setup: Robot, planner and perception; its seed is the first of the drawn scenes'.
        told: Called with what goes on.

    Returns:
        "figures" (n, p50, p95, target, met), "machine", "versions", "seed", "robot", "planner".

    Raises:
        EmbodiedAgentError: The planner or the robot cannot be used.
    """
    setup = replace(setup, seconds=LONGEST_RUN)
    samples = Samples()
    minds = Minds(setup)
    for number in range(repeats):
        drawn = episode(FAMILIES[number % len(FAMILIES)], setup.seed + number)
        told(f"{number + 1}/{repeats} {drawn.command.text}")
        _one(drawn, setup, minds, samples, warm=number > 0)
    told("peak memory of a whole run")
    _memory(setup, samples)
    return {
        "figures": [_row(key, target, samples) for key, target in TARGETS.items()],
        "machine": machine(), "versions": versions(), "seed": setup.seed, "robot": setup.robot,
        "planner": setup.planner, "perception": setup.perception, "repeats": repeats, "missing": samples.missing,
    }  # fmt: skip


def _one(drawn: Episode, setup: Setup, minds: Minds, samples: Samples, warm: bool) -> None:
    """Everything that one scene can tell. The first command also loads code, and is not counted."""
    mine = replace(setup, scene=drawn.scene, seed=drawn.seed)
    with Assembly(mine, minds) as assembly:
        backend = assembly.backend
        goal = drawn.goal if setup.planner == "scripted" else None
        paths: list[float] = []

        def listen(event: Any) -> None:
            planned = event.evidence.get("planned_s") if event.kind == "succeeded" else None
            if planned is not None and event.evidence.get("method") != "none":
                paths.append(1000 * planned)

        try:
            account = assembly.agent.run(drawn.command, goal=goal, listeners=Listeners(event=listen))
        except EmbodiedAgentError as error:
            samples.missing["plan"] = f"{drawn.family}-{drawn.seed}: {error}"
            return
        for milliseconds in paths:
            samples.add("path", milliseconds)
        if not warm:
            return
        timings = account.timings
        if len(account.programs) == 1:
            samples.add("plan", timings.get("plan_s"))
        samples.add("motion", timings.get("command_to_motion_s"))
        samples.add("masking", _masking_share(timings))
        samples.add("perception", 1000 * _perception(assembly))
        samples.add("physics", _physics(backend))


def _masking_share(timings: Mapping[str, float | None]) -> float | None:
    masking, decoding = timings.get("masking_s"), timings.get("decode_s")
    return None if masking is None or not decoding else 100 * masking / decoding


def _perception(assembly: Assembly) -> float:
    """Seconds from a new frame to measured things: names of pixels, clouds, boxes, memory."""
    from embodied_agent.perception.scene import Scene

    frame = assembly.backend.capture(assembly.backend.cameras[0])
    scene = Scene(assembly.minds.grounder(assembly.backend))
    spheres = assembly.agent.arm.spheres()
    start = time.perf_counter()
    scene.look(frame, robot_spheres=spheres)
    return time.perf_counter() - start


def _physics(backend: Any) -> float:
    """Simulated over real seconds, both cameras read every 0.1 s."""
    start, begun = time.perf_counter(), backend.now()
    while backend.now() - begun < PHYSICS:
        backend.wait(CAMERA_PERIOD)
        for camera in backend.cameras:
            backend.capture(camera)
    return float((backend.now() - begun) / (time.perf_counter() - start))


def _memory(setup: Setup, samples: Samples) -> None:
    """Peak resident memory of `run` in a process of its own, with all its output files."""
    if setup.planner == "scripted":
        samples.missing["memory"] = "planner scripted cannot be run from the command line"
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-c", _MEASURED, "run", "put the red cube in the bowl", "--scene", "blocks",
            "--seed", str(setup.seed), "--robot", setup.robot, "--planner", setup.planner, "--out", folder,
            "--json", "--perception", setup.perception,
            *(["--planner-url", setup.planner_url] if setup.planner_url else []),
            *(["--model", setup.model] if setup.model else []),
        ]  # fmt: skip
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        except subprocess.TimeoutExpired:
            samples.missing["memory"] = "`run` took longer than 300 s"
            return
    found = re.search(r"^peak_kb (\d+)$", ended.stderr, re.MULTILINE)
    if found is None or ended.returncode not in (0, 10, 11, 12):
        lines = ended.stderr.strip().splitlines() or ["nothing said"]
        samples.missing["memory"] = f"`run` ended with {ended.returncode}: {lines[-1][:200]}"
        return
    samples.add("memory", int(found[1]) / 1024)


_MEASURED = """
import resource, sys
from embodied_agent.cli import main
code = main(sys.argv[1:])
print(f"peak_kb {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}", file=sys.stderr)
sys.exit(code)
"""


def _row(key: str, target: Target, samples: Samples) -> dict[str, Any]:
    found = spread(samples.values[key])
    sign = ">=" if target.at_least else "<"
    met = None
    if found.p50 is not None:
        met = found.p50 >= target.limit if target.at_least else found.p50 < target.limit
    return {
        "what": target.what, "unit": target.unit, "n": found.n, "p50": found.p50, "p95": found.p95,
        "p50_text": _shown(found.p50, target), "p95_text": _shown(found.p95, target),
        "target": f"{sign} {target.limit:g} {target.unit}", "met": met, "values": samples.values[key],
    }  # fmt: skip


def _shown(value: float | None, target: Target) -> str:
    if value is None:
        return "–"
    return f"{value:.2f} {target.unit}" if value < 10 else f"{value:.0f} {target.unit}"
