"""What a program would do to a known scene, worked out on paper: to tell whether two do the same.

A small interpreter over parsed programs. Places are symbols ("in the bowl", "left of the box"), so
that two programs agree where they leave the world alike, however they word it. Physical
preferences, remarks, waiting and the order of independent steps make no difference.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from embodied_agent.commands.draft import Clicked
from embodied_agent.commands.paper import Answered, Effect, Failed, Paper
from embodied_agent.errors import ProgramError
from embodied_agent.program import nodes
from embodied_agent.program.parse import parse
from sim.scene import Scene

Values = dict[str, Any]
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


def same_effect(first: str, second: str, scene: Scene, clicked: Sequence[Clicked] = ()) -> bool:
    """Whether two programs leave a scene alike.

    They must also agree where conditions outside any unit came out the other way, and where one
    or two things more or fewer were counted. A program that does not parse, or would fail, equals
    none.

    Args:
        first, second: Program texts.
        scene: As it starts.
        clicked: What the clicked points show.
    """
    effects = [effect_of(text, scene, clicked) for text in (first, second)]
    if effects[0] != effects[1] or effects[0].failed:
        return False
    if "if " not in first and "if " not in second:
        return True
    changes: tuple[dict[str, Any], ...] = (
        {"flip": True},
        {"shift": 1},
        {"shift": -1},
        {"shift": 2},
        {"shift": -2},
    )
    return all(effect_of(first, scene, clicked, **c) == effect_of(second, scene, clicked, **c) for c in changes)


def effect_of(
    text: str, scene: Scene, clicked: Sequence[Clicked] = (), *, flip: bool = False, shift: int = 0
) -> Effect:
    """What a program would do.

    Args:
        text: Program source.
        scene: As it starts.
        clicked: What the clicked points show.
        flip: Take every `if` outside a unit the other way.
        shift: Count that many things more than there are.
    """
    try:
        program = parse(text)
    except ProgramError as error:
        return Effect(failed=str(error))
    paper = Paper(scene, clicked, shift)
    try:
        _Reader(program, paper, flip).block(program.task.body, {})
    except Answered:
        pass
    except Failed as failure:
        paper.effect.failed = str(failure) or "failed"
    return paper.effect


class _Return(Exception):
    def __init__(self, value: object) -> None:
        self.value = value


class _Reader:
    """Reads a program out, statement by statement."""

    def __init__(self, program: nodes.Program, paper: Paper, flip: bool) -> None:
        self.functions = {function.signature.name: function for function in program.functions}
        self.paper, self.flip = paper, flip
        self.depth = 0  # units around the current statement
        self.steps = 0

    def block(self, body: nodes.Block, values: Values) -> None:
        for statement in body:
            self.statement(statement, values)

    def statement(self, node: nodes.Statement, values: Values) -> None:
        self.steps += 1
        if self.steps > 2000:
            raise Failed("too many steps")
        match node:
            case nodes.Do(call=call):
                self.value(call, values)
            case nodes.Assign(name=name, value=value):
                values[name] = self.value(value, values)
            case nodes.Ensure():
                pass  # post-conditions of what was just done
            case nodes.Return(value=value):
                raise _Return(None if value is None else self.value(value, values))
            case nodes.If(condition=condition, then=then, otherwise=otherwise):
                taken = bool(self.value(condition, values)) != (self.flip and self.depth == 0)
                self.block(then if taken else otherwise, values)
            case nodes.For(variable=variable, objects=objects, body=body):
                for item in self.value(objects, values):
                    values[variable] = item
                    self.block(body, values)
            case nodes.While(condition=condition, body=body):
                for _ in range(nodes.WHILE_LIMIT):
                    if not self.value(condition, values):
                        break
                    self.block(body, values)
            case nodes.Unit(body=body):
                self.depth += 1
                try:
                    self.block(body, values)
                finally:
                    self.depth -= 1
            case nodes.Retry(body=body) | nodes.Task(body=body):
                self.block(body, values)
            case nodes.Fallback(body=body):
                self._fallback(body, values)
            case _:
                raise Failed(f"no reading of {type(node).__name__}")

    def _fallback(self, body: nodes.Block, values: Values) -> None:
        for index, statement in enumerate(body):
            try:
                self.statement(statement, values)
                break
            except Failed:
                if index == len(body) - 1:
                    raise

    def value(self, node: nodes.Expression, values: Values) -> Any:
        match node:
            case nodes.Literal(value=value):
                return value
            case nodes.Name(name=name):
                if name not in values:
                    raise Failed(f"{name} is unknown")
                return values[name]
            case nodes.Not(operand=operand):
                return not self.value(operand, values)
            case nodes.Negative(operand=operand):
                return -self.value(operand, values)
            case nodes.Logic(operator=name, operands=operands):
                results = (bool(self.value(operand, values)) for operand in operands)
                return all(results) if name == "and" else any(results)
            case nodes.Binary(operator=name, left=left, right=right):
                return _OPERATORS[name](self.value(left, values), self.value(right, values))
            case nodes.Compare(left=left, rest=rest):
                return self._compare(left, rest, values)
            case nodes.Call():
                return self._call(node, values)
            case _:
                raise Failed(f"no reading of {type(node).__name__}")

    def _compare(
        self, left: nodes.Expression, rest: tuple[tuple[str, nodes.Expression], ...], values: Values
    ) -> bool:
        before = self.value(left, values)
        for sign, right in rest:
            after = self.value(right, values)
            if not _OPERATORS[sign](before, after):
                return False
            before = after
        return True

    def _call(self, call: nodes.Call, values: Values) -> Any:
        arguments = [self.value(item, values) for item in call.arguments]
        keywords = {name: self.value(item, values) for name, item in call.keywords}
        if call.name in self.functions:
            return self._function(call.name, arguments, keywords)
        return self.paper.call(call.name, arguments, keywords)

    def _function(self, name: str, arguments: list[Any], keywords: Mapping[str, Any]) -> Any:
        function = self.functions[name]
        names = [parameter.name for parameter in function.signature.parameters]
        local = {p.name: p.default for p in function.signature.parameters}
        try:
            self.block(function.body, local | dict(zip(names, arguments, strict=False)) | dict(keywords))
        except _Return as result:
            return result.value
        return None
