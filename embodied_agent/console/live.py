"""The program as a tree in the terminal, alive while it runs; plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from types import TracebackType
from typing import Any, NamedTuple

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from embodied_agent.errors import ProgramError
from embodied_agent.program.events import Event
from embodied_agent.program.parse import parse
from embodied_agent.program.tree import ICONS, Shown, TreeView

CLOSED = ("skill", "primitive", "function")  # shown with their inside only while that matters
TOLD = ("task", "unit", "skill", "check")  # levels that print a line where there is no terminal
_EVENT_FIELDS = {field.name for field in fields(Event)}


class Line(NamedTuple):
    """One line of the drawn tree."""

    depth: int
    kind: str
    label: str
    note: str = ""


class Drawing:
    """The newest program, planned or running, as few lines as tell what goes on."""

    def __init__(self) -> None:
        self.view: TreeView | None = None

    def tell(self, event: Mapping[str, Any]) -> Event | None:
        """Take in one event of the run; returns it if it is about a node."""
        if event.get("type") == "plan":
            try:
                self.view = TreeView(parse(str(event.get("program", ""))))
            except ProgramError:
                self.view = None
            return None
        if "kind" not in event or self.view is None:
            return None
        try:
            told = Event(**{key: value for key, value in event.items() if key in _EVENT_FIELDS})
            self.view.update(told)
        except (TypeError, KeyError, AttributeError):  # a line of another version
            return None
        return told

    def lines(self) -> list[Line]:
        """All lines, from the task down."""
        return list(self._lines(self.view.shown[self.view.root], 0)) if self.view is not None else []

    def _lines(self, shown: Shown, depth: int) -> Iterator[Line]:
        assert self.view is not None
        event = shown.event
        yield Line(depth, event.kind if event else "pending", shown.label, _note(event) if event else "")
        if event is not None and event.level in CLOSED and event.kind not in ("started", "failed", "cancelled"):
            return
        for path in shown.children:
            child = self.view.shown[path]
            inside = event is not None and event.level in CLOSED
            if inside and (child.event is None or child.event.kind in ("succeeded", "skipped")):
                continue
            yield from self._lines(child, depth + 1)


def _worth_a_line(event: Event) -> bool:
    """The end of a part of the task itself, not of a skill's inside."""
    ended = event.kind != "started" and not event.source
    return ended and (event.level in TOLD or event.kind == "failed")


def _note(event: Event) -> str:
    notes = []
    if event.kind in ("succeeded", "failed", "cancelled") and event.duration >= 0.05:
        notes.append(f"{event.duration:.1f} s")
    if event.attempt > 1:
        notes.append(f"try {event.attempt}")
    if event.reason and "cause" not in event.evidence:
        notes.append(event.reason)
    return "  ".join(notes)


class LiveTree:
    """Shows a run while it happens. A context manager.

    Args:
        console: Where to; on a terminal the tree is redrawn in place, else the plan is printed
            once, and then one line for every finished part of the task.
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
        """What goes on beside the tree, e.g. "planning"; "" = nothing."""
        if words and words != self._status and self._live is None:
            self._console.print(Text(f"{words} ..."))
        self._status = words

    def tell(self, event: Mapping[str, Any]) -> None:
        """Show one event."""
        told = self._drawing.tell(event)
        if self._live is not None:
            return
        if event.get("type") == "plan":
            for line in self._drawing.lines():
                self._print(line)
        elif told is not None and _worth_a_line(told):
            self._print(Line(told.path.count("."), told.kind, told.label, _note(told)))

    def pause(self) -> None:
        """Stop redrawing, so that a question can be asked."""
        if self._live is not None:
            self._live.stop()

    def resume(self) -> None:
        """Go on redrawing."""
        if self._live is not None:
            self._live.start()

    def _print(self, line: Line) -> None:
        self._console.print(_text(line), soft_wrap=True)

    def _draw(self) -> RenderableType:
        lines = self._drawing.lines()
        room = max(4, self._console.height - 3)
        if len(lines) > room:  # keep what runs in view
            running = [i for i, line in enumerate(lines) if line.kind == "started"]
            start = max(0, min((running[-1] if running else 0) - room // 2, len(lines) - room))
            lines = lines[start : start + room]
        shown: list[RenderableType] = [_text(line) for line in lines]
        if self._status:
            shown.append(Text(f"{self._status} ...", style="dim"))
        return Group(*shown)


def _text(line: Line) -> Text:
    icon, style = ICONS[line.kind]
    drawn = Text("  " * line.depth, no_wrap=True, overflow="ellipsis")
    drawn.append(f"{icon} ", style)
    drawn.append(line.label, "dim" if line.kind in ("pending", "skipped") else "")
    if line.note:
        drawn.append(f"  {line.note}", "red" if line.kind == "failed" else "dim")
    return drawn
