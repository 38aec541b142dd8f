"""Grammar items as Lark, as regular expressions, and as GBNF."""

from __future__ import annotations

import json
from collections.abc import Callable

from embodied_agent.program.items import Chars, Choice, Item, Many, Ref, Text


def lark_item(item: Item) -> str:
    """An item of a rule in llguidance's Lark dialect."""
    return _item(item, lambda name: name, lambda chars: f"/{lark_regex(chars)}/", json.dumps)


def gbnf_item(item: Item) -> str:
    """An item of a rule in GBNF."""

    def chars(chars: Chars) -> str:
        return f"[{_class(chars, _gbnf_letter)}]{_times(chars.minimum, chars.maximum)}"

    return _item(item, lambda name: name.lower().replace("_", "-"), chars, _gbnf_text)


def _item(
    item: Item, name: Callable[[str], str], chars: Callable[[Chars], str], text: Callable[[str], str]
) -> str:
    if isinstance(item, Text):
        return text(item.value)
    if isinstance(item, Ref):
        return name(item.name)
    if isinstance(item, Chars):
        return chars(item)
    if isinstance(item, Many):
        inside = _item(item.item, name, chars, text)
        single = isinstance(item.item, (Text, Ref))
        return (inside if single else f"({inside})") + _times(item.minimum, item.maximum)
    parts = [_item(part, name, chars, text) for part in item.items]
    if isinstance(item, Choice):
        return f"({' | '.join(parts)})" if len(parts) > 1 else "".join(parts)
    return " ".join(parts)


def lark_regex(item: Item) -> str:
    """A terminal as a regular expression, to stand between slashes."""
    if isinstance(item, Text):
        return "".join(_escaped(letter) for letter in item.value)
    if isinstance(item, Chars):
        return f"[{_class(item, _regex_letter)}]{_times(item.minimum, item.maximum)}"
    if isinstance(item, Many):
        return f"({lark_regex(item.item)}){_times(item.minimum, item.maximum)}"
    if isinstance(item, Ref):
        raise TypeError("a terminal cannot refer to rules")
    parts = [lark_regex(part) for part in item.items]
    return f"({'|'.join(parts)})" if isinstance(item, Choice) else "".join(parts)


def _times(minimum: int, maximum: int | None) -> str:
    if maximum is None:
        return {0: "*", 1: "+"}.get(minimum, f"{{{minimum},}}")
    if minimum == maximum:
        return "" if maximum == 1 else f"{{{maximum}}}"
    return "?" if (minimum, maximum) == (0, 1) else f"{{{minimum},{maximum}}}"


def _class(chars: Chars, letter: Callable[[str], str]) -> str:
    return "".join(letter(a) if a == b else f"{letter(a)}-{letter(b)}" for a, b in chars.ranges)


def _regex_letter(character: str) -> str:
    if character in "\\]^-[/":
        return "\\" + character
    return character if character.isascii() else f"\\u{ord(character):04X}"


def _gbnf_letter(character: str) -> str:
    # Servers differ in the escapes they know; hexadecimal is common to all.
    if character.isascii():
        return character if character.isalnum() or character == "_" else f"\\x{ord(character):02X}"
    return character  # short escapes of Latin-1 letters are misread by one converter


def _escaped(letter: str) -> str:
    return letter if letter.isalnum() or letter in ' "_=,:' else "\\" + letter


def _gbnf_text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
