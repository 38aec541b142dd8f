"""Message types by name: their Python classes, and their definitions as bags carry them.

A bag must be readable where the message packages are not installed, so each type goes into it as text
together with every type that it is made of. Types that come from `.msg` files keep the text of the
file; the ones that actions imply (feedback, goal events) have no file and are written from the class.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from embodied_agent.errors import MissingDependency

_LINE = "=" * 80
_FIELD = re.compile(r"^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+\w+", re.MULTILINE)
_SLOT = re.compile(r"^(?:sequence<(?P<item>.+?)(?:, (?P<bound>\d+))?>|(?P<one>.+?)(?:\[(?P<size>\d+)\])?)$")
_IMPLIED = re.compile(r"_(Goal|Result|Feedback|Request|Response)$")
PRIMITIVES = frozenset({
    "bool", "byte", "char", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32",
    "float64", "string", "wstring",
})  # fmt: skip
_FROM_IDL = {"boolean": "bool", "octet": "byte", "float": "float32", "double": "float64"}


def message_class(name: str) -> Any:
    """The Python class of "package/msg/Name", or of a type that an action or a service implies.

    Raises:
        MissingDependency: The package is not installed here, or has no such type.
    """
    package, kind, short = split(name)
    try:
        module = importlib.import_module(f"{package}.{kind}")
        if kind == "msg":
            return getattr(module, short)
        owner, _, part = short.rpartition("_")
        if kind == "srv":
            return getattr(getattr(module, owner), part)
        if part in ("Goal", "Result", "Feedback"):
            return getattr(getattr(module, owner), part)
        if part == "FeedbackMessage":
            return getattr(module, owner).Impl.FeedbackMessage
        owner, _, service = owner.rpartition("_")  # Name_SendGoal_Event and their like
        return getattr(getattr(getattr(module, owner).Impl, service + "Service"), part)
    except (ImportError, AttributeError) as error:
        raise MissingDependency(
            f"{name}: the message package {package} is not installed here ({error}); "
            f"apt install ros-$ROS_DISTRO-{package.replace('_', '-')}, or source its workspace"
        ) from None


def split(name: str) -> tuple[str, str, str]:
    """Package, "msg", "srv" or "action", and name of a type; "package/Name" means a message."""
    parts = name.split("/")
    if len(parts) == 2:
        return parts[0], "msg", parts[1]
    if len(parts) != 3 or not all(parts):
        raise MissingDependency(f"{name!r} is no ROS type; it should read package/msg/Name")
    return parts[0], parts[1], parts[2]


@cache
def definition(name: str) -> str:
    """The text of a type, and of every type in it, in rosbag2's `ros2msg` encoding.

    Raises:
        MissingDependency: A package that it needs is not installed here.
    """
    text = _own_text(name)
    seen: dict[str, str] = {}
    waiting = _parts(text, name)
    while waiting:
        shown, full = waiting.pop(0)
        if shown not in seen:
            seen[shown] = _own_text(full)
            waiting += _parts(seen[shown], full)
    return text + "".join(f"\n{_LINE}\nMSG: {part}\n{body}" for part, body in seen.items())


def _own_text(name: str) -> str:
    package, kind, short = split(name)
    if kind == "msg":
        for share in _share_folders(package):
            file = share / "msg" / f"{short}.msg"
            if file.is_file():
                return file.read_text(encoding="utf-8")
    return _text_of_class(message_class(name))


def _share_folders(package: str) -> list[Path]:
    prefixes = [part for part in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if part]
    return [Path(prefix) / "share" / package for prefix in (*prefixes, sys.prefix)]


def _parts(text: str, name: str) -> list[tuple[str, str]]:
    """Types of the fields of a definition: as it refers to them, and in full."""
    package, kind, _ = split(name)
    code = "\n".join(line.split("#", 1)[0] for line in text.splitlines())
    found = []
    for match in _FIELD.finditer(code):
        part = match.group(1)
        if part in PRIMITIVES:
            continue
        shown = part if "/" in part else f"{package}/{part}"
        # Parts of an action or a service lie beside it, not among the messages.
        beside = kind != "msg" and shown.startswith(f"{package}/") and _IMPLIED.search(shown)
        found.append((shown, shown.replace("/", f"/{kind}/", 1) if beside else shown))
    return found


def _text_of_class(message: Any) -> str:
    """A definition from the class alone: fields without comments and constants."""
    lines = [f"{_field_type(slot)} {name}" for name, slot in message.get_fields_and_field_types().items()]
    return "\n".join(lines) + "\n"


def _field_type(slot: str) -> str:
    """The type of a field as a `.msg` file writes it, from "double", "sequence<float, 3>", "pkg/Name[2]"."""
    match = _SLOT.match(slot)
    assert match is not None  # the pattern takes any text
    if match["item"]:
        bound = f"<={match['bound']}" if match["bound"] else ""
        return f"{_plain(match['item'])}[{bound}]"
    return _plain(match["one"]) + (f"[{match['size']}]" if match["size"] else "")


def _plain(name: str) -> str:
    bounded = re.match(r"(w?string)<(\d+)>$", name)
    if bounded:
        return f"{bounded[1]}<={bounded[2]}"
    return _FROM_IDL.get(name, name)
