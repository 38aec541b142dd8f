"""The type of every expression, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embodied_agent.errors import Problem
from embodied_agent.program import nodes
from embodied_agent.program.expressions import suggestion
from embodied_agent.signature import Parameter, Signature, Type, article

if TYPE_CHECKING:
    from embodied_agent.program.check import State

NUMBERS = (Type.NUMBER, Type.INTEGER)
_HINTS = {"print": 'say("...")', "len": 'count("...")', "range": "for, or while with a counter",
          "abs": "a comparison", "list": "find_all", "sleep": "wait(seconds)", "grasp": "pick"}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A type as an expression has it.

    Attributes:
        type: The type.
        optional: It may be nothing.
        choices: If not (), the only strings that it can be.
    """

    type: Type
    optional: bool = False
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        return article(self.type) + (" or nothing" if self.optional else "")


def given(signature: Signature, call: nodes.Call) -> dict[str, nodes.Expression]:
    """Arguments of a call by parameter name, as far as they have a place."""
    positional = [p.name for p in signature.parameters if not p.keyword_only]
    found = dict(zip(positional, call.arguments, strict=False))
    return found | {name: value for name, value in call.keywords if signature.parameter(name)}


class Typer:
    """Types the expressions of one function or task; `None` as a type means "reported already"."""

    def __init__(
        self,
        known: Mapping[str, Signature],
        planner: bool,
        kinds: dict[str, Kind],
        own_group: tuple[str, ...],
        found: list[Problem],
    ) -> None:
        self.known = known
        self.planner = planner
        self.kinds = kinds
        self.own_group = frozenset(own_group)
        self.found = found
        self.left: set[str] = set()  # poses of the place that the base drove away from

    def report(self, node: nodes.Node, message: str) -> None:
        """Note a problem."""
        self.found.append(Problem(node.line, node.column, message))

    def kind(self, node: nodes.Expression, state: State) -> Kind | None:
        """The type of an expression where `state` holds."""
        rule = getattr(self, f"_{type(node).__name__.lower()}")
        found: Kind | None = rule(node, state)
        return found

    def narrow(self, node: nodes.Expression, state: State, truth: bool) -> None:
        """Add to `state` what follows from a condition being true (or false)."""
        if isinstance(node, nodes.Missing):
            if node.negated == truth:
                state.present |= {node.name}
            else:
                state.absent |= {node.name}
        elif isinstance(node, nodes.Not):
            self.narrow(node.operand, state, not truth)
        elif isinstance(node, nodes.Logic) and (node.operator == "and") == truth:
            for operand in node.operands:
                self.narrow(operand, state, truth)

    # Calls

    def call(self, node: nodes.Call, state: State, *, alone: bool = False) -> Kind | None:
        """The type of a call; `alone` = its value is not used."""
        arguments = [(value, self.kind(value, state)) for value in node.arguments]
        keywords = [(name, value, self.kind(value, state)) for name, value in node.keywords]
        signature = self.known.get(node.name)
        if signature is None:
            names = [n for n, s in self.known.items() if s.callable_by_planner or not self.planner]
            near = suggestion(node.name, [*names, *nodes.CONSTRUCTS])
            hint = f"; write {_HINTS[node.name]}" if node.name in _HINTS else near
            self.report(node, f"there is no {node.name}" + hint)
            return None
        if self.planner and not signature.callable_by_planner:
            self.report(node, f"{node.name} is for skills only; a task calls skills")
        if node.name in nodes.ENDINGS and not alone:
            self.report(node, f"{node.name} is not a value")
        positional = [p for p in signature.parameters if not p.keyword_only]
        for (value, kind), parameter in zip(arguments, positional, strict=False):
            self.argument(value, kind, parameter, state)
        for value, _ in arguments[len(positional) :]:
            self.report(value, f"{node.name} takes {len(positional)} arguments without a name")
        filled = {p.name for p in positional[: len(arguments)]}
        for name, value, kind in keywords:
            named = signature.parameter(name)
            if named is None:
                near = suggestion(name, [p.name for p in signature.parameters])
                self.report(value, f"{node.name} has no argument {name}" + near)
            elif name in filled:
                self.report(value, f"{name} is given twice")
            else:
                self.argument(value, kind, named, state)
            filled.add(name)
        for parameter in signature.parameters:
            if parameter.required and parameter.name not in filled:
                self.report(node, f"{node.name} needs {parameter.name}, {article(parameter.type)}")
        self.exactly_one(node, signature, state)
        return Kind(signature.returns)

    def argument(self, node: nodes.Expression, kind: Kind | None, parameter: Parameter, state: State) -> None:
        """Report what is wrong with one argument."""
        if kind is None:
            return
        if not parameter.type.accepts(kind.type):
            self.report(node, f"{parameter.name} must be {article(parameter.type)}, this is {kind}")
        elif kind.optional and not parameter.optional:
            name = node.name if isinstance(node, nodes.Name) else parameter.name
            self.report(node, f"{name} may be missing here; test `{name} is not None` first")
        elif isinstance(node, nodes.Literal):
            if problem := parameter.complaint(node.value):
                self.report(node, problem)
        elif parameter.choices and not (kind.choices and set(kind.choices) <= set(parameter.choices)):
            words = ", ".join(map(repr, parameter.choices))
            self.report(node, f"{parameter.name} must be written out: one of {words}")

    def exactly_one(self, node: nodes.Call, signature: Signature, state: State) -> None:
        """Report a call that gives none, or more than one, of arguments that exclude each other."""
        group = signature.exactly_one
        if not group:
            return
        passed = [value for name, value in given(signature, node).items() if name in group]
        optional = {v.name for v in passed if isinstance(v, nodes.Name) and self.may_miss(v.name, state)}
        sure = len(passed) - len(optional)
        own = self.own_group - state.absent
        handed_on = sure == 0 and bool(own) and optional - state.absent == own
        if not (handed_on or (sure == 1 and not optional - state.absent)):
            self.report(node, f"{node.name} takes exactly one of {', '.join(group)}")

    def may_miss(self, name: str, state: State) -> bool:
        """Whether a variable may be nothing where `state` holds."""
        kind = self.kinds.get(name)
        return kind is not None and kind.optional and name not in state.present

    # One rule for each kind of expression

    def _literal(self, node: nodes.Literal, state: State) -> Kind:
        if isinstance(node.value, bool):
            return Kind(Type.BOOLEAN)
        if isinstance(node.value, str):
            return Kind(Type.STRING)
        return Kind(Type.INTEGER if isinstance(node.value, int) else Type.NUMBER)

    def _name(self, node: nodes.Name, state: State) -> Kind | None:
        if node.name in state.assigned:
            kind = self.kinds.get(node.name)
            return kind and Kind(kind.type, self.may_miss(node.name, state), kind.choices)
        if node.name in self.known:
            self.report(node, f"{node.name} must be called: {node.name}(...)")
        elif node.name in self.left:
            self.report(node, f"{node.name} was measured before the base drove; ask for it again here")
        elif node.name in self.kinds:
            self.report(node, f"{node.name} may have no value here: not every path before sets it")
        else:
            self.report(node, f"{node.name} has no value here" + suggestion(node.name, list(self.kinds)))
        return None

    def _call(self, node: nodes.Call, state: State) -> Kind | None:
        kind = self.call(node, state)
        if kind is not None and kind.type is Type.NONE and node.name not in nodes.ENDINGS:
            self.report(node, f"{node.name} does something, it has no value")
            return None
        return kind

    def _numbers(self, operands: tuple[nodes.Expression, ...], state: State) -> Kind | None:
        kinds = [self.kind(operand, state) for operand in operands]
        for operand, kind in zip(operands, kinds, strict=True):
            if kind is not None and (kind.type not in NUMBERS or kind.optional):
                self.report(operand, f"arithmetic is for numbers, this is {kind}")
                return None
        whole = all(kind is not None and kind.type is Type.INTEGER for kind in kinds)
        return None if None in kinds else Kind(Type.INTEGER if whole else Type.NUMBER)

    def _binary(self, node: nodes.Binary, state: State) -> Kind | None:
        kind = self._numbers((node.left, node.right), state)
        if node.operator != "/":
            return kind
        if isinstance(node.right, nodes.Literal) and node.right.value == 0:
            self.report(node.right, "division by zero")
        return kind and Kind(Type.NUMBER)

    def _negative(self, node: nodes.Negative, state: State) -> Kind | None:
        return self._numbers((node.operand,), state)

    def _compare(self, node: nodes.Compare, state: State) -> Kind:
        left = self.kind(node.left, state)
        for operator, operand in node.rest:
            right = self.kind(operand, state)
            if left is not None and right is not None:
                self.comparable(operand, operator, left, right)
            left = right
        return Kind(Type.BOOLEAN)

    def comparable(self, node: nodes.Expression, operator: str, left: Kind, right: Kind) -> None:
        """Report a comparison that makes no sense."""
        numbers = left.type in NUMBERS and right.type in NUMBERS
        words = left.type is right.type and left.type in (Type.STRING, Type.BOOLEAN)
        if left.optional or right.optional or not (numbers or (words and operator in ("==", "!="))):
            self.report(node, f"{left} and {right} cannot be compared with {operator}")

    def _missing(self, node: nodes.Missing, state: State) -> Kind:
        kind = self.kinds.get(node.name)
        if kind is None or not kind.optional:
            self.report(node, f"{node.name} is not an optional parameter, so it is never None")
        return Kind(Type.BOOLEAN)

    def _logic(self, node: nodes.Logic, state: State) -> Kind:
        inside = state.copy()
        for operand in node.operands:
            self.boolean(operand, inside, node.operator)
            self.narrow(operand, inside, node.operator == "and")
        return Kind(Type.BOOLEAN)

    def _not(self, node: nodes.Not, state: State) -> Kind:
        self.boolean(node.operand, state, "not")
        return Kind(Type.BOOLEAN)

    def boolean(self, node: nodes.Expression, state: State, operator: str) -> None:
        """Report an operand of and, or, not that is not a boolean."""
        kind = self.kind(node, state)
        if kind is not None and (kind.type is not Type.BOOLEAN or kind.optional):
            self.report(node, f"`{operator}` is for booleans, this is {kind}")
