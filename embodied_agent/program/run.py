"""The interpreter: walks the nodes, calls the library, and tells what happened at each of them.

A primitive that comes back with `ok=False`, or an `ensure` that measures false, fails its node;
the failure rises to the nearest retry or fallback, or ends the task. Cancel and deadline are
tested before every node and every call. Nothing is ever compiled or executed as Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from embodied_agent.program import nodes
from embodied_agent.program.evaluate import Asked, Frame, NodeFailed, plain, with_value
from embodied_agent.program.events import Emit, Outcome
from embodied_agent.program.kinds import given
from embodied_agent.program.record import Answered, CancelToken, Recorder, Returned
from embodied_agent.program.render import label, render_expression
from embodied_agent.signature import Signature, Type, article, is_of_type
from embodied_agent.types import Result, Status

_LOOKS = 3  # at what a `for` goes through; each may show what was hidden before


class RunContext(Protocol):
    """What the interpreter needs of the context that primitives share."""

    def unit(self, preferences: Mapping[str, Any]) -> AbstractContextManager[Any]:
        """Apply a unit's preferences to everything inside the block."""

    def overlooked(self, found: Sequence[Any], handled: Sequence[Any]) -> Sequence[Any]:
        """Those of the objects found that are none of those handled, and those that were lost from sight."""

    def settle(self, item: Any) -> None:
        """A loop has done with an object all that it does."""


class Entry(Protocol):
    """A primitive: its description, and what it does."""

    @property
    def signature(self) -> Signature:
        """What programs may pass and get."""

    def __call__(self, context: Any, /, **arguments: Any) -> Result:
        """Run it."""


@dataclass(frozen=True)
class Budget:
    """Limits of one run beyond those that the check proves.

    Attributes:
        steps: Statements that may run.
        seconds: Time that may pass, or None.
    """

    steps: int = 5_000
    seconds: float | None = None


def run(
    program: nodes.Program,
    library: Mapping[str, Entry],
    context: RunContext,
    *,
    skills: Mapping[str, nodes.Skill] | None = None,
    emit: Emit | None = None,
    deadline: float | None = None,
    cancel: CancelToken | None = None,
    budget: Budget | None = None,
    skip: frozenset[str] = frozenset(),
    variables: Mapping[str, Any] | None = None,
    clock: Callable[[], float] = time.monotonic,
    ended: Callable[[], str] = lambda: "",
) -> Outcome:
    """Run a checked program.

    Args:
        program: A program that passed `check` with this library and these skills.
        library: Primitives by name.
        context: Passed to every primitive; gets the units' preferences.
        skills: Skills by name; interpreted in the same way.
        emit: Called with every event, in order.
        deadline: Reading of `clock` after which the run ends.
        cancel: Ends the run when set.
        budget: Limits on statements and time.
        skip: Paths of statements that an earlier run has done; see `program.repair`.
        variables: The task's variables at the start, from the earlier run's outcome.
        clock: Seconds.
        ended: Says why the run must end; "" as long as it may go on.

    Returns:
        How it ended: done, failed, refused or asked.

    Raises:
        Cancelled: The cancel token was set, or time ran out; open nodes were marked so.
        SafetyStop: From a primitive; open nodes were marked as failed.
    """
    machine = _Machine(program, library, context, skills or {}, emit, cancel, budget or Budget(), skip, clock)
    limits = [end for end in (deadline, machine.time_limit()) if end is not None]
    machine.deadline, machine.ended = min(limits, default=None), ended
    return machine.outcome(program.task, Frame(dict(variables or {})))


class _Machine(Recorder):
    """The state of one run."""

    def __init__(
        self,
        program: nodes.Program,
        library: Mapping[str, Entry],
        context: RunContext,
        skills: Mapping[str, nodes.Skill],
        emit: Emit | None,
        cancel: CancelToken | None,
        budget: Budget,
        skip: frozenset[str],
        clock: Callable[[], float],
    ) -> None:
        functions = {f.signature.name: f for f in program.functions}
        super().__init__(functions, skills, emit, cancel, clock)
        self.library, self.context, self.budget, self.skip = library, context, budget, skip
        self.steps = 0

    def time_limit(self) -> float | None:
        """When the budget of time is spent."""
        return None if self.budget.seconds is None else self.start + self.budget.seconds

    def outcome(self, task: nodes.Task, frame: Frame) -> Outcome:
        """Run the task, and say how it ended."""
        failure: NodeFailed | None = None
        verdict, message = "done", ""
        try:
            self.statement(task, frame, task.path)
        except NodeFailed as error:
            failure, verdict = error, "failed"
        except Answered as answer:
            verdict, message = answer.verdict, answer.message
        ended = Outcome(
            Status.SUCCESS if failure is None else Status.FAILURE,
            verdict,
            message,
            events=tuple(self.events),
            variables=dict(frame.values),
            steps=self.steps,
            duration=self.clock() - self.start,
        )
        if failure is None:
            return ended
        return replace(
            ended, path=failure.path, label=failure.label, line=failure.line, source=failure.source,
            statement=failure.statement, statement_label=failure.statement_label,
            statement_line=failure.statement_line,
            reason=failure.reason, evidence=failure.evidence,
        )  # fmt: skip

    # Nodes

    def block(self, statements: nodes.Block, frame: Frame, path: str, first: int = 1) -> None:
        """Run statements in order; those after a failure are marked as skipped."""
        for index, statement in enumerate(statements):
            try:
                self.statement(statement, frame, f"{path}.{first + index}")
            except (NodeFailed, Answered, Returned):
                self.skipped(statements[index + 1 :], frame, path, first + index + 1)
                raise

    def statement(self, node: nodes.Statement, frame: Frame, path: str) -> None:
        """Run one statement as a node of the tree."""
        if path in self.skip and not frame.source:
            self.mark_skipped(node, frame, path)
            return
        self.steps += 1
        with self.node(node, label(node), self.level(node), frame, path) as evidence:
            if self.steps > self.budget.steps:
                raise NodeFailed(f"the budget of {self.budget.steps} statements is spent")
            getattr(self, f"_{type(node).__name__.lower()}")(node, frame, path, evidence)

    # One rule for each kind of statement

    def _task(self, node: nodes.Task, frame: Frame, path: str, evidence: dict[str, Any]) -> None:
        self.block(node.body, frame, path)

    def _unit(self, node: nodes.Unit, frame: Frame, path: str, evidence: dict[str, Any]) -> None:
        with self.context.unit(dict(node.preferences)):
            self.block(node.body, frame, path)

    def _do(self, node: nodes.Do, frame: Frame, path: str, evidence: dict[str, Any]) -> None:
        self.call(node.call, frame, path, Asked(path), evidence)

    def _assign(self, node: nodes.Assign, frame: Frame, path: str, evidence: dict[str, Any]) -> None:
        asked = Asked(path)
        if isinstance(node.value, nodes.Call):
            frame.values[node.name] = self.call(node.value, frame, path, asked, evidence)
            return
        value = self.value(node.value, frame, asked)
        evidence.update(with_value(asked.answers, value))
        frame.values[node.name] = value

    def _return(self, node: nodes.Return, frame: Frame, path: str, evidence: dict[str, Any]) -> None:
        if node.value is None:
            raise Returned(None)
        asked = Asked(path)
        value = self.value(node.value, frame, asked)
        evidence.update(with_value(asked.answers, value))
        raise Returned(value)

    def condition(self, node: nodes.Expression, frame: Frame, asked: Asked, evidence: dict[str, Any]) -> bool:
        """The truth of a condition, with what was measured for it as evidence."""
        try:
            truth = bool(self.value(node, frame, asked))
        finally:
            evidence.update(asked.answers)
        evidence["condition"] = truth
        return truth

    def _ensure(self, node: nodes.Ensure, frame: Frame, path: str, evidence: dict[str, Any]) -> None:
        asked = Asked(path)
        if not self.condition(node.condition, frame, asked, evidence):
            measured = "; ".join(reason for reason in asked.reasons if reason)
            wanted = f"{render_expression(node.condition)} does not hold"
            raise NodeFailed(f"{wanted}: {measured}" if measured else wanted, dict(evidence))

    def _if(self, node: nodes.If, frame: Frame, path: str, evidence: dict[str, Any]) -> None:
        second = 1 + len(node.then)
        if self.condition(node.condition, frame, Asked(path), evidence):
            self.skipped(node.otherwise, frame, path, second)
            self.block(node.then, frame, path)
        else:
            self.skipped(node.then, frame, path, 1)
            self.block(node.otherwise, frame, path, second)

    def _for(self, node: nodes.For, frame: Frame, path: str, evidence: dict[str, Any]) -> None:
        asked = Asked(path)
        seen = node.objects if isinstance(node.objects, nodes.Call) else None
        if seen is not None and self.call_level(seen.name) != "primitive":
            seen = None
        if seen is not None:
            objects = self.call(seen, frame, path, asked, evidence)
        else:
            objects = self.value(node.objects, frame, asked)
            evidence.update(with_value(asked.answers, objects))
        handled: list[Any] = []
        for _ in range(_LOOKS):
            total = len(handled) + len(objects)
            if total > nodes.FOR_LIMIT:
                raise NodeFailed(f"{total} objects to go through, at most {nodes.FOR_LIMIT} are allowed")
            for item in objects:
                handled.append(item)
                frame.values[node.variable] = item
                text = f"{node.variable} = {plain(item)} ({len(handled)} of {total})"
                with self.node(node, text, "control", frame, f"{path}[{len(handled)}]"):
                    self.block(node.body, frame, f"{path}[{len(handled)}]")
                if seen is not None:
                    self.context.settle(item)
            objects = () if seen is None else self.overlooked(seen, frame, path, handled)
            if not objects:
                return
            evidence["overlooked"] = evidence.get("overlooked", 0) + len(objects)
        raise NodeFailed(f"{plain(objects[0])} is left", dict(evidence))

    def overlooked(self, look: nodes.Call, frame: Frame, path: str, handled: Sequence[Any]) -> Sequence[Any]:
        """What a second look finds that the first did not: one thing may hide another."""
        try:
            found = self.call(look, frame, path, Asked(path), {})
        except NodeFailed:
            found = ()  # nothing is there any more
        return self.context.overlooked(found, handled)

    def _while(self, node: nodes.While, frame: Frame, path: str, evidence: dict[str, Any]) -> None:
        for number in range(1, nodes.WHILE_LIMIT + 1):
            if not self.condition(node.condition, frame, Asked(path), evidence):
                return
            with self.node(node, f"round {number}", "control", frame, f"{path}[{number}]"):
                self.block(node.body, frame, f"{path}[{number}]")
        if self.condition(node.condition, frame, Asked(path), evidence):
            condition = render_expression(node.condition)
            raise NodeFailed(f"{condition} still holds after {nodes.WHILE_LIMIT} rounds", dict(evidence))

    def _retry(self, node: nodes.Retry, frame: Frame, path: str, evidence: dict[str, Any]) -> None:
        outer = self.attempt
        try:
            for attempt in range(1, node.times + 1):
                self.attempt = attempt
                evidence["attempts"] = attempt
                try:
                    self.block(node.body, frame, path)
                    return
                except NodeFailed as failure:
                    evidence.setdefault("failures", []).append(failure.reason)
                    if attempt == node.times or self.steps > self.budget.steps:
                        raise
        finally:
            self.attempt = outer

    def _fallback(self, node: nodes.Fallback, frame: Frame, path: str, evidence: dict[str, Any]) -> None:
        for index, child in enumerate(node.body):
            try:
                self.statement(child, frame, f"{path}.{index + 1}")
            except NodeFailed as failure:
                evidence.setdefault("failures", []).append(failure.reason)
                if index + 1 == len(node.body) or self.steps > self.budget.steps:
                    raise
            else:
                evidence["chosen"] = label(child)
                self.skipped(node.body[index + 1 :], frame, path, index + 2)
                return

    # Calls

    def embedded_call(self, call: nodes.Call, frame: Frame, asked: Asked) -> Any:
        """A call inside an expression: a primitive adds to the statement's evidence, others are nodes."""
        text = render_expression(call)
        if self.call_level(call.name) == "primitive":
            evidence: dict[str, Any] = {}
            value = self.call(call, frame, asked.path, asked, evidence)
            asked.answers[text] = evidence
            return value
        path = asked.next_path()
        with self.node(call, text, self.call_level(call.name), frame, path) as evidence:
            return self.call(call, frame, path, Asked(path), evidence)

    def call(self, call: nodes.Call, frame: Frame, path: str, asked: Asked, evidence: dict[str, Any]) -> Any:
        """The value of a call, with its measurements added to `evidence`."""
        signature, body = self.callee(call.name)
        arguments = {
            name: self.value(expression, frame, asked) for name, expression in given(signature, call).items()
        }
        evidence.update(asked.answers)
        for name, value in arguments.items():
            parameter = signature.parameter(name)
            if parameter is not None and (problem := parameter.complaint(value)):
                raise NodeFailed(f"{call.name}: {problem}")
        if body is not None:
            return self.call_function(body, arguments, path, evidence)
        self.tick()
        result = self.library[call.name](self.context, **arguments)
        silent = signature.returns is Type.NONE
        evidence.update(with_value(result.evidence, None if silent else result.value))
        asked.reasons.append(result.reason)
        if not result.ok:
            self.tick()  # what a cancel or the deadline ended is no failure of this node
            raise NodeFailed(result.reason or f"{call.name} failed", dict(evidence))
        if not silent and not is_of_type(result.value, signature.returns):
            got = type(result.value).__name__
            raise NodeFailed(f"{call.name} gave {got} where it declares {article(signature.returns)}")
        if call.name in nodes.ENDINGS:
            verdict = {"refuse": "refused", "ask": "asked"}[call.name]
            raise Answered(verdict, next((v for v in arguments.values() if isinstance(v, str)), ""))
        return result.value

    def callee(self, name: str) -> tuple[Signature, nodes.FunctionDef | None]:
        """A call's signature, and its body where it is interpreted."""
        if name in self.functions:
            return self.functions[name].signature, self.functions[name]
        if name in self.skills:
            return self.skills[name].signature, self.skills[name].definition
        return self.library[name].signature, None

    def call_function(
        self, definition: nodes.FunctionDef, arguments: dict[str, Any], path: str, evidence: dict[str, Any]
    ) -> Any:
        """Run a function's body as children of the node that calls it."""
        defaults = {p.name: p.default for p in definition.signature.parameters if not p.required}
        outer, self.attempt = self.attempt, 1
        try:
            self.block(definition.body, Frame({**defaults, **arguments}, definition.signature.name), path)
        except Returned as returned:
            evidence.update(with_value({}, returned.value))
            return returned.value
        finally:
            self.attempt = outer
        return None
