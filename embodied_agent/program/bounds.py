"""Static bounds: no recursion, and a limit on the statements that a program can run at most."""

from __future__ import annotations

from collections.abc import Iterable

from embodied_agent.errors import Problem
from embodied_agent.program import nodes

MAX_CALL_DEPTH = 8


def bound_problems(functions: Iterable[nodes.FunctionDef], body: nodes.Block) -> list[Problem]:
    """Recursion, calls too deep, or too many statements with loops multiplied out."""
    by_name = {function.signature.name: function for function in functions}
    called = {name: _called(function.body) & set(by_name) for name, function in by_name.items()}
    depths: dict[str, int] = {}
    for name in by_name:
        if _depth(name, called, depths, ()) == 0:
            function = by_name[name]
            return [Problem(function.line, function.column, f"{name} calls itself, directly or through others")]
    for name, depth in depths.items():
        if depth > MAX_CALL_DEPTH:
            function = by_name[name]
            message = f"{name} calls functions more than {MAX_CALL_DEPTH} deep"
            return [Problem(function.line, function.column, message)]
    costs: dict[str, int] = {}
    for name in sorted(by_name, key=lambda name: depths[name]):
        costs[name] = _cost(by_name[name].body, costs)
    for function in by_name.values():
        if costs[function.signature.name] > nodes.STEP_LIMIT:
            return [_too_many(function, costs[function.signature.name])]
    total = _cost(body, costs)
    return [_too_many(body[0], total)] if body and total > nodes.STEP_LIMIT else []


def _too_many(node: nodes.Node, cost: int) -> Problem:
    message = f"its loops may run {cost} statements, at most {nodes.STEP_LIMIT} are allowed"
    return Problem(node.line, node.column, message)


def _called(body: nodes.Block) -> set[str]:
    return {
        call.name
        for statement in nodes.walk(body)
        for expression in nodes.expressions(statement)
        for call in nodes.calls(expression)
    }


def _depth(name: str, called: dict[str, set[str]], depths: dict[str, int], path: tuple[str, ...]) -> int:
    """How deep calls go below a function, itself included; 0 = it calls itself."""
    if name in path:
        return 0
    if name not in depths:
        below = [_depth(other, called, depths, (*path, name)) for other in sorted(called[name])]
        if 0 in below:
            return 0
        depths[name] = 1 + max(below, default=0)
    return depths[name]


def _cost(body: nodes.Block, costs: dict[str, int]) -> int:
    """Most statements that a block can run, those of called functions included."""
    total = 0
    for statement in body:
        own = 1
        for expression in nodes.expressions(statement):
            own += sum(costs.get(call.name, 1) for call in nodes.calls(expression))
        if isinstance(statement, nodes.If):
            own += max(_cost(statement.then, costs), _cost(statement.otherwise, costs))
        elif isinstance(statement, nodes.While):
            own += nodes.WHILE_LIMIT * (own + _cost(statement.body, costs))
        else:
            inside = _cost(nodes.children(statement), costs)
            rounds = nodes.FOR_LIMIT if isinstance(statement, nodes.For) else 1
            own += inside * (statement.times if isinstance(statement, nodes.Retry) else rounds)
        total += own
    return total
