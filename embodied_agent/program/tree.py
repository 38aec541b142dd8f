"""The tree that a person watches: what the program says, and what happened at each node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from embodied_agent.program import nodes
from embodied_agent.program.events import Event, parent_path
from embodied_agent.program.render import label

ICONS = {
    "pending": ("○", "dim"), "started": ("◐", "cyan"), "succeeded": ("●", "green"),
    "failed": ("✗", "bold red"), "skipped": ("–", "dim"), "cancelled": ("■", "yellow"),
}  # fmt: skip
EVIDENCE = 90  # characters
_QUIET = ("attempts", "failures", "cause", "chosen", "condition")  # shown by the nodes themselves


@dataclass
class Shown:
    """One node as drawn.

    Attributes:
        label: The node as the program writes it.
        event: Its newest event; None = not yet reached.
        children: Paths of the nodes inside it, in the order they were met.
    """

    label: str
    event: Event | None = None
    children: list[str] = field(default_factory=list)


class TreeView:
    """Grows with the events of a run; `draw` gives what is known at any moment.

    Args:
        program: Its statements are shown from the start, as pending.
    """

    def __init__(self, program: nodes.Program) -> None:
        self.root = program.task.path
        self.shown: dict[str, Shown] = {self.root: Shown(label(program.task))}
        self._expect(program.task)

    def _expect(self, statement: nodes.Statement) -> None:
        for child in nodes.children(statement):
            self.shown[child.path] = Shown(label(child))
            self.shown[statement.path].children.append(child.path)
            self._expect(child)

    def update(self, event: Event) -> None:
        """Take in an event; made to be passed to `run` as `emit`."""
        path = event.path
        if path not in self.shown:
            self._insert(path, event)
        shown = self.shown[path]
        if event.kind == "started" and shown.event is not None:
            for child in shown.children:  # it runs again: what is inside is pending once more
                self._reset(child)
        shown.event, shown.label = event, event.label

    def _insert(self, path: str, event: Event) -> None:
        parent = self.shown.get(parent_path(path)) or self.shown[self.root]
        if path.endswith("]"):  # rounds take the place of the loop's body
            for child in [c for c in parent.children if not c.endswith("]")]:
                self._forget(child)
                parent.children.remove(child)
        self.shown[path] = Shown(event.label)
        parent.children.append(path)

    def _forget(self, path: str) -> None:
        for child in self.shown.pop(path).children:
            self._forget(child)

    def _reset(self, path: str) -> None:
        self.shown[path].event = None
        for child in self.shown[path].children:
            self._reset(child)

    def draw(self, *, depth: int | None = None) -> Tree:
        """The tree as it stands.

        Args:
            depth: Levels below the task to show; None = all.
        """
        tree = Tree(_line(self.shown[self.root]), guide_style="dim")
        self._branch(tree, self.shown[self.root], depth)
        return tree

    def _branch(self, tree: Tree, shown: Shown, depth: int | None) -> None:
        if depth is not None and depth <= 0:
            return
        for path in shown.children:
            child = self.shown[path]
            self._branch(tree.add(_line(child)), child, None if depth is None else depth - 1)


def tree(program: nodes.Program, events: Iterable[Event] = ()) -> Tree:
    """Draw a program with what happened to it.

    Args:
        program: The program.
        events: As a run emitted them, or as its outcome holds them; () = nothing ran.
    """
    view = TreeView(program)
    for event in events:
        view.update(event)
    return view.draw()


def _line(shown: Shown) -> Group | Text:
    event = shown.event
    icon, style = ICONS[event.kind if event else "pending"]
    line = Text.assemble((f"{icon} ", style), (shown.label, "dim" if icon in "○–" else ""))
    if event is None:
        return line
    if event.kind not in ("started", "skipped") and event.duration >= 0.05:
        line.append(f"  {event.duration:.1f} s", "dim")
    if event.attempt > 1:
        line.append(f"  try {event.attempt}", "yellow")
    if event.reason and "cause" not in event.evidence:
        return Group(line, Text(f"  {event.reason}", "red" if event.kind == "failed" else "yellow"))
    if summary := evidence_text(event.evidence):
        line.append(f"  {summary}", "dim")
    return line


def evidence_text(evidence: Mapping[str, Any]) -> str:
    """The evidence in one short line."""
    words = [f"{key} {_short(value)}" for key, value in evidence.items() if key not in _QUIET]
    text = ", ".join(words)
    return text if len(text) <= EVIDENCE else text[: EVIDENCE - 3] + "..."


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} {_short(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_short, value)) + "]"
    return str(value)
