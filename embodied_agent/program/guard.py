"""Bounds on program text, tested in one linear pass before Python's parser sees it.

Python's parser accepts far more than the language, and some texts cost it much memory or a deep
stack. What passes here is short, shallow, ASCII outside strings, and made of plain tokens only.
"""

from __future__ import annotations

import re

from embodied_agent.errors import Problem

MAX_BYTES = 64_000
MAX_LINES = 1_500
MAX_TOKENS = 12_000
MAX_LINE_TOKENS = 200  # in one logical line: bounds the depth of any expression
MAX_BRACKETS = 10
MAX_INDENT = 48
MAX_ELIF = 40
MAX_LITERAL = 2_400  # characters of one string
MAX_DOCSTRING = 4_000
MAX_NUMBER = 25  # characters of one number; a double needs 24
MAX_PROBLEMS = 50

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
  | (?P<triple>\"\"\"(?:[^"\\]|\\.|\"(?!\"\"))*\"\"\"|'''(?:[^'\\]|\\.|'(?!''))*''')
  | (?P<string>\"(?!\"\")(?:[^"\\\n]|\\[^\n])*\"|'(?!'')(?:[^'\\\n]|\\[^\n])*')
  | (?P<unclosed>["'])
  | (?P<number>(?:[0-9]|\.[0-9])(?:[eE][-+][0-9]|[0-9a-zA-Z_.])*)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<newline>\n)
  | (?P<space>[ ]+)
  | (?P<open>[(\[{])
  | (?P<close>[)\]}])
  | (?P<operator>[-+*/%<>=!,:.@&|^~;])
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_INVISIBLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def guard(text: str) -> list[Problem]:
    """Everything that makes the text unfit for the parser; [] if it is fit.

    Args:
        text: The program, with lines that end in a newline character.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        line, column = _place(text, MAX_BYTES)
        return [Problem(line, column, f"the program is longer than {MAX_BYTES} bytes")]
    if text.count("\n") > MAX_LINES:
        return [Problem(MAX_LINES + 1, 1, f"the program has more than {MAX_LINES} lines")]
    problems = []
    for match in _INVISIBLE.finditer(text):
        line, column = _place(text, match.start())
        name = "a tab; indent with spaces" if match[0] == "\t" else f"U+{ord(match[0]):04X}"
        problems.append(Problem(line, column, f"a character that is not allowed: {name}"))
        if len(problems) >= MAX_PROBLEMS:
            break
    return problems or _Scanner(text).problems()


def _place(text: str, position: int) -> tuple[int, int]:
    line = text.count("\n", 0, position) + 1
    return line, position - text.rfind("\n", 0, position)


class _Scanner:
    """One pass over the tokens, counting."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Problem] = []
        self.line = 1
        self.start = 0  # position where the current line starts
        self.brackets = 0
        self.in_line = 0  # tokens in the current logical line
        self.elifs = 0

    def problems(self) -> list[Problem]:
        previous = None
        for total, match in enumerate(_TOKEN.finditer(self.text)):
            kind, token = str(match.lastgroup), match[0]
            column = match.start() - self.start + 1
            fatal = total > MAX_TOKENS
            message = f"the program has more than {MAX_TOKENS} tokens" if fatal else ""
            message = message or self._complaint(kind, token, column, previous)
            if message:
                self.found.append(Problem(self.line, column, message))
            if fatal or kind == "unclosed" or len(self.found) >= MAX_PROBLEMS:
                break
            if self.in_line > MAX_LINE_TOKENS or self.brackets > MAX_BRACKETS:
                break
            if newlines := token.count("\n"):
                self.line += newlines
                self.start = match.start() + token.rfind("\n") + 1
            previous = match
        return self.found

    def _complaint(self, kind: str, token: str, column: int, previous: re.Match[str] | None) -> str:
        if kind == "newline":
            self.in_line = self.in_line if self.brackets else 0
            return ""
        if kind == "space":
            deep = column == 1 and len(token) > MAX_INDENT
            return f"indented more than {MAX_INDENT} columns" if deep else ""
        if kind == "comment":
            return ""
        self.in_line += 1
        if self.in_line > MAX_LINE_TOKENS:
            return f"a statement of more than {MAX_LINE_TOKENS} tokens"
        if kind == "open":
            self.brackets += 1
            deep = self.brackets > MAX_BRACKETS
            return f"more than {MAX_BRACKETS} brackets inside each other" if deep else ""
        if kind == "close":
            self.brackets = max(0, self.brackets - 1)
            return ""
        if kind == "name" and token == "elif":
            self.elifs += 1
            return f"more than {MAX_ELIF} elif" if self.elifs == MAX_ELIF + 1 else ""
        if kind in ("string", "triple"):
            return _string_complaint(kind, token, previous)
        return _token_complaint(kind, token)


def _token_complaint(kind: str, token: str) -> str:
    if kind == "unclosed":
        return "a string that is not closed"
    if kind == "number":
        if len(token) > MAX_NUMBER:
            return f"a number of more than {MAX_NUMBER} characters"
        if not _NUMBER.fullmatch(token):
            return f"not a decimal number: {token}"
    if kind == "name" and len(token) > 40:
        return "a name of more than 40 characters"
    if kind == "other":
        return f"the character {token!r} (U+{ord(token):04X}) is only allowed inside strings"
    return ""


def _string_complaint(kind: str, token: str, previous: re.Match[str] | None) -> str:
    if previous is not None and previous.lastgroup == "name" and len(previous[0]) <= 2:
        return f"strings with the prefix {previous[0]!r} are not part of the language"
    if previous is not None and previous.lastgroup in ("string", "triple"):
        return "two strings in a row"
    limit = MAX_DOCSTRING if kind == "triple" else MAX_LITERAL
    if len(token) > limit:
        return f"a string of more than {limit} characters"
    foreign = next((e[0] for e in _ESCAPE.finditer(token) if e[1] not in "\\'\"nt"), "")
    return f"the escape {foreign!r} is not part of the language" if foreign else ""
