"""Which variables of a program that is being written have no value where they are used."""

from __future__ import annotations

import re

_STRING = re.compile(r'"[^"\n]*"')
_OPEN_STRING = re.compile(r'"[^"\n]*$')
_BINDS = re.compile(r"^( *)(?:(\w+) = |for (\w+) in )")
_BRANCH = re.compile(r"^ *(?:if|elif|else|for|while)\b.*:$")
_NAME = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?=\s*([^\w\s]|\n))")
_WORDS = frozenset(("with", "as", "for", "in", "if", "elif", "else", "while", "not", "and", "or"))
_VALUES = frozenset({"True", "False", "None"})


def unbound(text: str) -> int | None:
    """Where the first name begins that has no value there, or None.

    Args:
        text: A program, perhaps unfinished; a name at its very end may still go on and is not judged.
    """
    blocks: list[tuple[int, set[str]]] = [(-1, set())]  # indent of the branch that opened it, and its names
    start = 0
    for line in text.splitlines(keepends=True):
        plain = _OPEN_STRING.sub("", _STRING.sub(lambda found: " " * len(found[0]), line))
        indent = len(plain) - len(plain.lstrip(" "))
        if plain.strip():
            while indent <= blocks[-1][0]:
                blocks.pop()
        known = set().union(*(names for _, names in blocks))
        binds = _BINDS.match(plain)
        begin = binds.end() if binds else 0
        for found in _NAME.finditer(plain, begin):
            name, after = found.group(1), found.group(2)
            keyword = after == "=" and plain[found.end() :].lstrip()[:2] != "=="
            if after != "(" and not keyword and name not in known | _WORDS | _VALUES:
                return start + found.start()
        opens = _BRANCH.match(plain.rstrip("\n"))
        if opens:
            blocks.append((indent, set()))
        if binds and plain.endswith("\n"):
            blocks[-1][1].add(binds.group(2) or binds.group(3))
        start += len(line)
    return None
