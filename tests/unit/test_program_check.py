"""Proof before motion: what the check refuses, and what it lets through."""

from __future__ import annotations

import pytest
from language import PRIMITIVES, SIGNATURES, checked, task

from embodied_agent.errors import ProgramError
from embodied_agent.program.check import check, check_skills
from embodied_agent.program.parse import load_skills, parse


def problems(*lines: str, before: str = "") -> list[str]:
    """What the check says about a task with these lines; [] = nothing."""
    try:
        checked(before + task(*lines))
    except ProgramError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_a_good_program_passes() -> None:
    assert not problems(
        'with unit("cube", approach="above", max_force=10.0, keep_upright=True, speed=0.5, avoid="mug"):',
        '    cube = find("red cube")',
        '    bowl = find(description="bowl")',
        "    pick(cube)",
        "    place(cube, inside=bowl)",
        "    ensure(is_inside(cube, bowl) and not is_holding(cube))",
        'for mug in find_all("mugs"):',
        "    with retry(times=2):",
        "        pick(mug)",
        "n = count('mugs')",
        "while n > 0:",
        "    n -= 1",
        "if 0.1 < distance_of(cube) < 0.5:",
        "    home()",
        "with fallback():",
        "    push(cube, 'left')",
        "    push(cube, 'right', distance=0.2)",
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('x = fnd("cube")', "there is no fnd; did you mean find?"),
        ("print(1)", "there is no print; write say"),
        ('pick("cube")', "object must be an object, this is a string"),
        ("pick(cube)", "cube has no value here"),
        ("pick(find)", "find must be called"),
        ("pick()", "pick needs object, an object"),
        ('pick(find("a"), find("b"))', "pick takes 1 arguments without a name"),
        ('pick(find("a"), objekt=find("b"))', "has no argument objekt; did you mean object?"),
        ('pick(find("a"), object=find("b"))', "object is given twice"),
        ("wait(31)", "seconds must be from 0 to 30 s, got 31"),
        ("wait(-1)", "seconds must be from 0 to 30 s, got -1"),
        ("wait(True)", "seconds must be a number, this is a boolean"),
        ('push(find("a"), "up")', "direction must be one of 'left', 'right', got 'up'"),
        ('place(find("a"))', "place takes exactly one of inside, on, at"),
        ('place(find("a"), on=find("b"), at=free_spot())', "place takes exactly one of inside, on, at"),
        ("x = home()", "home does something, it has no value"),
        ("ensure(find('a'))", "a condition must be a boolean, this is an object"),
        ("ensure(1 and True)", "`and` is for booleans, this is an integer"),
        ("ensure(not 1)", "`not` is for booleans"),
        ("ensure(find('a') == find('b'))", "an object and an object cannot be compared with =="),
        ("ensure('a' < 'b')", "a string and a string cannot be compared with <"),
        ("ensure(1 == 'b')", "an integer and a string cannot be compared"),
        ("x = 1 + 'a'", "arithmetic is for numbers, this is a string"),
        ("x = 'a' * 3", "arithmetic is for numbers, this is a string"),
        ("x = -find('a')", "arithmetic is for numbers, this is an object"),
        ("x = 1 / 0", "division by zero"),
        ("find = 1", "find is the name of a call"),
        ("retry = 1", "retry is the name of a call"),
        ("grip(find('a'))", "grip is for skills only"),
        ("say('x' if True else 'y')", "not part of the language"),
        ("x = refuse('no')", "refuse is not a value"),
        (f"say('{'x' * 201}')", "text is 201 characters long, at most 200"),
        ("ensure(cube is None)", "cube is not an optional parameter"),
    ],
)
def test_a_wrong_line_is_named(line: str, words: str) -> None:
    found = problems(line)
    assert found and words in "; ".join(found)
    assert found[0].startswith("line 2, column ")


def test_every_problem_is_reported_at_once_with_its_place() -> None:
    found = problems('x = fnd("a")', "if exists('b'):", "    wait(99)", "else:", "    pick(1)", "wait(2, 3)")
    assert [f.split(":")[0] for f in found] == [
        "line 2, column 9",
        "line 4, column 14",
        "line 6, column 14",
        "line 7, column 13",
    ]


def test_a_variable_set_on_one_branch_only_may_have_no_value() -> None:
    found = problems("if exists('a'):", "    x = find('a')", "pick(x)")
    assert found == ["line 4, column 10: x may have no value here: not every path before sets it"]
    assert not problems("if exists('a'):", "    x = find('a')", "else:", "    x = find('b')", "pick(x)")
    assert not problems("if exists('a'):", "    x = find('a')", "else:", "    refuse('none')", "pick(x)")


def test_a_loop_may_run_no_round_so_its_variables_may_be_unset() -> None:
    assert problems("for m in find_all('mugs'):", "    x = find('a')", "pick(x)")
    assert problems("for m in find_all('mugs'):", "    x = find('a')", "pick(m)")
    assert problems("while exists('a'):", "    x = find('a')", "pick(x)")
    assert problems("while exists('a'):", "    pick(x)", "    x = find('a')")


def test_after_a_fallback_only_what_every_child_sets_has_a_value() -> None:
    assert problems("with fallback():", "    x = find('a')", "    y = find('b')", "pick(x)")
    assert not problems("with fallback():", "    x = find('a')", "    x = find('b')", "pick(x)")
    assert not problems("with retry(times=2):", "    x = find('a')", "pick(x)")


def test_a_variable_keeps_its_type() -> None:
    assert problems("x = find('a')", "x = 1")
    assert "start with x = 0.0" in problems("x = 1", "x = x * 0.5")[0]
    assert not problems("x = 1.0", "x = x + 1")


def test_nothing_follows_a_refusal() -> None:
    assert "never reached" in problems("refuse('no')", "home()")[0]
    assert not problems("if exists('a'):", "    ask('which?')", "home()")


def test_functions_are_checked_like_the_task() -> None:
    function = (
        "def again(thing: Object, times: int = 2) -> bool:\n    pick(thing)\n    return is_holding(thing)\n\n"
    )
    assert not problems("ensure(again(find('a'), times=3))", before=function)
    assert problems("ensure(again('a'))", before=function)
    missing = function.replace("    return is_holding(thing)\n", "    if times > 1:\n        return True\n")
    assert "may end without returning boolean" in problems("home()", before=missing)[0]
    assert (
        "returns an integer, declared is boolean"
        in problems("home()", before=function.replace("is_holding(thing)", "1"))[0]
    )
    assert "task only" in problems("home()", before="def f():\n    refuse('x')\n\n")[0]
    assert (
        "thing is a parameter"
        in problems("home()", before=function.replace("pick(thing)", "thing = find('a')"))[0]
    )


def test_functions_share_no_variables_with_the_task() -> None:
    found = problems("x = find('a')", "f()", before="def f():\n    pick(x)\n\n")
    assert "x has no value here" in found[0]


def test_recursion_is_refused_however_long_the_way_round() -> None:
    once = "def f():\n    f()\n\n"
    assert "f calls itself" in problems("f()", before=once)[0]
    round_trip = "def f():\n    g()\n\ndef g():\n    if exists('a'):\n        f()\n\n"
    assert "calls itself" in problems("home()", before=round_trip)[0]


def test_names_of_the_library_cannot_be_defined_anew() -> None:
    assert "pick exists already" in problems("home()", before="def pick():\n    home()\n\n")[0]
    assert "f is defined twice" in problems("home()", before="def f():\n    home()\n\ndef f():\n    home()\n\n")[0]


def test_loops_multiply_and_their_product_is_bounded() -> None:
    nest = ["    " * i + f"for m{i} in find_all('a'):" for i in range(4)]
    assert "may run" in problems(*nest, "    " * 4 + "home()")[0]
    assert not problems(*nest[:2], "    " * 2 + "home()")


def test_functions_that_double_are_counted_through() -> None:
    doubling = "def f0():\n    home()\n\n"
    for number in range(1, 8):
        doubling += f"def f{number}():\n" + f"    f{number - 1}()\n" * 20 + "\n"
    assert "may run" in problems("f7()", before=doubling)[0]


SKILL = '''
def put(object: Object, on: Object | None = None, at: Pose | None = None):
    """Put.

    Args:
        object: What.
        on: Where.
        at: Where.
    """
    {body}
'''


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("pick(on)", "on may be missing here; test `on is not None` first"),
        ("ensure(is_inside(object, on))", "on may be missing here"),
        ("x = on", "may be missing"),
        ("release(object, on=on, at=at)", "release takes exactly one of"),
        ("if on is not None:\n        pick(on)\n    pick(on)", "on may be missing here"),
        ("if on is None or is_holding(on):\n        pick(on)", "on may be missing here"),
    ],
)
def test_an_optional_parameter_is_not_used_untested(body: str, words: str) -> None:
    skills = load_skills(SKILL.format(body=body))
    with pytest.raises(ProgramError, match=words.replace("`", "`")):
        check_skills(skills, SIGNATURES)


@pytest.mark.parametrize(
    "body",
    [
        "if on is not None:\n        pick(on)",
        "if on is None:\n        return\n    pick(on)",
        "if on is not None and is_holding(on):\n        pick(on)",
        "if on is None or is_holding(on):\n        home()",
        "if on is not None:\n        release(object, on=on)",
        "if on is None and at is not None:\n        release(object, on=on, at=at)",
        "if not (on is None):\n        pick(on)",
    ],
)
def test_an_optional_parameter_that_was_tested_is_used(body: str) -> None:
    check_skills(load_skills(SKILL.format(body=body)), PRIMITIVES | {"pick": SIGNATURES["pick"]})


def test_exclusive_parameters_may_be_handed_on_as_a_whole() -> None:
    text = SKILL.format(body="release(object, on=on, at=at)").replace(
        'at: Where.\n    """', 'at: Where.\n\n    Exactly one of: on, at.\n    """'
    )
    check_skills(load_skills(text), PRIMITIVES)
    with pytest.raises(ProgramError, match="exactly one"):
        check_skills(load_skills(text.replace(", at=at", "")), PRIMITIVES)


def test_a_skill_without_descriptions_is_refused() -> None:
    with pytest.raises(ProgramError, match="no docstring"):
        load_skills("def f(a: Object):\n    pick(a)\n")
    with pytest.raises(ProgramError, match="a is not described"):
        check_skills(load_skills('def f(a: Object):\n    """Do."""\n    pick(a)\n'), SIGNATURES)


def test_a_choice_may_be_handed_on_only_where_every_choice_fits() -> None:
    text = 'def f(a: Object, side: Literal["left", "up"]):\n    push(a, side)\n\n'
    assert "must be written out" in problems("home()", before=text)[0]
    assert not problems("home()", before=text.replace('"up"', '"right"'))


def test_hand_written_programs_may_call_what_is_for_skills() -> None:
    check(parse(task("grip(find('a'))")), SIGNATURES, planner=False)


def test_a_chain_of_elif_costs_no_depth() -> None:
    assert not problems("if exists('a'):", "    home()", *["elif exists('b'):", "    home()"] * 39)
