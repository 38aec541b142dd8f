"""The typed description of a primitive or skill: one source for many outputs.

A callable is declared once, as a typed Python function with a Google-style docstring. The
decoding grammar, the reference in the prompt, the static checks and the run-time checks all
read the `Signature` made from it here.
"""

from __future__ import annotations

import inspect
import math
import re
import types as python_types
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from embodied_agent.types import Grasp, Joint, JointTrajectory, Object, Pose

EFFECTS = ("perceive", "move", "grip", "drive", "speak", "compute")
LEVELS = ("primitive", "skill")
MAX_STRING = 200  # characters in one string argument


class Type(str, Enum):
    """A type of the program language. The value is its name in messages and in the reference."""

    OBJECT = "object"
    OBJECTS = "objects"
    POSE = "pose"
    GRASP = "grasp"
    JOINT = "joint"
    PATH = "path"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRING = "string"
    NONE = "none"

    def __str__(self) -> str:
        return self.value

    def accepts(self, other: Type) -> bool:
        """Whether a value of type `other` may stand where this type is asked for."""
        return other is self or (self is Type.NUMBER and other is Type.INTEGER)


@dataclass(frozen=True)
class Range:
    """Marks a numeric parameter's closed range, in the parameter's unit."""

    minimum: float
    maximum: float


@dataclass(frozen=True)
class Unit:
    """Marks a numeric parameter's unit, e.g. `Unit("m")`."""

    name: str


@dataclass(frozen=True)
class Parameter:
    """One argument of a callable.

    Attributes:
        name: As the program writes it.
        type: Its type in the language.
        description: One sentence, without the final full stop or with it.
        required: It has no default.
        default: Value used when the program leaves it out; None = nothing.
        minimum, maximum: Closed range of a number, or None.
        unit: SI unit of a number, or "".
        choices: The only strings allowed, or ().
        keyword_only: It must be written `name=value`.
        optional: It may be nothing (`Object | None`); a skill may pass its own optional on.
    """

    name: str
    type: Type
    description: str
    required: bool = True
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    keyword_only: bool = False
    optional: bool = False

    def complaint(self, value: Any) -> str:
        """What is wrong with `value` as this argument, in words; "" if nothing is."""
        if value is None:
            return "" if self.optional else f"{self.name} is missing"
        if not is_of_type(value, self.type):
            return f"{self.name} must be {article(self.type)}, got {type(value).__name__}"
        if self.choices and value not in self.choices:
            return f"{self.name} must be one of {', '.join(map(repr, self.choices))}, got {value!r}"
        if self.type in (Type.NUMBER, Type.INTEGER):
            return self._range_complaint(value)
        if self.type is Type.STRING and len(value) > MAX_STRING:
            return f"{self.name} is {len(value)} characters long, at most {MAX_STRING} are allowed"
        return ""

    def _range_complaint(self, value: float) -> str:
        if not math.isfinite(value):
            return f"{self.name} must be finite, got {value}"
        low = self.minimum is not None and value < self.minimum
        high = self.maximum is not None and value > self.maximum
        if not (low or high):
            return ""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name} must be {self.range_text()}{unit}, got {value:g}"

    def range_text(self) -> str:
        """The range in words, e.g. "from 0 to 1"; "" if there is none."""
        if self.minimum is not None and self.maximum is not None:
            return f"from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f"at least {self.minimum:g}"
        return f"at most {self.maximum:g}" if self.maximum is not None else ""


@dataclass(frozen=True)
class Signature:
    """The typed description of one primitive or skill.

    Attributes:
        name: As the program calls it.
        parameters: In the order of the call.
        returns: Type of the value; `Type.NONE` for an action.
        description: One sentence.
        effect: One of EFFECTS.
        level: "skill" or "primitive".
        exactly_one: Names of parameters of which a call gives exactly one; () = no such rule.
        callable_by_planner: A planner may write it; False = only skills may.
    """

    name: str
    parameters: tuple[Parameter, ...]
    returns: Type
    description: str
    effect: str = "compute"
    level: str = "primitive"
    exactly_one: tuple[str, ...] = ()
    callable_by_planner: bool = True

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, or None."""
        return next((p for p in self.parameters if p.name == name), None)


PYTHON_TYPES: dict[Any, Type] = {
    Object: Type.OBJECT,
    Pose: Type.POSE,
    Grasp: Type.GRASP,
    Joint: Type.JOINT,
    JointTrajectory: Type.PATH,
    float: Type.NUMBER,
    int: Type.INTEGER,
    bool: Type.BOOLEAN,
    str: Type.STRING,
    type(None): Type.NONE,
}


def article(kind: Type) -> str:
    """The type's name with its indefinite article, e.g. "an object"."""
    if kind is Type.OBJECTS:
        return "a list of objects"
    return f"{'an' if kind.value[0] in 'aeiou' else 'a'} {kind.value}"


def is_of_type(value: Any, kind: Type) -> bool:
    """Whether a Python value is of a language type."""
    if kind is Type.NUMBER:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is Type.INTEGER:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is Type.OBJECTS:
        return isinstance(value, (tuple, list)) and all(isinstance(item, Object) for item in value)
    expected = next(python for python, language in PYTHON_TYPES.items() if language is kind)
    return isinstance(value, expected)


def signature_of(
    function: Callable[..., Any],
    *,
    returns: Type,
    effect: str,
    name: str | None = None,
    level: str = "primitive",
    exactly_one: tuple[str, ...] = (),
    callable_by_planner: bool = True,
) -> Signature:
    """Describe a typed Python function whose first parameter is the run context (left out).

    Ranges, units and choices come from the annotations: `Annotated[float, Range(0, 1), Unit("m")]`,
    `Literal["left", "right"]`, `Object | None`. Descriptions come from the docstring: its first
    line, and the section `Args`.

    Args:
        function: The implementation.
        returns: Type of the value that a program gets.
        effect: One of EFFECTS.
        name: Name in the language; the function's own if None.
        level: "primitive" or "skill".
        exactly_one: Names of optional parameters of which a call gives exactly one.
        callable_by_planner: Whether a planner may write it.

    Raises:
        TypeError: A parameter has no type, no description, or an unsuitable default.
    """
    name = name or function.__name__
    if effect not in EFFECTS or level not in LEVELS:
        raise TypeError(f"{name}: effect must be one of {EFFECTS}, level one of {LEVELS}")
    description, described = read_docstring(inspect.getdoc(function) or "")
    if not description:
        raise TypeError(f"{name}: has no docstring")
    hints = get_type_hints(function, include_extras=True)
    plain = list(inspect.signature(function).parameters.values())
    if not plain:
        raise TypeError(f"{name}: its first parameter must be the run context")
    parameters = tuple(_parameter(name, p, hints, described) for p in plain[1:])
    unknown = set(described) - {p.name for p in parameters} - {plain[0].name}
    if unknown:
        raise TypeError(f"{name}: the docstring describes unknown parameters {sorted(unknown)}")
    for member in exactly_one:
        if not any(p.name == member and p.optional for p in parameters):
            raise TypeError(f"{name}: {member!r} in exactly_one is not an optional parameter")
    return Signature(name, parameters, returns, description, effect, level, exactly_one, callable_by_planner)


def _parameter(
    owner: str, plain: inspect.Parameter, hints: dict[str, Any], described: dict[str, str]
) -> Parameter:
    where = f"{owner}({plain.name})"
    if plain.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        raise TypeError(f"{where}: *args and **kwargs cannot be described")
    if plain.name not in hints:
        raise TypeError(f"{where}: has no type annotation")
    if not described.get(plain.name):
        raise TypeError(f"{where}: is not described under Args in the docstring")
    required = plain.default is inspect.Parameter.empty
    parameter = Parameter(
        name=plain.name,
        description=described[plain.name],
        required=required,
        default=None if required else plain.default,
        keyword_only=plain.kind is inspect.Parameter.KEYWORD_ONLY,
        **read_annotation(hints[plain.name], where),
    )
    if not required and (problem := parameter.complaint(parameter.default)):
        raise TypeError(f"{where}: unsuitable default: {problem}")
    return parameter


def read_annotation(hint: Any, where: str) -> dict[str, Any]:
    """The `Parameter` fields that a Python annotation determines.

    Raises:
        TypeError: The annotation has no counterpart in the language; the message starts with `where`.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        fields = read_annotation(args[0], where)
        for mark in args[1:]:
            if isinstance(mark, Range):
                fields |= {"minimum": mark.minimum, "maximum": mark.maximum}
            elif isinstance(mark, Unit):
                fields["unit"] = mark.name
            else:
                raise TypeError(f"{where}: unknown annotation {mark!r}")
        return fields
    if origin in (Union, python_types.UnionType):
        members = [arg for arg in args if arg is not type(None)]
        if len(members) != 1 or len(members) == len(args):
            raise TypeError(f"{where}: the only union allowed is with None")
        return read_annotation(members[0], where) | {"optional": True}
    if origin is Literal and all(isinstance(arg, str) for arg in args):
        return {"type": Type.STRING, "choices": tuple(args)}
    if origin in (tuple, list) and args and args[0] is Object:
        return {"type": Type.OBJECTS}
    if isinstance(hint, type) and hint in PYTHON_TYPES:
        return {"type": PYTHON_TYPES[hint]}
    raise TypeError(f"{where}: type {hint!r} does not exist in the program language")


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """First line and described parameters of a Google-style docstring (dedented).

    Returns:
        The first line, and a map from parameter name to its description in one line.
    """
    lines = text.strip().splitlines()
    if not lines:
        return "", {}
    described: dict[str, str] = {}
    inside, indent, current = False, 0, ""
    for line in lines[1:]:
        if not line.strip():
            continue
        if not line[0].isspace():  # a section's title, or prose between sections
            inside, indent = line.strip() == "Args:", 0
            continue
        if not inside:
            continue
        depth = len(line) - len(line.lstrip())
        indent = indent or depth
        entry = re.match(r"\s*\*{0,2}((?:\w+)(?:,\s*\w+)*)\s*(?:\([^)]*\))?:\s*(.*)", line)
        if depth == indent and entry:
            current = entry[1]
            for member in re.split(r",\s*", current):
                described[member] = entry[2]
        elif current:
            for member in re.split(r",\s*", current):
                described[member] = f"{described[member]} {line.strip()}".strip()
    return lines[0].strip(), described
