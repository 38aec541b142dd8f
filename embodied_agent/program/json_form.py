"""Programs as JSON, for servers that can hold a model to a JSON schema but not to a grammar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from embodied_agent.errors import Problem, ProgramError
from embodied_agent.program import nodes
from embodied_agent.program.render import literal
from embodied_agent.signature import Parameter, Signature, Type

Schema = dict[str, Any]
Signatures = Iterable[Signature] | Mapping[str, Signature]
SIGNS = ("==", "!=", "<", "<=", ">", ">=")
MAX_DEPTH = 8


def json_schema(signatures: Signatures) -> Schema:
    """The schema of a program: every property required, nothing additional, null for "left out".

    Variables stand as strings where an argument is an object, a pose and the like.
    """
    known = _for_planners(signatures)
    valued = [s for s in known if s.returns is not Type.NONE]
    text, body = {"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/statement"}}
    condition = {"$ref": "#/$defs/condition"}
    tests = [_call(s, {"negated": {"type": "boolean"}}) for s in valued if s.returns is Type.BOOLEAN]
    compared = {"compared": {"enum": list(SIGNS)}, "number": {"type": "number"}}
    tests += [_call(s, compared) for s in valued if s.returns in (Type.INTEGER, Type.NUMBER)]
    unit = {p.name: _argument(p) for p in nodes.UNIT.parameters[1:]}
    times = _argument(nodes.RETRY.parameters[0])
    statements = [
        *(_call(s, {}) for s in known if s.returns is Type.NONE),
        *(_call(s, {"result": text}) for s in valued),
        _object({"ensure": condition}),
        _object({"unit": text, **unit, "body": body}),
        _object({"if": condition, "then": body, "else": body}),
        *(
            _call(s, {"for_each": text, "body": body})
            for s in valued
            if s.returns is Type.OBJECTS
        ),
        _object({"while": condition, "body": body}),
        _object({"retry": times, "body": body}),
        _object({"fallback": body}),
    ]  # fmt: skip
    joined = _object({"joined": {"enum": ["and", "or"]}, "tests": {"type": "array", "items": {"anyOf": tests}}})
    whole = _object({"task": text, "body": body})
    return {**whole, "$defs": {"statement": {"anyOf": statements}, "condition": joined}}


def program_text(document: Any, signatures: Signatures) -> str:
    """The text of a program given as JSON.

    Args:
        document: What a model answered, decoded.
        signatures: As given to `json_schema`.

    Raises:
        ProgramError: It does not follow the schema.
    """
    writer = _Writer({s.name: s for s in _for_planners(signatures)})
    try:
        lines = [f"with task({literal(_text(document['task']))}):", *writer.block(document["body"], 1)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__} {error}"
        raise ProgramError((Problem(1, 1, f"not a program in JSON: {said}"),)) from None
    return "\n".join(lines) + "\n"


def _for_planners(signatures: Signatures) -> list[Signature]:
    given = signatures.values() if isinstance(signatures, Mapping) else signatures
    return [s for s in given if s.callable_by_planner]


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _call(signature: Signature, more: Schema) -> Schema:
    arguments = {p.name: _argument(p) for p in signature.parameters}
    return _object({"do": {"const": signature.name}, "arguments": _object(arguments), **more})


def _argument(parameter: Parameter) -> Schema:
    if parameter.choices:
        schema: Schema = {"enum": [*parameter.choices, *([] if parameter.required else [None])]}
        return schema
    kinds = {Type.NUMBER: "number", Type.INTEGER: "integer", Type.BOOLEAN: "boolean"}
    kind = kinds.get(parameter.type, "string")
    schema = {"type": kind if parameter.required else [kind, "null"]}
    if parameter.minimum is not None:
        schema["minimum"] = parameter.minimum
    if parameter.maximum is not None:
        schema["maximum"] = parameter.maximum
    return schema


def _by_name(parameter: Parameter) -> bool:
    """Whether an argument is written `name=value`."""
    return parameter.keyword_only or not parameter.required


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is not a string")
    return value


def _name(value: Any) -> str:
    if not _text(value).isidentifier():
        raise ValueError(f"{value!r:.40} is not a name")
    return str(value)


class _Writer:
    """Writes statements; what they mean is left to parse and check."""

    def __init__(self, known: Mapping[str, Signature]) -> None:
        self.known = known

    def block(self, body: Any, depth: int) -> list[str]:
        if not isinstance(body, list) or not body:
            raise ValueError("a body must be a list of statements, and not empty")
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} blocks inside each other")
        return [line for statement in body for line in self.statement(statement, depth)]

    def statement(self, node: Any, depth: int) -> list[str]:
        indent = "    " * depth
        if "for_each" in node:
            head = f"for {_name(node['for_each'])} in {self.call(node)}:"
        elif "do" in node:
            result = f"{_name(node['result'])} = " if node.get("result") is not None else ""
            return [indent + result + self.call(node)]
        elif "ensure" in node:
            return [f"{indent}ensure({self.condition(node['ensure'])})"]
        elif "if" in node:
            lines = [f"{indent}if {self.condition(node['if'])}:", *self.block(node["then"], depth + 1)]
            return lines + ([f"{indent}else:", *self.block(node["else"], depth + 1)] if node.get("else") else [])
        elif "while" in node:
            head = f"while {self.condition(node['while'])}:"
        elif "retry" in node:
            head = f"with retry(times={_value(node['retry'])}):"
        elif "fallback" in node:
            return [f"{indent}with fallback():", *self.block(node["fallback"], depth + 1)]
        elif "unit" in node:
            given = {p.name: node.get(p.name) for p in nodes.UNIT.parameters[1:]}
            words = [f"{name}={_value(value)}" for name, value in given.items() if value is not None]
            head = f"with unit({', '.join([literal(_text(node['unit'])), *words])}):"
        else:
            raise ValueError(f"a statement with none of the known forms: {list(node)!r:.80}")
        return [indent + head, *self.block(node["body"], depth + 1)]

    def call(self, node: Any) -> str:
        name = _name(node["do"])
        if name not in self.known:
            raise ValueError(f"there is no {name}")
        signature, words = self.known[name], []
        arguments = dict(node["arguments"])
        for parameter in sorted(signature.parameters, key=_by_name):
            value = arguments.pop(parameter.name, None)
            if value is None:
                continue
            variable = parameter.type not in (Type.STRING, Type.NUMBER, Type.INTEGER, Type.BOOLEAN)
            text = _name(value) if variable else _value(value)
            words.append(f"{parameter.name}={text}" if _by_name(parameter) else text)
        if arguments:
            raise ValueError(f"{name} has no argument {next(iter(arguments))!r:.40}")
        return f"{name}({', '.join(words)})"

    def condition(self, node: Any) -> str:
        if not node["tests"]:
            raise ValueError("a condition needs a test")
        joined = " or " if node.get("joined") == "or" else " and "
        return joined.join(self.test(test) for test in node["tests"])

    def test(self, node: Any) -> str:
        if "compared" in node:
            if node["compared"] not in SIGNS:
                raise ValueError(f"{node['compared']!r:.10} is not a comparison")
            return f"{self.call(node)} {node['compared']} {_value(node['number'])}"
        return f"{'not ' if node.get('negated') else ''}{self.call(node)}"


def _value(value: Any) -> str:
    if not isinstance(value, (str, int, float, bool)):
        raise ValueError(f"{value!r:.40} is not a value")
    return literal(value)
