"""Keeping the record of a run: every node's start and end, cancel and deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from embodied_agent.errors import Cancelled
from embodied_agent.program import nodes
from embodied_agent.program.evaluate import Evaluator, Frame, NodeFailed
from embodied_agent.program.events import Emit, Event
from embodied_agent.program.render import label


class CancelToken(Protocol):
    """Such as `threading.Event`."""

    def is_set(self) -> bool:
        """Whether the run must end."""


class Returned(Exception):
    """A function's `return`."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Answered(Exception):
    """`refuse` or `ask` ended the program."""

    def __init__(self, verdict: str, message: str) -> None:
        super().__init__()
        self.verdict = verdict
        self.message = message


class Recorder(Evaluator):
    """What has happened so far, and whether to go on."""

    def __init__(
        self,
        functions: Mapping[str, nodes.FunctionDef],
        skills: Mapping[str, nodes.Skill],
        emit: Emit | None,
        cancel: CancelToken | None,
        clock: Callable[[], float],
    ) -> None:
        self.functions, self.skills = functions, skills
        self.emit, self.cancel, self.clock = emit, cancel, clock
        self.start = clock()
        self.deadline: float | None = None
        self.ended: Callable[[], str] = lambda: ""  # why the run must end, for other reasons
        self.attempt = 1
        self.events: list[Event] = []

    def tick(self) -> None:
        """Raise `Cancelled` where the run must end."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("the run was cancelled")
        if self.deadline is not None and self.clock() >= self.deadline:
            raise Cancelled(f"time ran out after {self.clock() - self.start:.1f} s")
        if reason := self.ended():
            raise Cancelled(reason)

    def tell(self, event: Event) -> None:
        """Keep an event, and pass it on."""
        if event.kind != "started":
            self.events.append(event)
        if self.emit is not None:
            self.emit(event)

    @contextmanager
    def node(self, place: nodes.Node, text: str, level: str, frame: Frame, path: str) -> Iterator[dict[str, Any]]:
        """A node that starts now, and ends with the block; yields its evidence, to be filled."""
        self.tick()
        start = self.clock()
        evidence: dict[str, Any] = {}
        event = Event(
            "started", path, text, level, place.line, frame.source, start - self.start, attempt=self.attempt
        )
        self.tell(event)
        kind, reason = "failed", ""
        try:
            yield evidence
            kind = "succeeded"
        except (Returned, Answered):
            kind = "succeeded"
            raise
        except NodeFailed as failure:
            if not failure.path:  # the deepest node
                failure.path, failure.label, failure.line = path, text, place.line
                failure.source = frame.source
                evidence.update(failure.evidence)
            elif failure.path != path:
                evidence["cause"] = failure.path
            if not failure.statement and not frame.source:  # the deepest one in the program itself
                failure.statement, failure.statement_label = path, text
                failure.statement_line = place.line
            reason = failure.reason
            raise
        except (Cancelled, KeyboardInterrupt) as error:
            kind, reason = "cancelled", str(error) or "interrupted"
            raise
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            now = self.clock()
            self.tell(
                replace(
                    event,
                    kind=kind,
                    time=now - self.start,
                    duration=now - start,
                    evidence=evidence,
                    reason=reason,
                )
            )

    def skipped(self, statements: nodes.Block, frame: Frame, path: str, first: int) -> None:
        """Mark statements that will not run."""
        for number, statement in enumerate(statements, start=first):
            self.mark_skipped(statement, frame, f"{path}.{number}")

    def mark_skipped(self, statement: nodes.Statement, frame: Frame, path: str) -> None:
        """Mark one statement as not run."""
        self.tell(
            Event(
                "skipped", path, label(statement), self.level(statement), statement.line, frame.source,
                self.clock() - self.start, attempt=self.attempt,
            )
        )  # fmt: skip

    def level(self, node: nodes.Statement) -> str:
        """What kind of node a statement is in the tree."""
        if isinstance(node, (nodes.Task, nodes.Unit)):
            return type(node).__name__.lower()
        if isinstance(node, nodes.Ensure):
            return "check"
        call = node.call if isinstance(node, nodes.Do) else node.value if isinstance(node, nodes.Assign) else None
        if isinstance(call, nodes.Call):
            return self.call_level(call.name)
        return "compute" if isinstance(node, (nodes.Assign, nodes.Return)) else "control"

    def call_level(self, name: str) -> str:
        """Whether a call is of a skill, a function or a primitive."""
        return "skill" if name in self.skills else "function" if name in self.functions else "primitive"
