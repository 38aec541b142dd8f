"""A function definition's annotations and docstring to its signature."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from embodied_agent.program import nodes
from embodied_agent.signature import Parameter, Signature, Type, read_docstring

if TYPE_CHECKING:
    from embodied_agent.program.expressions import ExpressionReader

MAX_PARAMETERS = 12
TYPES = {
    "Object": Type.OBJECT, "Objects": Type.OBJECTS, "Pose": Type.POSE, "Grasp": Type.GRASP,
    "Joint": Type.JOINT, "Path": Type.PATH, "float": Type.NUMBER, "int": Type.INTEGER,
    "bool": Type.BOOLEAN, "str": Type.STRING,
}  # fmt: skip


def read_definition(reader: ExpressionReader, definition: ast.FunctionDef) -> tuple[Signature, str]:
    """The signature and the docstring of a function; problems are noted in the reader."""
    if definition.decorator_list or getattr(definition, "type_params", None):
        reader.refuse(definition, "decorators and type parameters are not part of the language")
    docstring = _docstring(definition)
    description, described = read_docstring(docstring)
    parameters = _parameters(reader, definition, described)
    known = {parameter.name for parameter in parameters}
    for name in described:
        if name not in known:
            reader.refuse(definition, f"the docstring describes {name}, which is not a parameter")
    exactly_one = _exactly_one(reader, definition, docstring, parameters)
    signature = Signature(
        definition.name,
        parameters,
        _returns(reader, definition),
        description,
        effect="move",
        level="skill",
        exactly_one=exactly_one,
        callable_by_planner=not definition.name.startswith("_"),
    )
    return signature, docstring


def _docstring(definition: ast.FunctionDef) -> str:
    first = definition.body[0]
    if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
        return ""
    return inspect.cleandoc(first.value.value) if isinstance(first.value.value, str) else ""


def _returns(reader: ExpressionReader, definition: ast.FunctionDef) -> Type:
    hint = definition.returns
    if hint is None or (isinstance(hint, ast.Constant) and hint.value is None):
        return Type.NONE
    fields = _annotation(reader, hint)
    if fields is not None and set(fields) != {"type"}:
        reader.refuse(hint, "a return type is a plain type such as Object or bool")
    return fields["type"] if fields else Type.NONE


def _parameters(
    reader: ExpressionReader, definition: ast.FunctionDef, described: dict[str, str]
) -> tuple[Parameter, ...]:
    arguments = definition.args
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
        reader.refuse(definition, "`*args`, `**kwargs` and `/` are not part of the language")
    plain = [(argument, False) for argument in arguments.args]
    plain += [(argument, True) for argument in arguments.kwonlyargs]
    if len(plain) > MAX_PARAMETERS:
        reader.refuse(definition, f"more than {MAX_PARAMETERS} parameters")
    missing: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults))
    defaults = [*missing, *arguments.defaults, *arguments.kw_defaults]
    found = []
    for (argument, keyword_only), default in zip(plain, defaults, strict=True):
        reader.check_name(argument, argument.arg)
        if argument.annotation is None:
            reader.refuse(argument, f"{argument.arg} needs a type, as in `{argument.arg}: Object`")
            continue
        fields = _annotation(reader, argument.annotation)
        if fields is None:
            continue
        parameter = Parameter(
            name=argument.arg,
            description=described.get(argument.arg, ""),
            required=default is None,
            keyword_only=keyword_only,
            **fields,
        )
        found.append(_with_default(reader, parameter, default))
    return tuple(found)


def _with_default(reader: ExpressionReader, parameter: Parameter, default: ast.expr | None) -> Parameter:
    if default is None:
        return parameter
    if isinstance(default, ast.Constant) and default.value is None:
        value = None
    else:
        literal = reader.expression(default)
        if not isinstance(literal, nodes.Literal):
            reader.refuse(default, f"the default of {parameter.name} must be written out")
            return parameter
        value = literal.value
    if problem := parameter.complaint(value):
        hint = "; for nothing, write its type as `... | None`" if value is None else ""
        reader.refuse(default, f"unsuitable default: {problem}{hint}")
    return replace(parameter, default=value)


def _exactly_one(
    reader: ExpressionReader, definition: ast.FunctionDef, docstring: str, parameters: tuple[Parameter, ...]
) -> tuple[str, ...]:
    line = re.search(r"^Exactly one of: *([\w, ]+)\.?$", docstring, re.MULTILINE)
    names = tuple(name.strip() for name in line[1].split(",")) if line else ()
    for name in names:
        if not any(p.name == name and p.optional and not p.required for p in parameters):
            reader.refuse(definition, f"`Exactly one of` names {name}, which is not an optional parameter")
    return names


def _annotation(reader: ExpressionReader, hint: ast.expr) -> dict[str, Any] | None:
    """The `Parameter` fields that an annotation determines, or None with its problem noted."""
    if isinstance(hint, ast.Name) and hint.id in TYPES:
        return {"type": TYPES[hint.id]}
    if isinstance(hint, ast.BinOp) and isinstance(hint.op, ast.BitOr):
        none = isinstance(hint.right, ast.Constant) and hint.right.value is None
        fields = _annotation(reader, hint.left) if none else None
        if fields is not None:
            return fields | {"optional": True}
    if isinstance(hint, ast.Subscript) and isinstance(hint.value, ast.Name):
        inside = hint.slice.elts if isinstance(hint.slice, ast.Tuple) else [hint.slice]
        if hint.value.id == "Literal":
            return _choices(reader, hint, inside)
        if hint.value.id == "Annotated" and len(inside) > 1:
            return _annotated(reader, inside)
    known = ", ".join(TYPES)
    reader.refuse(hint, f"not a type of the language; there are {known}, Literal, Annotated, `... | None`")
    return None


def _choices(reader: ExpressionReader, hint: ast.expr, inside: list[ast.expr]) -> dict[str, Any] | None:
    values = [reader.expression(part) for part in inside]
    words = [v.value for v in values if isinstance(v, nodes.Literal) and isinstance(v.value, str)]
    if len(words) != len(values):
        reader.refuse(hint, "Literal holds strings only")
        return None
    return {"type": Type.STRING, "choices": tuple(words)}


def _annotated(reader: ExpressionReader, inside: list[ast.expr]) -> dict[str, Any] | None:
    fields = _annotation(reader, inside[0])
    for mark in inside[1:] if fields is not None else []:
        call = reader.expression(mark)
        if not isinstance(call, nodes.Call) or not all(isinstance(a, nodes.Literal) for a in call.arguments):
            reader.refuse(mark, 'Annotated holds Range(low, high) and Unit("m") only')
            return None
        values = [a.value for a in call.arguments if isinstance(a, nodes.Literal)]
        numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
        if call.name == "Range" and len(numbers) == 2 == len(values):
            fields = (fields or {}) | {"minimum": numbers[0], "maximum": numbers[1]}
        elif call.name == "Unit" and len(values) == 1 and isinstance(values[0], str):
            fields = (fields or {}) | {"unit": values[0]}
        else:
            reader.refuse(mark, 'Annotated holds Range(low, high) and Unit("m") only')
            return None
    return fields
