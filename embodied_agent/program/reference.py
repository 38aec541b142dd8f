"""The reference of what a program may call, for prompts and for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from embodied_agent.signature import Parameter, Signature, Type

_GROUPS = (
    ("Skills: they move the arm, and measure what they did", lambda s: s.level == "skill"),
    ("Finding things", lambda s: s.returns in (Type.OBJECT, Type.OBJECTS)),
    ("Asking what is so", lambda s: s.returns in (Type.BOOLEAN, Type.INTEGER, Type.NUMBER)),
    ("Places", lambda s: s.returns is Type.POSE),
    ("Words", lambda s: s.effect == "speak"),
    ("Other", lambda s: True),
)


def reference(signatures: Iterable[Signature] | Mapping[str, Signature], *, planner: bool = True) -> str:
    """Every callable with its arguments, types, ranges and meaning.

    Args:
        signatures: Of primitives and skills.
        planner: Leave out what is for skills only.
    """
    given = signatures.values() if isinstance(signatures, Mapping) else signatures
    left = [s for s in given if s.callable_by_planner or not planner]
    sections = []
    for title, belongs in _GROUPS:
        mine = [s for s in left if belongs(s)]
        left = [s for s in left if not belongs(s)]
        if mine:
            sections.append(f"## {title}\n" + "\n".join(map(entry, mine)))
    return "\n\n".join(sections) + "\n"


def entry(signature: Signature) -> str:
    """One callable: its call, its meaning, and a line for each argument that needs one."""
    lines = [f"{call_text(signature)}", f"    {signature.description}"]
    if signature.exactly_one:
        lines.append(f"    Give exactly one of {', '.join(signature.exactly_one)}.")
    lines += [f"    - {p.name}: {_described(p)}" for p in signature.parameters]
    return "\n".join(lines)


def call_text(signature: Signature) -> str:
    """The call with types and defaults, e.g. `open(part: object, to: number = 0.9)`."""
    texts, star = [], False
    for parameter in signature.parameters:
        if parameter.keyword_only and not star:
            texts.append("*")
            star = True
        default = "" if parameter.required else f" = {_default(parameter)}"
        texts.append(f"{parameter.name}: {parameter.type}{default}")
    returns = "" if signature.returns is Type.NONE else f" -> {signature.returns}"
    return f"{signature.name}({', '.join(texts)}){returns}"


def _default(parameter: Parameter) -> str:
    return json.dumps(parameter.default) if isinstance(parameter.default, str) else repr(parameter.default)


def _described(parameter: Parameter) -> str:
    notes = []
    if parameter.choices:
        notes.append("one of " + ", ".join(map(json.dumps, parameter.choices)))
    bounds = parameter.range_text()
    if bounds or parameter.unit:
        notes.append(f"{bounds} {parameter.unit}".strip())
    text = parameter.description.rstrip(".")
    return f"{text} ({'; '.join(notes)})." if notes else f"{text}."
