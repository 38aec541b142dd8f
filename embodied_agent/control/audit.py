"""What the supervisor decided, one line each: in memory for the report, and as JSON for a log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

MAX_RECORDS = 20_000


@dataclass(frozen=True)
class Decision:
    """One line of the audit.

    Attributes:
        stamp: Back end time [s].
        wall: Wall clock, seconds since 1970.
        verb: "follow", "grip", "wait", "stop", "reset", "capture" or "speed_scale".
        decision: "allowed", "refused", "stopped", "latched", "done", "reset" or "set".
        reason: With numbers; "" where there is none to give.
        numbers: What was asked for or measured, JSON-ready.
    """

    stamp: float
    wall: float
    verb: str
    decision: str
    reason: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "stamp": round(self.stamp, 4),
            "wall": round(self.wall, 3),
            "verb": self.verb,
            "decision": self.decision,
            "reason": self.reason,
            "numbers": dict(self.numbers),
        }


class Audit:
    """Keeps the newest decisions.

    Args:
        now: Reads the back end's clock [s].
        log: Receives each decision as one line of JSON.
    """

    def __init__(self, now: Callable[[], float], log: TextIO | None = None) -> None:
        self.decisions: list[Decision] = []
        self._now, self._log = now, log

    def record(self, verb: str, decision: str, reason: str = "", numbers: Mapping[str, Any] | None = None) -> None:
        """Write one down; the oldest are dropped in time."""
        entry = Decision(self._now(), time.time(), verb, decision, reason, dict(numbers or {}))
        self.decisions.append(entry)
        if len(self.decisions) > MAX_RECORDS:
            del self.decisions[: MAX_RECORDS // 10]
        if self._log is not None:
            self._log.write(json.dumps(entry.as_json()) + "\n")
            self._log.flush()
