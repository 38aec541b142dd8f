"""YAML files to frozen dataclasses: every mistake names the file, the line, the key and the remedy.

A dataclass is the schema. Annotate ranges where the value is declared:

    @dataclass(frozen=True)
    class Gripper:
        max_width: Annotated[float, Range(0.0, 0.5)]
        joints: tuple[str, ...] = ()

    load("gripper.yaml", Gripper)
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

import yaml

from embodied_agent.errors import ConfigError

T = TypeVar("T")

# A description is a page or two; anything larger is the wrong file.
MAX_BYTES = 1_000_000
MAX_DEPTH = 20


@dataclass(frozen=True)
class Range:
    """Inclusive bounds of a number, for `Annotated[float, Range(low, high)]`."""

    low: float = -math.inf
    high: float = math.inf


def config_dir() -> Path:
    """The folder `configs/`: of the checkout, or of the installation.

    Raises:
        ConfigError: Neither exists.
    """
    code = Path(__file__).resolve()
    # Beside the code in a checkout; else under the prefix that pip, or colcon, installed to.
    prefixes = (Path(sys.prefix), *code.parents[1:])
    for folder in (code.parents[1] / "configs", *(prefix / "share/embodied_agent/configs" for prefix in prefixes)):
        if folder.is_dir():
            return folder
    raise ConfigError(f"no configuration folder beside {code.parent} or under {sys.prefix}/share; reinstall")


def config_names(kind: str) -> tuple[str, ...]:
    """Names of the files in `configs/<kind>/`, e.g. `config_names("robots")`."""
    return tuple(sorted(path.stem for path in (config_dir() / kind).glob("*.yaml")))


def find_config(name_or_path: str | Path, kind: str) -> Path:
    """The file that a name (`panda`) or path (`my/arm.yaml`) means.

    Raises:
        ConfigError: No such file; the message names the nearest known one.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text:
        path = Path(text)
        if not path.is_file():
            raise ConfigError(f"{path}: no such file")
        return path
    names = config_names(kind)
    if text not in names:
        known = ", ".join(names) or "none"
        raise ConfigError(f"no {kind.rstrip('s')} is called '{text}'{nearest(text, names)}; known: {known}")
    return config_dir() / kind / f"{text}.yaml"


def nearest(word: str, known: typing.Iterable[str]) -> str:
    """'; did you mean ...?' for the known word nearest to `word`, or nothing."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{matches[0]}'?" if matches else ""


def load(path: str | Path, schema: type[T]) -> T:
    """Read a YAML file into a dataclass.

    Args:
        path: File to read.
        schema: A frozen dataclass; nested dataclasses, tuples, dicts, unions with None,
            `Literal` and `Annotated[..., Range]` are understood.

    Raises:
        ConfigError: Unreadable, not YAML, an unknown or missing key, a wrong type or range.
    """
    return parse(read_text(path), schema, source=str(path))


def read_text(path: str | Path) -> str:
    """Text of a configuration file.

    Raises:
        ConfigError: Missing, a folder, too large, or not UTF-8 text.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes, not a configuration file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from None


def parse(text: str, schema: type[T], source: str = "<text>") -> T:
    """As `load`, from text; `source` stands for the file in messages."""
    try:
        _refuse_tricks(text, source)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise ConfigError(f"{source}: the file is empty")
        value = _Builder(source).build(node, schema, "")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = error.problem or error.context or "not readable"
        raise ConfigError(f"{source}{line}: not valid YAML ({problem})") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{source}: not valid YAML ({' '.join(str(error).split())})") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply") from None
    return typing.cast(T, value)


def _refuse_tricks(text: str, source: str) -> None:
    """Refuse aliases, which can multiply a small file into gigabytes, and absurd nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"{_where(source, event)}: YAML aliases are not allowed; repeat the value")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(f"{_where(source, event)}: nested too deeply")


def _where(source: str, node: Any) -> str:
    return f"{source}, line {node.start_mark.line + 1}"


class _Builder:
    """Turns composed YAML nodes into typed values; nodes know their lines."""

    def __init__(self, source: str) -> None:
        self.source = source
        # Only its scalar resolution is used, never its object constructors.
        self.scalars = yaml.SafeLoader("")

    def build(self, node: yaml.Node, wanted: Any, key: str) -> Any:
        origin = typing.get_origin(wanted)
        arguments = typing.get_args(wanted)
        if origin is typing.Annotated:
            return self._in_range(node, self.build(node, arguments[0], key), arguments[1:], key)
        if origin in (Union, types.UnionType):
            return self._union(node, arguments, key)
        if dataclasses.is_dataclass(wanted):
            return self._dataclass(node, typing.cast(type, wanted), key)
        if origin is tuple:
            return self._tuple(node, arguments, key)
        if origin in (dict, Mapping):
            return {
                name: self.build(child, arguments[1], _join(key, name))
                for name, child in self._items(node, key).items()
            }
        value = self._scalar(node, key)
        if origin is Literal:
            if value not in arguments or isinstance(value, bool):
                known = ", ".join(str(item) for item in arguments)
                hint = nearest(str(value), [str(item) for item in arguments])
                self._fail(node, key, f"'{value}' is none of {known}{hint}")
            return value
        return self._plain(node, value, wanted, key)

    def _fail(self, node: yaml.Node, key: str, message: str) -> typing.NoReturn:
        raise ConfigError(f"{_where(self.source, node)}: {key + ': ' if key else ''}{message}")

    def _items(self, node: yaml.Node, key: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._fail(node, key, f"expected 'key: value' lines, found {_called(node)}")
        items: dict[str, yaml.Node] = {}
        for name_node, child in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else None
            if name is None:
                self._fail(name_node, key, "a key must be a word")
            if name in items:
                self._fail(name_node, key, f"key '{name}' is given twice")
            items[name] = child
        return items

    def _dataclass(self, node: yaml.Node, schema: type, key: str) -> Any:
        items = self._items(node, key)
        fields = {field.name: field for field in dataclasses.fields(schema) if field.init}
        hints = typing.get_type_hints(schema, include_extras=True)
        for name, child in items.items():
            if name not in fields:
                self._fail(child, _join(key, name), f"unknown key{nearest(name, fields)}")
        values = {name: self.build(child, hints[name], _join(key, name)) for name, child in items.items()}
        for name, field in fields.items():
            optional = (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
            if name not in values and not optional:
                self._fail(node, _join(key, name), "missing")
        try:
            return schema(**values)
        except ValueError as error:
            self._fail(node, key, str(error))

    def _tuple(self, node: yaml.Node, arguments: tuple[Any, ...], key: str) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            self._fail(node, key, f"expected a list, found {_called(node)}")
        children = node.value
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            arguments = (arguments[0],) * len(children)
        if len(children) != len(arguments):
            self._fail(node, key, f"expected {len(arguments)} values, found {len(children)}")
        pairs = enumerate(zip(children, arguments, strict=True))
        return tuple(self.build(child, wanted, f"{key}[{i}]") for i, (child, wanted) in pairs)

    def _union(self, node: yaml.Node, arguments: tuple[Any, ...], key: str) -> Any:
        if type(None) in arguments and isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
            return None
        choices = [item for item in arguments if item is not type(None)]
        for choice in choices[:-1]:
            try:
                return self.build(node, choice, key)
            except ConfigError:
                continue
        return self.build(node, choices[-1], key)

    def _scalar(self, node: yaml.Node, key: str) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            self._fail(node, key, f"expected one value, found {_called(node)}")
        try:
            return self.scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._fail(node, key, f"'{_short(node.value)}' is not readable")

    def _plain(self, node: yaml.Node, value: Any, wanted: Any, key: str) -> Any:
        if wanted is float:
            if isinstance(value, str):
                value = _number(value)  # YAML 1.1 reads 1e-3 as text
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                try:
                    number = float(value)
                except OverflowError:
                    number = math.inf
                if math.isfinite(number):
                    return number
                self._fail(node, key, "must be finite")
        elif wanted is Path:
            if isinstance(value, str):
                return Path(value)
        elif isinstance(wanted, type) and type(value) is wanted:
            return value
        name = _TYPE_NAMES.get(wanted, str(wanted))
        return self._fail(node, key, f"expected {name}, found {_called(node)}")

    def _in_range(self, node: yaml.Node, value: Any, notes: tuple[Any, ...], key: str) -> Any:
        for note in notes:
            if not isinstance(note, Range):
                continue
            for number in value if isinstance(value, tuple) else (value,):
                if not note.low <= number <= note.high:
                    self._fail(node, key, f"{number:g} is outside {note.low:g} to {note.high:g}")
        return value


_TYPE_NAMES: dict[Any, str] = {
    float: "a number",
    int: "a whole number",
    str: "text",
    bool: "true or false",
    Path: "a path",
}


def _join(key: str, name: str) -> str:
    return f"{key}.{_short(name)}" if key else _short(name)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."


def _number(text: str) -> float | str:
    try:
        return float(text) if text[:1] in "+-.0123456789" else text
    except ValueError:
        return text


def _called(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "'key: value' lines"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return f"'{_short(node.value)}'" if node.value else "nothing"
