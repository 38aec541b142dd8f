"""The goals of a bag: what each program did, told again as the events of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from embodied_agent.account import versions
from embodied_agent.ros.bag.reading import Bag, seconds

TREE = "embodied_agent_interfaces/msg/ProgramTree"
# Numbers of embodied_agent_interfaces/ProgramNode.
RUNNING, SKIPPED = 1, 4
KINDS = {1: "started", 2: "succeeded", 3: "failed", 4: "skipped", 5: "cancelled"}


@dataclass
class Goal:
    """One goal of an agent, as its tree told it.

    Attributes:
        instruction: What was asked.
        start, end: Time of the first and the last tree [s], robot's clock.
        verdict: "done", "failed" ...; "" where the bag ends before the goal does.
        programs: Those that were accepted, oldest first.
        events: As `events.jsonl` has them, in order; `time` counts from `start`.
    """

    instruction: str
    start: float
    end: float
    verdict: str = ""
    programs: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    _program: list[dict[str, Any]] = field(default_factory=list)  # events of the program that runs
    _known: dict[str, tuple[int, int]] = field(default_factory=dict)  # path -> attempt, status

    def tell(self, tree: Any) -> None:
        """Take in one more ProgramTree of this goal."""
        self.end = max(self.end, seconds(tree.header.stamp))
        self.verdict = tree.verdict or self.verdict
        if tree.program and (not self.programs or tree.program != self.programs[-1]):
            self._finish()
            self.programs.append(tree.program)
            when = round(seconds(tree.header.stamp) - self.start, 4)
            self.events.append({"type": "plan", "program": tree.program, "time": when})
        for node in tree.nodes:
            self._node(node)

    def _node(self, node: Any) -> None:
        now, known = (int(node.attempt), int(node.status)), self._known.get(node.path)
        if now == known:
            return
        self._known[node.path] = now
        time, duration = seconds(node.stamp) - self.start, seconds(node.duration)
        again = known is not None and known == (now[0], RUNNING)
        if not again and node.status != SKIPPED:
            self._program.append(_event(node, "started", time - duration, 0.0))
        if node.status != RUNNING:
            self._program.append(_event(node, KINDS.get(node.status, "failed"), time, duration))

    def _finish(self) -> None:
        """Put the events of the program that ran in order of time."""
        self.events += sorted(self._program, key=lambda event: float(event["time"]))
        self._program, self._known = [], {}

    def finished(self) -> Goal:
        """The goal, once no more trees come."""
        self._finish()
        return self

    def account(self, robot: str = "") -> dict[str, Any]:
        """What is known of the run, in the form of `run.json`."""
        planned = next((event["time"] for event in self.events if event.get("type") == "plan"), None)
        last = {event["path"]: event for event in self.events if event.get("kind", "started") != "started"}
        failed = [event for event in last.values() if event["kind"] in ("failed", "cancelled")]
        # The deepest of those that failed says why.
        deepest = max(failed, key=lambda event: (event["kind"] == "failed", len(event["path"])), default=None)
        found: dict[str, Any] = {
            "command": self.instruction,
            "verdict": self.verdict or "broken off",
            "message": "" if deepest is None or self.verdict == "done" else _why(deepest),
            "program": self.programs[-1] if self.programs else "",
            "programs": self.programs,
            "nodes": list(last.values()),
            "timings": {"plan_s": planned, "total_s": round(self.end - self.start, 4)},
            "versions": versions(),
        }
        return found | ({"robot": robot} if robot else {})


def _event(node: Any, kind: str, time: float, duration: float) -> dict[str, Any]:
    ended = kind != "started"
    return {
        "kind": kind, "path": node.path, "label": node.label, "level": node.level, "line": int(node.line),
        "source": node.source, "time": round(max(0.0, time), 4), "duration": round(duration, 4),
        "evidence": _evidence(node.evidence) if ended else {}, "reason": node.reason if ended else "",
        "attempt": int(node.attempt),
    }  # fmt: skip


def _evidence(pairs: Iterable[Any]) -> dict[str, Any]:
    found = {}
    for pair in pairs:
        try:
            found[pair.key] = json.loads(pair.value)
        except ValueError:
            found[pair.key] = pair.value  # a text as it is
    return found


def _why(event: Mapping[str, Any]) -> str:
    return f"{event['label']}: {event['reason']}" if event["reason"] else str(event["label"])


def goals_of(bag: Bag) -> list[Goal]:
    """Every goal of a bag, in the order of starting."""
    found: dict[bytes, Goal] = {}
    for message in bag.messages(types=[TREE]):
        tree = message.data
        identity = bytes(tree.goal_id.uuid)
        if identity not in found:
            stamp = seconds(tree.header.stamp)
            found[identity] = Goal(tree.instruction, stamp, stamp)
        found[identity].tell(tree)
    return [goal.finished() for goal in found.values()]
