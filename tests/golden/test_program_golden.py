"""Files that hold the grammar, the reference and the drawn tree to what people have read and approved.

After a change that is meant: `UPDATE_GOLDEN=1 python -m pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from language import LIBRARY, SIGNATURES, SKILL_SET, World, checked, task
from rich.console import Console

from embodied_agent.program.events import Event
from embodied_agent.program.grammar import gbnf, lark
from embodied_agent.program.reference import reference
from embodied_agent.program.render import render
from embodied_agent.program.run import run
from embodied_agent.program.tree import tree
from embodied_agent.types import Result

FOLDER = Path(__file__).parent
PROGRAM = task(
    'with unit("red cube", approach="above", max_force=10.0):',
    '    cube = find("red cube")',
    "    pick(cube)",
    'if exists("bowl"):',
    '    bowl = find("bowl")',
    "    with fallback():",
    "        place(cube, inside=bowl)",
    "        place(cube, on=bowl)",
    'elif count("plates") > 1:',
    '    ask("which plate?")',
    "else:",
    "    with retry(times=2):",
    "        push(cube, \"left\", distance=0.1)",
    'for mug in find_all("mugs"):',
    "    ensure(not is_inside(mug, cube) and distance_of(mug) < 0.5)",
    "home()",
)  # fmt: skip


def drawn(kinds: dict[str, list[object]] | None) -> str:
    """The tree after a run on a clock that ticks a quarter of a second at each reading."""
    program = checked(PROGRAM)
    events: list[Event] = []
    if kinds is not None:
        ticks = iter(range(10_000))
        run(
            program, LIBRARY, World(dict(kinds)), skills=SKILL_SET, emit=events.append,
            clock=lambda: next(ticks) * 0.25,
        )  # fmt: skip
    console = Console(width=110, record=True, file=io.StringIO(), color_system=None)
    console.print(tree(program, events))
    return "\n".join(line.rstrip() for line in console.export_text().splitlines()) + "\n"


def failing() -> str:
    empty = Result(
        ok=False, reason="the gripper closed on nothing: width 0.0 mm, expected 40", evidence={"width": 0.0}
    )
    return drawn({"grip": [empty]})


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("grammar.lark", lambda: lark(SIGNATURES)),
        ("grammar.gbnf", lambda: gbnf(SIGNATURES)),
        ("reference.txt", lambda: reference(SIGNATURES)),
        ("program.txt", lambda: render(checked(PROGRAM))),
        ("tree_pending.txt", lambda: drawn(None)),
        ("tree_done.txt", lambda: drawn({})),
        ("tree_failed.txt", failing),
    ],
)
def test_output_matches_the_approved_file(name: str, made: object) -> None:
    assert callable(made)
    text = made()
    file = FOLDER / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text
