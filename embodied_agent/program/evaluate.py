"""Values of expressions at run time; the base of the interpreter in `run`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from embodied_agent.program import nodes
from embodied_agent.program.render import render_expression
from embodied_agent.types import Evidence

MAX_MAGNITUDE = 1e12  # bounds the size of integers, which Python does not

_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class NodeFailed(Exception):
    """A node failed; carries what the deepest one measured. Never leaves the interpreter."""

    def __init__(self, reason: str, evidence: Evidence | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence: Evidence = evidence or {}
        self.path = self.label = self.source = ""
        self.line = 0
        self.statement = self.statement_label = ""
        self.statement_line = 0


@dataclass
class Frame:
    """Variables of the task, or of one call of a function.

    Attributes:
        values: By name; None stands for an optional parameter that was not given.
        source: "" for the program's task, else the function's name.
    """

    values: dict[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass
class Asked:
    """What one statement asked of its calls, for its evidence, and names for calls inside it.

    Attributes:
        path: The statement's path.
        answers: Value and evidence of each call inside an expression, by its text.
        reasons: What those calls gave as reasons, in order.
        count: Calls so far.
    """

    path: str
    answers: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    count: int = 0

    def next_path(self) -> str:
        """A path for the next call inside the statement: "1.2.a", "1.2.b", ..."""
        number, letters = self.count, ""
        self.count += 1
        while True:
            letters = chr(ord("a") + number % 26) + letters
            number = number // 26 - 1
            if number < 0:
                return f"{self.path}.{letters}"


class Evaluator:
    """Evaluates expressions; what calls do is left to `embedded_call`."""

    def embedded_call(self, call: nodes.Call, frame: Frame, asked: Asked) -> Any:
        """The value of a call inside an expression."""
        raise NotImplementedError

    def value(self, node: nodes.Expression, frame: Frame, asked: Asked) -> Any:
        """The value of an expression.

        Raises:
            NodeFailed: Division by zero, a number too large, or a call failed.
        """
        match node:
            case nodes.Literal():
                return node.value
            case nodes.Name():
                if node.name not in frame.values:  # a repaired program without its earlier variables
                    raise NodeFailed(f"{node.name} has no value")
                return frame.values[node.name]
            case nodes.Call():
                return self.embedded_call(node, frame, asked)
            case nodes.Missing():
                return (frame.values.get(node.name) is None) != node.negated
            case nodes.Not():
                return not self.value(node.operand, frame, asked)
            case nodes.Negative():
                return -self.value(node.operand, frame, asked)
            case nodes.Binary():
                left, right = self.value(node.left, frame, asked), self.value(node.right, frame, asked)
                return arithmetic(node, left, right)
            case nodes.Compare():
                return self._compare(node, frame, asked)
            case nodes.Logic():
                stop = node.operator == "or"
                return any_is(stop, (self.value(o, frame, asked) for o in node.operands))
        raise TypeError(f"not an expression: {node!r}")

    def _compare(self, node: nodes.Compare, frame: Frame, asked: Asked) -> bool:
        left = self.value(node.left, frame, asked)
        for symbol, operand in node.rest:
            right = self.value(operand, frame, asked)
            if not _COMPARISONS[symbol](left, right):
                return False
            left = right
        return True


def any_is(stop: bool, values: Any) -> bool:
    """`or` where stop is True, `and` where it is False; takes no more values than it needs."""
    return stop if any(value == stop for value in values) else not stop


def arithmetic(node: nodes.Binary, left: float, right: float) -> float:
    """The value of an arithmetic expression.

    Raises:
        NodeFailed: Division by zero, or a result beyond 1e12.
    """
    if node.operator == "/" and right == 0:
        raise NodeFailed(f"division by zero in {render_expression(node)}")
    value: float = _ARITHMETIC[node.operator](left, right)
    if not math.isfinite(value) or abs(value) > MAX_MAGNITUDE:
        raise NodeFailed(f"{render_expression(node)} is {value:.3g}, beyond {MAX_MAGNITUDE:g}")
    return value


def plain(value: Any) -> Any:
    """A value as evidence shows it: numbers, strings and booleans as they are, others by name."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return getattr(value, "id", None) or type(value).__name__.lower()


def with_value(evidence: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Evidence with the value that it led to."""
    return dict(evidence) if value is None else {"value": plain(value), **evidence}
