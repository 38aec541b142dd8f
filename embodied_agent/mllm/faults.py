"""Why a program that was written cannot be meant.

A name without a value, a thing put into or beside itself, a cube that something is put into, a
phrase of the command that the program leaves out, a number that nobody said, a condition on which
nothing depends: none of these is ever right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, count, takewhile

from embodied_agent.mllm.mentions import noun_of, singulars
from embodied_agent.mllm.numerals import unsaid_numbers
from embodied_agent.mllm.vocabulary import CATEGORIES

_SOLID = frozenset(("cube", "cylinder", "ball", "banana", "apple", "lemon", "can", "bottle", "button", "knob"))
_FIXED = frozenset(("drawer", "door", "button", "knob", "shelf", "cabinet", "cupboard"))
_HINGED = frozenset(("drawer", "door", "cabinet", "cupboard"))
_MOVED = ("pick", "place", "push")  # calls whose first argument is taken from its place
_WORKS: dict[str, frozenset[str]] = {
    "open": _HINGED, "close": _HINGED, "press": frozenset(("button",)), "turn": frozenset(("knob",)),
}  # fmt: skip
_KNOWN = _SOLID | _FIXED | {"mug", "bowl", "plate", "box", "bin"}  # of other nouns nothing is known
_CALL = re.compile(r"\b(\w+)\(([^()\n]*)\)")
_DESCRIBED = re.compile(r'(?:\b(\w+) = find|for (\w+) in find_all)\("([^"\n]*)"')
_DECLINES = re.compile(r"^ *(?:refuse|ask)\(", re.M)
_NUMBER = re.compile(r"_\d+$")
_UNIT = re.compile(r'\bunit\("[^"\n]*"\)')
_LABEL = re.compile(r'\b(?:task|unit)\("[^"\n]*$')

_STRING = re.compile(r'"[^"\n]*"')
_OPEN_STRING = re.compile(r'"[^"\n]*$')
_BINDS = re.compile(r"^( *)(?:(\w+) = |for (\w+) in )")
_BRANCH = re.compile(r"^ *(?:if|elif|else|for|while)\b.*:$")
_NAME = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?=\s*([^\w\s]|\n))")
_WORDS = frozenset(("with", "as", "for", "in", "if", "elif", "else", "while", "not", "and", "or"))
_VALUES = frozenset({"True", "False", "None"})


@dataclass(frozen=True)
class Fault:
    """Something wrong.

    Attributes:
        end: The character up to which the text is to blame: what follows cannot mend it.
        why: What is wrong, in words.
        missing: What of the command is left out; "" = nothing.
    """

    end: int
    why: str
    missing: str = ""


def left_out(words: str, end: int) -> Fault:
    """The fault of a program, `end` characters long, that does not speak of something."""
    return Fault(end + 1, f"'{words}' is left out", words)


def question_about(faults: Sequence[Fault]) -> str:
    """A program that asks instead of acting on one that is known to be wrong."""
    missing = [fault.missing for fault in faults if fault.missing]
    asked = f"what should I do with the {missing[0]}?" if missing else "could you say that in other words?"
    return f'with task("ask"):\n    ask("{asked}")\n'


def faults_of(
    text: str, phrases: Sequence[str], said: str = "", there: Sequence[str] = (), near: Sequence[str] = ()
) -> tuple[Fault, ...]:
    """All that is plainly wrong with a program.

    Args:
        text: A whole program.
        phrases: What the phrases of its command mean; a program that acts speaks of each.
        said: The command.
        there: Those of the phrases that mean something that is there.
        near: ... and those that mean something within reach.
    """
    found = []
    place = unbound(text + "\n")
    if place is not None:
        found.append(Fault(_end_of_name(text, place), "a name has no value"))
    found += _misused(text)
    found += _misnamed(text)
    found += [Fault(end, why) for end, why in unsaid_numbers(text, said)]
    found += _undecided(text)
    if declines(text):
        denied = [re.search(f"\\bno {re.escape(words)} here", text) for words in there]
        found += [Fault(denial.end(), "it denies what was found") for denial in denied if denial]
        far = [re.search(f'"the {re.escape(words)} is out of reach', text) for words in near]
        found += [Fault(claim.end(), "what stands near is called out of reach") for claim in far if claim]
    else:
        missing = [words for words in phrases if words and f'"{words}"' not in text]
        found += [left_out(words, len(text)) for words in missing]
    return tuple(found)


def declines(text: str) -> bool:
    """Whether a program refuses or asks somewhere."""
    return bool(_DECLINES.search(text))


def in_label(written: str) -> bool:
    """Whether a text ends inside the name of a task or a unit, which changes nothing."""
    return bool(_LABEL.search(written))


def _end_of_name(text: str, place: int) -> int:
    return place + len(re.match(r"\w*", text[place:])[0])  # type: ignore[index]


def _misused(text: str) -> list[Fault]:
    """Calls that their things do not fit."""
    faults = []
    lines = 0
    nouns: dict[str, str] = {}
    described: dict[str, str] = {}
    for line in text.splitlines(keepends=True):
        for call in _CALL.finditer(_STRING.sub(lambda quoted: " " * len(quoted[0]), line)):
            why = _misuse(call[1], call[2], nouns, described)
            if why:
                faults.append(Fault(lines + call.end(), why))
        described |= {found[1] or found[2]: found[3] for found in _DESCRIBED.finditer(line)}
        nouns |= {name: noun_of(words) for name, words in described.items()}
        lines += len(line)
    return faults


def _misnamed(text: str) -> list[Fault]:
    """Variables that are not called what they hold."""
    faults = []
    for found in _DESCRIBED.finditer(text):
        name = _NUMBER.sub("", found[1] or found[2])
        if name not in _names(noun_of(found[3])):
            faults.append(Fault(found.end(), f"'{found[3]}' is called a {name}"))
    return faults


def renamed(text: str) -> str:
    """The program with each variable called after what it holds: `ball = find("fruit")` -> `fruit = ...`.

    A name is written before its description, and nothing but its looks depends on it. One that speaks of another
    kind of thing than the description is a mistake, and stays.
    """
    bound = [found[1] or found[2] for found in _DESCRIBED.finditer(text)]
    new: dict[str, str] = {}
    for old, found in zip(bound, _DESCRIBED.finditer(text), strict=True):
        names = _names(noun_of(found[3]))
        name = next((one for one in names if _kinds(one)), "")
        alike = _kinds(name) & _kinds(_NUMBER.sub("", old))
        if alike and _NUMBER.sub("", old) not in names and bound.count(old) == 1:
            taken = {*bound, *new.values()}
            new[old] = next(one for k in count(1) if (one := name if k == 1 else f"{name}_{k}") not in taken)
    if not new:
        return text
    spoken = re.compile(rf"{_STRING.pattern}|\b(?:{'|'.join(new)})\b")
    return spoken.sub(lambda word: new.get(word[0], word[0]), text)


def _kinds(name: str) -> frozenset[str]:
    """What a variable of that name may hold."""
    return frozenset(CATEGORIES.get("object" if name == "thing" else name, (name,) if name in _KNOWN else ()))


def _undecided(text: str) -> list[Fault]:
    """Conditions of which both branches do the same, whatever their units are called."""
    plain = _UNIT.sub('unit("")', text)
    lines = plain.splitlines()
    ends = list(accumulate(len(line) + 1 for line in text.splitlines()))
    faults = []
    for row, line in enumerate(lines):
        if line.strip() == "else:":
            then, other = _block(reversed(lines[:row]), line)[::-1], _block(lines[row + 1 :], line)
            if then == other:
                faults.append(Fault(ends[row + len(other)], "both branches do the same"))
    return faults


def _block(lines: Iterable[str], opener: str) -> list[str]:
    """The lines from the first on that are deeper than the one that opens them."""
    indent = len(opener) - len(opener.lstrip())
    return list(takewhile(lambda line: len(line) - len(line.lstrip()) > indent, lines))


def _names(noun: str) -> tuple[str, ...]:
    """What a variable for one thing of that noun is called: "boxes" -> "box"."""
    return ("thing",) if noun == "objects" else singulars(noun)


def _misuse(call: str, arguments: str, nouns: dict[str, str], described: dict[str, str]) -> str:
    """Why a call cannot be meant; "" = it may be."""
    given = [part.strip().rpartition("=")[::2] for part in arguments.split(",")]
    named = [(key, value) for key, value in given if value in nouns]
    values = [described[value] for _, value in named]
    if len(set(values)) < len(values):
        return f"{call}() is given the same thing twice"
    for place, (key, value) in enumerate(given):
        noun = nouns.get(value, "")
        if noun not in _KNOWN:
            continue
        if key == "inside" and noun in _SOLID:
            return f"nothing can be put into a {noun}"
        if key in ("inside", "on") and described.get(given[0][1], "").endswith(_lying(described[value])):
            return f"{call}() of a thing to where it is"
        if place == 0 and not key and call in _MOVED and noun in _FIXED:
            return f"{call}() of a {noun}"
        if place == 0 and not key and noun not in _WORKS.get(call, _KNOWN):
            return f"{call}() of a {noun}"
    return ""


def _lying(where: str) -> tuple[str, str]:
    """How a description ends of what lies in or on what another one means."""
    return f" on the {where}", f" in the {where}"


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
