"""The tree of a run, told from its events: the same for a finished, a failed and a broken-off run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from embodied_agent.program.events import parent_path

STATUS_OF = {
    "started": "running",
    "succeeded": "success",
    "failed": "failure",
    "skipped": "skipped",
    "cancelled": "cancelled",
}
MARKS = {"running": "…", "success": "✓", "failure": "✗", "skipped": "–", "cancelled": "■"}


@dataclass
class Item:
    """One node as it ran. Times are seconds from the start of the run."""

    path: str
    label: str
    level: str = ""
    status: str = "running"
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    start: float = 0.0
    duration: float = 0.0
    attempt: int = 1
    children: list[Item] = field(default_factory=list)
    frames: list[Mapping[str, Any]] = field(default_factory=list)

    def walk(self) -> Iterable[Item]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass
class Story:
    """All that the events of a run say.

    Attributes:
        trees: One for each program that ran, oldest first.
        frames: Key frames that belong to no node ("before", "after", perception of the planner).
        plans: Events of type "plan": program, grounding, seconds.
        notes: Every other event, e.g. decisions of the safety supervisor.
        end: Time of the last event [s].
    """

    trees: list[Item] = field(default_factory=list)
    frames: list[Mapping[str, Any]] = field(default_factory=list)
    plans: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[Mapping[str, Any]] = field(default_factory=list)
    end: float = 0.0
    _open: dict[str, Item] = field(default_factory=dict)

    def tell(self, event: Mapping[str, Any]) -> Item | None:
        """Take in one event; returns the node that it changed."""
        kind = event.get("type", "")
        if kind == "frame":
            item = self._open.get(str(event.get("path", "")))
            (item.frames if item is not None else self.frames).append(event)
            return item
        if kind == "plan":
            self.plans.append(event)
            return None
        if event.get("kind") not in STATUS_OF or not isinstance(event.get("path"), str):
            self.notes.append(event)
            return None
        return self._node(event)

    def _node(self, event: Mapping[str, Any]) -> Item:
        path, time = event["path"], _number(event.get("time"))
        self.end = max(self.end, time)
        item = self._open.get(path)
        starts = event["kind"] == "started" or item is None or item.status != "running"
        if starts:
            item = Item(path, str(event.get("label", path)), str(event.get("level", "")), start=time)
            self._attach(item)
            self._open[path] = item
        assert item is not None
        item.status = STATUS_OF[event["kind"]]
        item.attempt = int(_number(event.get("attempt"), 1))
        item.reason = str(event.get("reason") or "")
        evidence = event.get("evidence")
        item.evidence = evidence if isinstance(evidence, Mapping) else {}
        if event["kind"] != "started":
            item.duration = _number(event.get("duration"))
            if starts:
                item.start = max(0.0, time - item.duration)
        return item

    def _attach(self, item: Item) -> None:
        above = parent_path(item.path)
        while above and above not in self._open:
            above = parent_path(above)
        if above:
            self._open[above].children.append(item)
        else:
            self.trees.append(item)
            self._open.clear()  # a new program: its paths begin anew


def story_of(events: Iterable[Mapping[str, Any]]) -> Story:
    """The story that events tell."""
    story = Story()
    for event in events:
        story.tell(event)
    return story


def _number(value: Any, default: float = 0.0) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default
