"""Programs as JSON, the reference, and what the tree draws while a run goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from language import SIGNATURES, checked, task
from rich.console import Console

from embodied_agent.errors import ProgramError
from embodied_agent.program.check import check
from embodied_agent.program.events import Event
from embodied_agent.program.json_form import json_schema, program_text
from embodied_agent.program.parse import parse
from embodied_agent.program.reference import reference
from embodied_agent.program.tree import TreeView


def call(name: str, **arguments: Any) -> dict[str, Any]:
    """A call as JSON."""
    return {"do": name, "arguments": arguments}


DOCUMENT = {
    "task": 'put the "red" cube away',
    "body": [
        {
            "unit": "red cube", "approach": "above", "grasp_at": None, "max_force": 10, "keep_upright": None,
            "speed": None, "avoid": None,
            "body": [
                {**call("find", description="red cube"), "result": "cube"},
                {**call("find", description="bowl"), "result": "bowl"},
                call("pick", object="cube"),
                call("place", side="left", inside="bowl", on=None, at=None, object="cube"),
                {"ensure": {"joined": "and", "tests": [
                    {**call("is_inside", object="cube", container="bowl"), "negated": False},
                    {**call("count", description="cubes"), "compared": "<=", "number": 3},
                ]}},
            ],
        },
        {**call("find_all", description="mugs"), "for_each": "mug", "body": [
            {"retry": 2, "body": [call("pick", object="mug")]},
        ]},
        {
            "if": {"joined": "or", "tests": [{**call("exists", description="can"), "negated": True}]},
            "then": [{"fallback": [call("home"), call("wait", seconds=1.5)]}],
            "else": [{"while": {"joined": "and", "tests": [{**call("exists", description="a"), "negated": False}]},
                      "body": [call("home")]}],
        },
    ],
}  # fmt: skip

TEXT = """with task("put the \\"red\\" cube away"):
    with unit("red cube", approach="above", max_force=10):
        cube = find("red cube")
        bowl = find("bowl")
        pick(cube)
        place(cube, inside=bowl, side="left")
        ensure(is_inside(cube, bowl) and count("cubes") <= 3)
    for mug in find_all("mugs"):
        with retry(times=2):
            pick(mug)
    if not exists("can"):
        with fallback():
            home()
            wait(1.5)
    else:
        while exists("a"):
            home()
"""


def test_a_program_in_json_becomes_text_that_passes_the_check() -> None:
    text = program_text(json.loads(json.dumps(DOCUMENT)), SIGNATURES)
    assert text == TEXT
    check(parse(text), SIGNATURES)


def allowed(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    """Whether a value follows the part of JSON schema that ours is made of."""
    if "$ref" in schema:
        return allowed(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    if "anyOf" in schema:
        return any(allowed(option, value, root) for option in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    python = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None),
              "array": list, "object": dict}  # fmt: skip
    if not any(isinstance(value, python[kind]) for kind in kinds):
        return False
    if isinstance(value, list):
        return all(allowed(schema["items"], item, root) for item in value)
    if isinstance(value, dict):
        return set(value) == set(schema["required"]) and all(
            allowed(schema["properties"][key], item, root) for key, item in value.items()
        )
    return (
        value is None
        or not isinstance(value, (int, float))
        or (schema.get("minimum", value) <= value <= schema.get("maximum", value))
    )


def test_the_schema_admits_the_example_and_refuses_what_is_unknown() -> None:
    schema = json_schema(SIGNATURES)
    assert json.loads(json.dumps(schema)) == schema
    assert allowed(schema, DOCUMENT, schema)
    for wrong in (
        call("grip", object="a"),
        call("fly"),
        call("wait", seconds=31),
        call("pick", object="a", b="c"),
    ):
        assert not allowed(schema, {"task": "a", "body": [wrong]}, schema)


@pytest.mark.parametrize(
    "document",
    [
        None, [], {}, {"task": 1, "body": []}, {"task": "a", "body": []}, {"task": "a", "body": ["home()"]},
        {"task": "a", "body": [{"do": "fly", "arguments": {}}]},
        {"task": "a", "body": [{"do": "home", "arguments": {"speed": 9}}]},
        {"task": "a", "body": [{"do": "pick", "arguments": {"object": "a); import os; (b"}}]},
        {"task": "a", "body": [{"do": "find", "arguments": {"description": "a"}, "result": "x = 1; y"}]},
        {"task": "a", "body": [{"ensure": {"tests": []}}]},
        {"task": "a", "body": [{"loop": 1}]},
    ],
)  # fmt: skip
def test_json_that_is_no_program_is_refused(document: Any) -> None:
    with pytest.raises(ProgramError, match="not a program in JSON"):
        program_text(document, SIGNATURES)


def test_json_nested_too_deep_is_refused() -> None:
    body: list[Any] = [call("home")]
    for _ in range(200):
        body = [{"retry": 2, "body": body}]
    with pytest.raises(ProgramError, match="blocks inside each other"):
        program_text({"task": "a", "body": body}, SIGNATURES)


def test_the_reference_names_every_callable_for_planners_and_no_other() -> None:
    text = reference(SIGNATURES)
    for name, signature in SIGNATURES.items():
        assert (f"\n{name}(" in text) == signature.callable_by_planner
    assert "grip(object: object)" in reference(SIGNATURES, planner=False)
    assert "from 0.02 to 0.3 m" in text and 'one of "left", "right"' in text


def lines(view: TreeView) -> list[str]:
    """The drawn tree, line by line."""
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(view.draw())
    return capture.get().splitlines()


def test_the_tree_shows_the_program_before_it_runs_and_grows_with_events() -> None:
    view = TreeView(checked(task("home()", "for m in find_all('mugs'):", "    pick(m)")))
    assert [line.strip() for line in lines(view)][1:] == [
        "├── ○ home()", '└── ○ for m in find_all("mugs")', "└── ○ pick(m)",
    ]  # fmt: skip
    view.update(Event("started", "1", 'task("test")', "task", 1))
    view.update(Event("succeeded", "1.1", "home()", "primitive", 2, duration=1.23, evidence={"error": 0.00123}))
    view.update(Event("started", "1.2[1]", "m = mug (1 of 1)", "control", 3))
    view.update(Event("failed", "1.2[1].1", "pick(m)", "skill", 4, reason="it slipped"))
    drawn = lines(view)
    assert drawn[0].startswith("◐ task")
    assert "● home()  1.2 s  error 0.00123" in drawn[1]
    assert "◐ m = mug (1 of 1)" in drawn[3]
    assert "✗ pick(m)" in drawn[4] and "it slipped" in drawn[5]
    assert len(drawn) == 6  # the loop's body gave way to its rounds


def test_a_label_cannot_write_markup_into_the_terminal() -> None:
    view = TreeView(checked(task('say("[bold red]danger[/]")')))
    assert 'say("[bold red]danger[/]")' in lines(view)[1]
