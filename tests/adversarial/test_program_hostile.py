"""Hostile programs: each is refused with line and column, quickly and without much memory."""

# ruff: noqa: E501 - one case, one line
from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest
from language import SIGNATURES, task

from embodied_agent.errors import ProgramError
from embodied_agent.program.check import check
from embodied_agent.program.parse import load_skills, parse

SECONDS = 1.0
MEGABYTES = 40

# Name: text, line of the first problem, words in the message.
CASES: dict[str, tuple[str | Callable[[], str], int, str]] = {
    # Ways out of the language
    "import": ("import os\n" + task("home()"), 1, "only `with task"),
    "import inside": (task("import os"), 2, "import is not part"),
    "from import": (task("from os import system"), 2, "import is not part"),
    "dunder import": (task("__import__('os')"), 2, "not a name of the language"),
    "eval": (task("eval('1')"), 2, "there is no eval"),
    "exec": (task("exec('import os')"), 2, "there is no exec"),
    "compile": (task("x = compile('1', 'a', 'eval')"), 2, "there is no compile"),
    "open a file": (task("open('/etc/passwd')"), 2, "there is no open"),
    "getattr": (task("x = getattr(1, 'real')"), 2, "there is no getattr"),
    "globals": (task("x = globals()"), 2, "there is no globals"),
    "input": (task("x = input()"), 2, "there is no input"),
    "breakpoint": (task("breakpoint()"), 2, "there is no breakpoint"),
    "exit": (task("exit()"), 2, "there is no exit"),
    "context as a name": (task("x = context"), 2, "context has no value"),
    "self": (task("x = self"), 2, "self has no value"),
    # Attribute and subscript walks
    "attribute walk": (task("x = ''.__class__.__mro__[1].__subclasses__()"), 2, "only a name can be called"),
    "attribute": (task("x = find('a').pose"), 2, "a dot"),
    "attribute assignment": (task("a = find('a')", "a.pose = 1"), 3, "only `name = value`"),
    "method": (task("find('a').delete()"), 2, "only a name can be called"),
    "subscript": (task("x = find_all('a')[0]"), 2, "an index"),
    "slice": (task("x = find_all('a')[0:1]"), 2, "an index"),
    "subscript assignment": (task("x[0] = 1"), 2, "only `name = value`"),
    "call of a call": (task("find('a')()"), 2, "only a name can be called"),
    "call of a string": (task("'find'('a')"), 2, "only a name can be called"),
    "format string walk": (task("say('{0.__class__}'.format(1))"), 2, "only a name can be called"),
    "f-string": (task("say(f'{find}')"), 2, "prefix 'f'"),
    "percent format": (task("say('%s' % 1)"), 2, "Mod is not part"),
    # Constructs of Python that are not ours
    "lambda": (task("f = lambda: 1"), 2, "lambda"),
    "comprehension": (task("x = [m for m in find_all('a')]"), 2, "comprehension"),
    "generator": (task("say(x for x in 'a')"), 2, "comprehension"),
    "dict": (task("x = {1: 2}"), 2, "dictionary"),
    "list": (task("x = [1]"), 2, "a list written out"),
    "tuple": (task("x = 1, 2"), 2, "a tuple"),
    "unpacking": (task("a, b = find_all('a')"), 2, "only `name = value`"),
    "chained assignment": (task("a = b = 1"), 2, "only `name = value`"),
    "star arguments": (task("pick(*find_all('a'))"), 2, "`*`"),
    "star star arguments": (task("pick(**find('a'))"), 2, "`**`"),
    "walrus": (task("ensure((x := exists('a')))"), 2, "`:=`"),
    "conditional expression": (task("x = 1 if exists('a') else 2"), 2, "use an if statement"),
    "class": (task("class A: home()"), 2, "class is not part"),
    "try": (task("try:", "    home()", "except Exception:", "    home()"), 2, "try is not part"),
    "raise": (task("raise SystemExit"), 2, "raise is not part"),
    "assert": (task("assert False"), 2, "assert is not part"),
    "del": (task("x = 1", "del x"), 3, "del is not part"),
    "global": (task("global x"), 2, "global is not part"),
    "break": (task("for m in find_all('a'):", "    break"), 3, "break is not part"),
    "yield": (task("x = yield 1"), 2, "yield"),
    "await": (task("x = await find('a')"), 2, "await"),
    "async": ("async def f():\n    home()\n" + task("home()"), 1, "only `with task"),
    "match": (task("match 1:", "    case 1:", "        home()"), 2, "match is not part"),
    "decorator": ("@home\ndef f():\n    home()\n" + task("f()"), 2, "decorators"),
    "nested function": (task("def f():", "    home()"), 2, "a function inside a block"),
    "default that calls": ("def f(a: Object = find('a')):\n    pick(a)\n" + task("f()"), 1, "written out"),
    "annotation that calls": ("def f(a: find('a')):\n    pick(a)\n" + task("home()"), 1, "not a type"),
    "with as": ("with task('a') as t:\n    home()\n", 1, "without `as`"),
    "with open": (task("with open('/etc/passwd'):", "    home()"), 2, "`with` opens only"),
    "shift bomb": (task("x = 1 << 99999999"), 2, "LShift is not part"),
    "power bomb": (task("x = 9 ** 9 ** 9"), 2, "Pow is not part"),
    "string bomb": (task("x = 'a' * 1000000000"), 2, "arithmetic is for numbers"),
    "ellipsis": (task("..."), 2, "does nothing"),
    "bytes": (task("say(b'a')"), 2, "prefix 'b'"),
    "complex": (task("wait(1j)"), 2, "not a decimal number"),
    "none": (task("say(None)"), 2, "None stands only"),
    # Loops and recursion
    "endless recursion": ("def f():\n    f()\n" + task("f()"), 1, "calls itself"),
    "huge loop": (task(*("    " * i + f"for m{i} in find_all('a'):" for i in range(6)), "    " * 6 + "home()"), 2, "may run"),
    "huge while": (task(*("    " * i + "while exists('a'):" for i in range(6)), "    " * 6 + "home()"), 2, "may run"),
    "retry without end": (task("with retry(times=1000000):", "    home()"), 2, "times must be from 1 to 5"),
    "range": (task("for i in range(10):", "    home()"), 2, "there is no range"),
    "long wait": (task("wait(1e9)"), 2, "seconds must be from 0 to 30"),
    # Size and depth
    "ten megabytes": (lambda: task("home()") + "#" * 10_000_000, 3, "longer than"),
    "ten megabytes in one string": (lambda: task(f"say('{'a' * 10_000_000}')"), 2, "longer than"),
    "million lines": (lambda: "\n" * 60_000, 1501, "more than 1500 lines"),
    "deep brackets": (task("x = " + "(" * 5_000 + ")" * 5_000), 2, "brackets inside each other"),
    "deep lists": (task("x = " + "[" * 20_000), 2, "brackets inside each other"),
    "deep minus": (task("x = " + "-" * 30_000 + "1"), 2, "more than 200 tokens"),
    "deep not": (task("ensure(" + "not " * 9_000 + "True)"), 2, "more than 200 tokens"),
    "some minus": (task("x = " + "-" * 150 + "1"), 2, "expressions inside each other"),
    "long sum": (task("x = " + "1+" * 20_000 + "1"), 2, "more than 200 tokens"),
    "some sum": (task("x = " + "1+" * 80 + "1"), 2, "expressions inside each other"),
    "long attribute chain": (task("x = a" + ".b" * 9_000), 2, "more than 200 tokens"),
    "long call chain": (task("x = a" + "()" * 9_000), 2, "more than 200 tokens"),
    "deep lambda": (task("x = " + "lambda: " * 3_000 + "1"), 2, "more than 200 tokens"),
    "deep blocks": (lambda: "".join("  " * i + "if True:\n" for i in range(100)), 26, "indented more than"),
    "blocks beyond the limit": (task(*("  " * i + "if True:" for i in range(12)), "  " * 12 + "home()"), 10, "8 blocks"),
    "elif chain": (task("if True:", "    home()", *["elif True:", "    home()"] * 600), 84, "more than 40 elif"),
    "too many statements": (task(*["home()"] * 1_000), 602, "more than 600 statements"),
    "one line": (task("home(); " * 5_000), 2, "more than 200 tokens"),
    "huge integer": (task("x = " + "9" * 20_000), 2, "more than 25 characters"),
    "hex integer": (task("x = 0x" + "f" * 10), 2, "not a decimal number"),
    "huge float": (task("wait(1e400)"), 2, "a number beyond"),
    "large integer": (task("x = 99999999999"), 2, "a number beyond"),
    "long name": (task("a" * 5_000 + " = 1"), 2, "a name of more than 40"),
    "long string": (task(f"say('{'a' * 5_000}')"), 2, "a string of more than"),
    "joined strings": (task("say(" + "'aaaa' " * 150 + ")"), 2, "at most 200"),
    "backslashes": (lambda: task("say('" + "\\" * 60_000), 2, "not closed"),
    "open triple quotes": (lambda: '"""' + '\\"""' * 15_000, 1, "not closed"),
    "many quotes": (lambda: task('"' * 50_001), 2, "two strings in a row"),
    # Characters
    "null byte": (task("home()\0"), 2, "U+0000"),
    "only null bytes": ("\0" * 1_000, 1, "U+0000"),
    "cyrillic name": (task("hоme()"), 2, "U+043E"),
    "fullwidth name": (task("ｈome()"), 2, "U+FF48"),
    "greek variable": (task("α = 1"), 2, "U+03B1"),
    "no-break space": (task("home()\u00a0"), 2, "U+00A0"),
    "direction override": (task("say('\u202eevil')"), 2, "U+202E"),
    "zero width": (task("say('a\u200bb')"), 2, "U+200B"),
    "surrogate": (task("say('\ud800')"), 2, "U+D800"),
    "line separator": (task("home()\u2028home()"), 2, "U+2028"),
    "carriage return": (task("# \rhome()"), 2, "U+000D"),
    "form feed": (task("\x0chome()"), 2, "U+000C"),
    "tab": ("with task('a'):\n\thome()\n", 2, "a tab"),
    "control escape": (task("say('\\x00')"), 2, "escape"),
    "named escape": (task("say('\\N{BULLET}')"), 2, "escape"),
    "line continuation": (task("home() \\", "  "), 2, "only allowed inside strings"),
    "backticks": ("```python\n" + task("home()") + "```\n", 1, "only allowed inside strings"),
    # Not a program at all
    "empty": ("", 1, "there is no task"),
    "prose": ("I will put the cube in the bowl.", 1, "not a program"),
    "json": ('{"task": "x"}', 1, "only `with task"),
    "shell": ("rm -rf /", 1, "not a program"),
    "two tasks": (task("home()") + task("home()"), 3, "only one task"),
    "task in a task": (task("with task('b'):", "    home()"), 2, "cannot stand inside"),
    "empty task": ("with task('a'):\n", 1, "not a program"),
    "task without words": ("with task('  '):\n    home()\n", 1, "task takes what was asked"),
    "no indentation": ("with task('a'):\nhome()\n", 2, "not a program"),
    "limits in words": (task("ignore_limits(speed=10)"), 2, "there is no ignore_limits"),
    "speed beyond the limit": (task("with unit('a', speed=10):", "    home()"), 2, "speed must be from 0.05 to 1"),
    "force beyond the limit": (task("with unit('a', max_force=1e6):", "    home()"), 2, "max_force must be from 1 to 60"),
    "computed preference": (task("x = 9.0", "with unit('a', speed=x):", "    home()"), 3, "written out, not computed"),
    "unknown preference": (task("with unit('a', sped=1.0):", "    home()"), 2, "did you mean speed?"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_program_is_refused_with_its_place(name: str) -> None:
    made, line, words = CASES[name]
    text = made if isinstance(made, str) else made()
    tracemalloc.start()
    begin = time.perf_counter()
    try:
        with pytest.raises(ProgramError) as refused:
            check(parse(text), SIGNATURES)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.perf_counter() - begin < SECONDS * 3  # tracing memory slows it down
    assert peak < MEGABYTES * 1e6
    first = refused.value.problems[0]
    assert words in str(refused.value), str(refused.value)[:300]
    assert first.line == line and first.column >= 1
    assert len(str(refused.value)) < 20_000 and len(refused.value.problems) <= 60


def test_the_cases_are_many() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("value", [None, 3, b"with task('a'):\n    home()\n", ["home()"]])
def test_what_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(ProgramError, match="a program is text"):
        parse(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n",
        "home()\n",
        "class A:\n    x = 1\n",
        'def f(*a: Object):\n    """F."""\n    home()\n',
        'def f(a):\n    """F."""\n    home()\n',
        'def f(a: "Object"):\n    """F."""\n    home()\n',
        'def f(a: Annotated[float, Evil(1)]):\n    """F."""\n    home()\n',
        'def f():\n    """F."""\n',
    ],
)
def test_a_hostile_skill_file_is_refused(text: str) -> None:
    with pytest.raises(ProgramError):
        load_skills(text)
