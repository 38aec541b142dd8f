"""The prompt for models that were not trained here: complete, honest, and stable.

After a meant change: EMBODIED_AGENT_GOLDEN=write pytest tests/golden/test_serve_prompt.py
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embodied_agent.library import library
from embodied_agent.planners.images import data_url, depth_url, marked, read_url
from embodied_agent.planners.planner import Failure, PlanRequest
from embodied_agent.planners.prompt import EXAMPLES, RULES, messages, program_in, request_text, system_text
from embodied_agent.planners.wire import usual_camera
from embodied_agent.program.check import check
from embodied_agent.program.parse import parse
from embodied_agent.program.reference import reference
from embodied_agent.types import Command, Frame

GOLDEN = Path(__file__).parent / "serve_prompt.txt"
FAILURE = Failure(
    'with task("x"):\n    cube = find("cube")\n    pick(cube)\n',
    "close_gripper()",
    3,
    "the fingers closed to 0.001 m, 0.040 m were expected",
    {"width": 0.001},
    ('cube = find("cube")',),
)


def frame() -> Frame:
    return Frame(np.full((48, 64, 3), 90, np.uint8), np.ones((48, 64), np.float32), usual_camera(64, 48), 0.0)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.command)
def test_every_worked_example_parses_and_passes_the_check(example: object) -> None:
    check(parse(example.program), library().signatures)  # type: ignore[attr-defined]


def test_examples_use_only_what_a_planner_may_call() -> None:
    allowed = set(library().for_planner)
    constructs = {"task", "unit", "retry", "fallback", "ensure"}
    for example in EXAMPLES:
        called = set(re.findall(r"\b([a-z_]+)\(", re.sub(r'"[^"]*"', '""', example.program)))
        assert called <= allowed | constructs, called - allowed - constructs


def test_rules_name_no_call_that_does_not_exist() -> None:
    called = set(re.findall(r"\b([a-z_]+)\(", RULES)) - {"task", "unit", "retry", "fallback", "ensure"}
    assert called <= set(library().for_planner), called


def test_every_callable_is_in_the_prompt() -> None:
    text = system_text(reference(library().for_planner))
    for name in library().for_planner:
        assert f"{name}(" in text, name


def test_prompt_is_as_reviewed() -> None:
    request = PlanRequest(Command("put this there", ((10, 20), (30.4, 40))), robot="panda", failures=(FAILURE,))
    text = system_text("<reference>") + "\n=== user\n" + request_text(request) + "\n"
    if os.environ.get("EMBODIED_AGENT_GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_pictures_come_before_the_command_and_points_are_drawn_in_their_camera_only() -> None:
    request = PlanRequest(Command("put this there", ((10, 20),)), (frame(), Frame(
        frame().rgb, frame().depth, replace(frame().camera, name="wrist"), 0.0
    )))  # fmt: skip
    content = messages(request)[1]["content"]
    pictures = [read_url(p["image_url"]["url"]) for p in content if p["type"] == "image_url"]
    assert (pictures[0] != 90).any() and (pictures[1] == 90).all()
    assert content[-1]["text"].startswith("Command: put this there")


def test_pictures_and_depth_survive_the_wire() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    assert (read_url(data_url(rgb)) == rgb).all()
    depth = np.array([[0.0, 0.5, 1.2345], [np.nan, 65.0, 99.0]], np.float32)
    again = read_url(depth_url(depth))
    np.testing.assert_allclose(again, [[0, 0.5, 1.2345], [0, 65.0, 0]], atol=6e-4)


def test_marks_are_numbered_and_leave_the_original_alone() -> None:
    rgb = np.full((480, 640, 3), 90, np.uint8)
    shown = marked(rgb, ((100, 100), (639, 479)))
    assert (rgb == 90).all()
    assert (shown[90:112, 90:130] != 90).any()


PROGRAM = 'with task("x"):\n    home()\n'


@pytest.mark.parametrize(
    "answer",
    [
        PROGRAM,
        f"```python\n{PROGRAM}```",
        f"```\n{PROGRAM}```",
        f"```python\r\n{PROGRAM}",  # cut off before the end of the block
        f"Here it is:\n\n{PROGRAM}\nI hope this helps.",
        f"<think>with task('no'):\n    bad()\n</think>\n{PROGRAM}",
        f"First try:\n```python\nprint(1)\n```\nBetter:\n```python\n{PROGRAM}```\n",
        PROGRAM.replace("    ", "\t"),
        PROGRAM.replace("\n", "\r\n"),
        '{"program": "with task(\\"x\\"):\\n    home()"}',
    ],
)
def test_program_is_found_however_the_model_wraps_it(answer: str) -> None:
    assert program_in(answer) == PROGRAM


def test_answers_without_a_program_stay_what_they_are() -> None:
    assert program_in("I cannot do that.") == "I cannot do that.\n"
    assert program_in("") == "\n"
    assert program_in("{" * 100_000).startswith("{{")


def test_long_evidence_is_cut_in_the_prompt() -> None:
    failure = Failure("p", "n", 1, "r", {"cloud": list(range(10_000))})
    assert len(request_text(PlanRequest(Command("x"), failures=(failure,)))) < 1500
