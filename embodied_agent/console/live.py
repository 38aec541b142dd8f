"""The program as a tree in the terminal, alive while it runs; plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from embodied_agent.errors import ProgramError
from embodied_agent.program import nodes
from embodied_agent.program.parse import parse
from embodied_agent.program.render import label
from embodied_agent.story import Item, Story

LOOK = {
    "pending": ("·", "dim"),
    "running": ("▶", "bold yellow"),
    "success": ("✓", "green"),
    "failure": ("✗", "bold red"),
    "skipped": ("–", "dim"),
    "cancelled": ("■", "magenta"),
}
LOUD = ("failure", "running", "cancelled")  # a node of these is followed into the skill that it calls


@dataclass(frozen=True)
class Line:
    """One line of the drawn tree."""

    depth: int
    label: str
    status: str
    note: str = ""


class Drawing:
    """The newest program, planned or running, as lines."""

    def __init__(self) -> None:
        self.story = Story()
        self.program: nodes.Program | None = None
        self._newest: Item | None = None

    def tell(self, event: Mapping[str, Any]) -> Item | None:
        """Take in one event of the run."""
        if event.get("type") == "plan":
            try:
                self.program = parse(str(event.get("program", "")))
            except ProgramError:
                self.program = None
            self._newest = None
        before = len(self.story.trees)
        changed = self.story.tell(event)
        if len(self.story.trees) > before:
            self._newest = self.story.trees[-1]
        return changed

    def lines(self) -> list[Line]:
        """All lines, from the task down."""
        if self.program is None:
            return list(_ran(self._newest, 0)) if self._newest is not None else []
        return list(_planned(self.program.task, self._newest, 0))


def _planned(node: nodes.Statement, item: Item | None, depth: int) -> Iterator[Line]:
    """A statement of the program, with what became of it."""
    if item is None:
        yield Line(depth, label(node), "pending")
    else:
        yield _line(item, depth, label(node))
    ran: dict[str, Item] = {child.path: child for child in item.children} if item is not None else {}
    rounds = [child for child in (item.children if item is not None else []) if child.path.endswith("]")]
    if rounds:  # a loop shows its newest round
        ran = {child.path.replace(rounds[-1].path, node.path): child for child in rounds[-1].children}
    planned = nodes.children(node)
    suffix = len(node.path)
    by_place = {path[suffix:] if path.startswith(node.path) else path: child for path, child in ran.items()}
    for child in planned:
        place = child.path[suffix:]
        yield from _planned(child, by_place.get(place) or _last(ran, place), depth + 1)
    if not planned and item is not None and item.status in LOUD:
        for inner in item.children:
            if inner.status in LOUD:
                yield from _ran(inner, depth + 1)


def _last(ran: Mapping[str, Item], place: str) -> Item | None:
    """The child at a place below a node whose own path grew at run time ("1.3[2]")."""
    return next((child for path, child in reversed(list(ran.items())) if path.endswith(place)), None)


def _ran(item: Item, depth: int) -> Iterator[Line]:
    yield _line(item, depth, item.label)
    for child in item.children:
        if depth == 0 or child.status in LOUD:
            yield from _ran(child, depth + 1)


def _line(item: Item, depth: int, words: str) -> Line:
    notes = [f"{item.duration:.1f} s"] if item.status in ("success", "failure", "cancelled") else []
    notes += [f"try {item.attempt}"] if item.attempt > 1 else []
    deepest = not any(child.status == item.status for child in item.children)
    notes += [item.reason] if item.reason and deepest else []
    return Line(depth, words, item.status, "  ".join(notes))


class LiveTree:
    """Shows a run while it happens. A context manager.

    Args:
        console: Where to; on a terminal the tree is redrawn in place, else every finished
            node of the program prints one line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._drawing = Drawing()
        self._status = ""
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(
                get_renderable=self._draw, console=console, refresh_per_second=8, vertical_overflow="crop"
            )

    def __enter__(self) -> LiveTree:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status = ""
        if self._live is not None:
            self._live.stop()

    def status(self, words: str) -> None:
        """What goes on beside the tree, e.g. "planning"."""
        if words != self._status:
            self._status = words
            if self._live is None and words:
                self._console.print(Text(f"{words} ..."))

    def tell(self, event: Mapping[str, Any]) -> None:
        """Show one event."""
        changed = self._drawing.tell(event)
        if self._live is not None:
            return
        if event.get("type") == "plan" and self._drawing.program is not None:
            for line in self._drawing.lines():
                self._console.print(_text(line), soft_wrap=True)
        elif changed is not None and event.get("kind") not in (None, "started") and "[" not in changed.path[-1:]:
            depth = changed.path.count(".")
            if changed.level in ("task", "unit", "skill", "check") or changed.status == "failure":
                self._console.print(_text(_line(changed, depth, changed.label)), soft_wrap=True)

    def _draw(self) -> RenderableType:
        lines = self._drawing.lines()
        room = max(4, self._console.height - 3)
        if len(lines) > room:  # keep what runs in view
            at = next((i for i, line in reversed(list(enumerate(lines))) if line.status == "running"), 0)
            start = max(0, min(at - room // 2, len(lines) - room))
            lines = lines[start : start + room]
        shown: list[RenderableType] = [_text(line) for line in lines]
        if self._status:
            shown.append(Text(f"{self._status} ...", style="dim"))
        return Group(*shown)


def _text(line: Line) -> Text:
    mark, style = LOOK[line.status]
    drawn = Text("  " * line.depth, no_wrap=True, overflow="ellipsis")
    drawn.append(f"{mark} ", style)
    drawn.append(line.label, "dim" if line.status in ("pending", "skipped") else "")
    if line.note:
        drawn.append(f"  {line.note}", "red" if line.status == "failure" else "dim")
    return drawn
