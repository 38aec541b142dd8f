"""What happened, node by node: the stream that the terminal, the report and ROS read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from embodied_agent.types import Status

KINDS = ("started", "succeeded", "failed", "skipped", "cancelled")
LEVELS = ("task", "unit", "skill", "primitive", "function", "control", "check", "compute")


@dataclass(frozen=True)
class Event:
    """One change of one node.

    Attributes:
        kind: "started", "succeeded", "failed", "skipped" or "cancelled".
        path: The node, e.g. "1.2.3"; its parent is `parent_path(path)`.
        label: The node as the program writes it, in one short line.
        level: "task", "unit", "skill", "primitive", "function", "control", "check" or "compute".
        line: Line in its source, from 1.
        source: "" for the program itself, else the skill that the node belongs to.
        time: Seconds from the start of the run.
        duration: Seconds that the node took; 0 when it starts.
        evidence: Measurements behind the outcome, JSON-ready.
        reason: Why it failed or was cancelled, one sentence; "" otherwise.
        attempt: Try of the nearest enclosing retry, from 1.
    """

    kind: str
    path: str
    label: str
    level: str
    line: int
    source: str = ""
    time: float = 0.0
    duration: float = 0.0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    attempt: int = 1

    def as_json(self) -> dict[str, Any]:
        """The event as plain values."""
        return {
            "kind": self.kind, "path": self.path, "label": self.label, "level": self.level,
            "line": self.line, "source": self.source, "time": round(self.time, 4),
            "duration": round(self.duration, 4), "evidence": dict(self.evidence),
            "reason": self.reason, "attempt": self.attempt,
        }  # fmt: skip


Emit = Callable[[Event], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: SUCCESS or FAILURE.
        verdict: "done", "failed", "refused" or "asked".
        message: What the robot says when it refused or asked; "" otherwise.
        path: The deepest node that failed, or "".
        label: That node as the program writes it.
        line: Its line in its source, and `source` as in `Event`.
        source: "" for the program itself, else the skill that it belongs to.
        statement: The deepest node of the program itself (not of a skill) that failed, or "".
        statement_label: That node as the program writes it, e.g. "pick(cube)".
        statement_line: Its line in the program.
        reason: Why it failed: which condition, what was measured, what was expected.
        evidence: The measurements behind the failure.
        events: The last event of every node that started or was skipped, in order.
        variables: The task's variables at the end, for a repaired program to go on with.
        steps: Statements that ran.
        duration: [s].
    """

    status: Status
    verdict: str
    message: str = ""
    path: str = ""
    label: str = ""
    line: int = 0
    source: str = ""
    statement: str = ""
    statement_label: str = ""
    statement_line: int = 0
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 0
    duration: float = 0.0


def parent_path(path: str) -> str:
    """The path of the node around a node; "" for the task.

    A round of a loop, "1.3[2]", lies inside the loop "1.3".
    """
    if path.endswith("]"):
        return path[: path.rindex("[")]
    return path.rpartition(".")[0]
