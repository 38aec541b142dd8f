"""The honest account of one run: what was asked, planned, done and measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import metadata
from typing import Any

from embodied_agent.program.events import Event

# What the agent says of a run, from its own sensors; the simulator's truth never enters here.
DONE, FAILED, REFUSED, ASKED, CANCELLED, STOPPED = (
    "done",
    "failed",
    "refused",
    "asked",
    "cancelled",
    "stopped",
)

PACKAGES = (
    "embodied_agent",
    "numpy",
    "mujoco",
    "mink",
    "ompl",
    "toppra",
    "open3d-cpu",
    "torch",
    "transformers",
)


@dataclass(frozen=True)
class Account:
    """Everything `run --json` prints.

    Attributes:
        command: What the person said.
        points: Clicked pixels.
        program: The last program, as text; "" if none was accepted.
        programs: Every program tried, oldest first.
        grounding: What the planner understood, one line a phrase.
        verdict: "done", "failed", "refused", "asked", "cancelled" or "stopped", by sensors.
        message: One sentence: the answer, or the failing node with what was measured.
        remarks: What the program said on the way.
        nodes: The last event of every node of every program run, in the order of starting.
        timings: plan_s, command_to_motion_s (None if nothing moved), total_s, asked_s (that a person took
            to consent, where one was asked), and the planner's own.
        seed, robot, planner, perception: How it was run.
        speed_scale: Share of every speed limit that was used, (0, 1].
        audit: Decisions of the safety supervisor.
        versions: Of the packages that matter.
        truth: The simulator's final state, which only benchmark and report read; None on a real robot.
    """

    command: str
    points: tuple[tuple[float, float], ...]
    program: str
    programs: tuple[str, ...]
    grounding: tuple[str, ...]
    verdict: str
    message: str
    remarks: tuple[str, ...]
    nodes: tuple[Event, ...]
    timings: Mapping[str, float | None]
    seed: int
    robot: str
    planner: str
    perception: str
    audit: tuple[Mapping[str, Any], ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    truth: Mapping[str, Any] | None = None
    speed_scale: float = 1.0

    def as_json(self) -> dict[str, Any]:
        """A dictionary that `json.dumps` takes as it is."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return plain | {"nodes": [event.as_json() for event in self.nodes]}


def versions() -> dict[str, str]:
    """Python and the packages that decide a result, those that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
