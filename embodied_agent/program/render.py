"""Nodes to text: one canonical form, so that `parse(render(program)) == program`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from embodied_agent.program import nodes
from embodied_agent.signature import Parameter, Type

INDENT = "    "
LABEL = 100  # characters
_PYTHON = {
    Type.OBJECT: "Object", Type.OBJECTS: "Objects", Type.POSE: "Pose", Type.GRASP: "Grasp",
    Type.JOINT: "Joint", Type.PATH: "Path", Type.NUMBER: "float", Type.INTEGER: "int",
    Type.BOOLEAN: "bool", Type.STRING: "str",
}  # fmt: skip
# How tightly each kind of expression binds; operands that bind less get brackets.
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _MINUS, _ATOM = range(8)


def render(program: nodes.Program) -> str:
    """The program's canonical text, ending in a newline."""
    parts = [render_function(function) for function in program.functions]
    task = ["with " + head(program.task), *_block(program.task.body, 1)]
    return "\n\n".join([*parts, "\n".join(task) + "\n"])


def render_function(function: nodes.FunctionDef) -> str:
    """A function definition's canonical text, ending in a newline."""
    lines = [head(function)]
    if function.docstring:
        lines += _docstring(function.docstring)
    return "\n".join([*lines, *_block(function.body, 1)]) + "\n"


def render_block(block: nodes.Block, depth: int = 0) -> str:
    """The text of some statements, ending in a newline."""
    return "\n".join(_block(block, depth)) + "\n"


def head(node: nodes.Statement) -> str:
    """The first line of a statement, without what `with` adds."""
    match node:
        case nodes.Do():
            return render_expression(node.call)
        case nodes.Assign():
            return f"{node.name} = {render_expression(node.value)}"
        case nodes.Ensure():
            return f"ensure({render_expression(node.condition)})"
        case nodes.Return():
            return "return" if node.value is None else f"return {render_expression(node.value)}"
        case nodes.If():
            return f"if {render_expression(node.condition)}:"
        case nodes.For():
            return f"for {node.variable} in {render_expression(node.objects)}:"
        case nodes.While():
            return f"while {render_expression(node.condition)}:"
        case nodes.Unit():
            preferences = [f", {key}={literal(value)}" for key, value in node.preferences]
            return f"unit({literal(node.name)}{''.join(preferences)}):"
        case nodes.Retry():
            return f"retry(times={node.times}):"
        case nodes.Fallback():
            return "fallback():"
        case nodes.Task():
            return f"task({literal(node.command)}):"
        case nodes.FunctionDef():
            return _definition(node)
    raise TypeError(f"not a statement: {node!r}")


def label(node: nodes.Statement) -> str:
    """A statement in one short line, as trees and events name it."""
    text = head(node).removesuffix(":")
    return text if len(text) <= LABEL else text[: LABEL - 3] + "..."


def _block(block: nodes.Block, depth: int) -> Iterator[str]:
    for node in block:
        yield from _statement(node, depth)


def _statement(node: nodes.Statement, depth: int, prefix: str = "") -> Iterator[str]:
    opens = "with " if isinstance(node, (nodes.Unit, nodes.Retry, nodes.Fallback)) else ""
    yield INDENT * depth + prefix + opens + head(node)
    if not isinstance(node, nodes.If):
        yield from _block(nodes.children(node), depth + 1)
        return
    yield from _block(node.then, depth + 1)
    if len(node.otherwise) == 1 and isinstance(node.otherwise[0], nodes.If):
        yield from _statement(node.otherwise[0], depth, "el")
    elif node.otherwise:
        yield INDENT * depth + "else:"
        yield from _block(node.otherwise, depth + 1)


def render_expression(node: nodes.Expression) -> str:
    """An expression's canonical text."""
    return _expression(node, _OR)


def _expression(node: nodes.Expression, outer: int) -> str:
    text, binding = _bound(node)
    return text if binding >= outer else f"({text})"


def _bound(node: nodes.Expression) -> tuple[str, int]:
    """The text of an expression, and how tightly it binds."""
    match node:
        case nodes.Literal():
            text = literal(node.value)
            return text, _MINUS if text.startswith("-") else _ATOM
        case nodes.Name():
            return node.name, _ATOM
        case nodes.Call():
            arguments = [_expression(value, _OR) for value in node.arguments]
            arguments += [f"{name}={_expression(value, _OR)}" for name, value in node.keywords]
            return f"{node.name}({', '.join(arguments)})", _ATOM
        case nodes.Binary():
            level = _SUM if node.operator in "+-" else _PRODUCT
            left, right = _expression(node.left, level), _expression(node.right, level + 1)
            return f"{left} {node.operator} {right}", level
        case nodes.Negative():
            # A bare number after the sign would be read as a negative number instead.
            plain = isinstance(node.operand, nodes.Literal) and type(node.operand.value) in (int, float)
            return "-" + _expression(node.operand, _ATOM + 1 if plain else _MINUS), _MINUS
        case nodes.Compare():
            rest = [f" {symbol} {_expression(value, _SUM)}" for symbol, value in node.rest]
            return _expression(node.left, _SUM) + "".join(rest), _COMPARE
        case nodes.Missing():
            return f"{node.name} is {'not ' if node.negated else ''}None", _COMPARE
        case nodes.Not():
            return f"not {_expression(node.operand, _NOT)}", _NOT
        case nodes.Logic():
            level = _OR if node.operator == "or" else _AND
            return f" {node.operator} ".join(_expression(o, level + 1) for o in node.operands), level
    raise TypeError(f"not an expression: {node!r}")


def literal(value: str | int | float | bool) -> str:
    """A value as a program writes it: strings in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _definition(node: nodes.FunctionDef) -> str:
    signature = node.signature
    texts, star = [], False
    for parameter in signature.parameters:
        if parameter.keyword_only and not star:
            texts.append("*")
            star = True
        texts.append(_parameter(parameter))
    returns = "" if signature.returns is Type.NONE else f" -> {_PYTHON[signature.returns]}"
    return f"def {signature.name}({', '.join(texts)}){returns}:"


def _parameter(parameter: Parameter) -> str:
    if parameter.choices:
        kind = f"Literal[{', '.join(map(literal, parameter.choices))}]"
    else:
        kind = _PYTHON[parameter.type]
    marks = []
    if parameter.minimum is not None and parameter.maximum is not None:
        marks.append(f"Range({parameter.minimum!r}, {parameter.maximum!r})")
    if parameter.unit:
        marks.append(f"Unit({literal(parameter.unit)})")
    if marks:
        kind = f"Annotated[{kind}, {', '.join(marks)}]"
    if parameter.optional:
        kind += " | None"
    if parameter.required:
        return f"{parameter.name}: {kind}"
    default = "None" if parameter.default is None else literal(parameter.default)
    return f"{parameter.name}: {kind} = {default}"


def _docstring(text: str) -> Iterator[str]:
    text = text.replace("\\", "\\\\").replace('""', '\\"\\"')
    text = text[:-1] + '\\"' if text.endswith('"') and not text.endswith('\\"') else text
    lines = text.split("\n")
    if len(lines) == 1:
        yield f'{INDENT}"""{lines[0]}"""'
        return
    yield f'{INDENT}"""{lines[0]}'
    yield from (INDENT + line if line else "" for line in lines[1:])
    yield f'{INDENT}"""'
