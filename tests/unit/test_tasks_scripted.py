"""The oracle's programs: their style, their repairs, and what they would do."""

import pytest

from embodied_agent.commands.effect import effect_of, same_effect
from embodied_agent.errors import PlannerError
from embodied_agent.planners import goal as g
from embodied_agent.planners.planner import Failure, PlanRequest
from embodied_agent.planners.scripted import ScriptedPlanner, program_text
from embodied_agent.types import Command
from sim.descriptions import parse_canonical as p
from sim.scene import FixtureSpec, ObjectSpec, Scene

SCENE = Scene(
    objects=(
        ObjectSpec("cube", "red", "small", (0.4, 0.2)),
        ObjectSpec("cube", "blue", "large", (0.4, -0.2)),
        ObjectSpec("bowl", "white", "large", (0.5, 0.0)),
        ObjectSpec("bin", "green", "large", (0.3, 0.3)),
    ),
    fixtures=(FixtureSpec("cabinet", (0.78, -0.1)), FixtureSpec("button", (0.5, 0.3))),
)
PUT = g.PlaceIn(p("red cube"), p("bowl"))


def request(goal: g.Goal | None, *failures: Failure) -> PlanRequest:
    return PlanRequest(Command("whatever"), goal=goal, failures=failures)


def test_the_canonical_program_is_short_and_plain() -> None:
    assert program_text(PUT) == (
        'with task("put in"):\n'
        '    with unit("cube"):\n'
        '        cube = find("red cube")\n'
        '        bowl = find("bowl")\n'
        "        pick(cube)\n"
        "        place(cube, inside=bowl)\n"
        "        ensure(is_inside(cube, bowl))\n"
    )


def test_a_manner_becomes_a_preference_of_the_unit() -> None:
    text = program_text(g.Hold(p("mug"), g.Manner(max_force=8.0, keep_upright=True)))
    assert 'with unit("mug", max_force=8.0, keep_upright=True):' in text


def test_a_thing_is_found_once_and_names_stay_apart() -> None:
    text = program_text(g.Stack((p("blue cube"), p("red cube"), p("green cube"))))
    assert text.count("find(") == 3
    assert {"cube =", "cube_2 =", "cube_3 ="} <= {
        line.strip()[: line.strip().find("=") + 1] for line in text.splitlines()
    }


def test_what_a_branch_binds_is_found_again_after_it() -> None:
    goal = g.Sequence((g.Conditional(g.Exists(p("red cube")), PUT), PUT))
    assert program_text(goal).count('find("red cube")') == 2


def test_without_a_goal_the_scripted_planner_says_what_it_needs() -> None:
    with pytest.raises(PlannerError, match="goal"):
        ScriptedPlanner().plan(request(None))


def test_a_repair_differs_and_leaves_alone_what_holds() -> None:
    failure = Failure(program_text(PUT), "pick(cube)", 5, "the gripper closed on nothing: width 0.000 m")
    text = ScriptedPlanner().plan(request(PUT, failure)).text
    assert text != program_text(PUT)
    assert "if not is_inside(cube, bowl):" in text
    assert same_effect(text, program_text(PUT), SCENE)


def test_a_half_done_swap_is_not_started_again() -> None:
    goal = g.Swap(p("red cube"), p("blue cube"))
    failure = Failure(
        program_text(goal), "pick(cube_2)", 12, "nothing held", done=("pick(cube)", "place(cube, at=...)")
    )
    with pytest.raises(PlannerError, match="swap"):
        ScriptedPlanner().plan(request(goal, failure))


def test_after_too_many_failures_the_planner_gives_up() -> None:
    failure = Failure(program_text(PUT), "pick(cube)", 5, "nothing held")
    with pytest.raises(PlannerError, match="nothing held"):
        ScriptedPlanner().plan(request(PUT, *[failure] * 4))


def test_a_drawer_is_opened_only_if_it_is_closed() -> None:
    goal = g.PutInDrawer(p("red cube"), p("top drawer"), close_after=True)
    effect = effect_of(program_text(goal), SCENE)
    assert effect.places == {"red cube": ("in", "top drawer")}
    assert effect.parts == {"top drawer": 0.0}


SAME = program_text(PUT)


@pytest.mark.parametrize(
    "other",
    [
        'with task("x"):\n    place(find("small cube"), inside=find("container in front of the cabinet"))\n',
        'with task("x"):\n    place(find("red cube"), inside=find("bowl"))\n',
        'with task("x"):\n    for c in find_all("red objects"):\n        place(c, inside=find("white bowl"))\n',
        'with task("x"):\n    with fallback():\n        find("mug")\n        '
        'place(find("red cube"), inside=find("bowl"))\n',
    ],
)
def test_other_words_for_the_same_effect_are_the_same(other: str) -> None:
    expected = "container" not in other  # the bin is a container in front of the cabinet, too
    assert same_effect(SAME, other, SCENE) is expected


@pytest.mark.parametrize(
    "other",
    [
        'with task("x"):\n    place(find("blue cube"), inside=find("bowl"))\n',
        'with task("x"):\n    place(find("red cube"), inside=find("bin"))\n',
        'with task("x"):\n    place(find("red cube"), on=find("bowl"))\n',
        'with task("x"):\n    place(find("red cube"), inside=find("bowl"))\n    press(find("button"))\n',
        'with task("x"):\n    place(find("cube"), inside=find("bowl"))\n',  # two cubes: it would fail
        'with task("x"):\n    place(find("red cube"), inside=find("mug"))\n',
        'with task("x"):\n    refuse("there is no red cube here")\n',
        'with task("x"):\n    place(find("red cube"), inside=find("bowl")\n',
        "import os",
    ],
)
def test_another_effect_is_not_the_same(other: str) -> None:
    assert not same_effect(SAME, other, SCENE)


def test_a_condition_counts_even_where_it_makes_no_difference_here() -> None:
    def when(condition: g.Condition) -> str:
        return program_text(g.Conditional(condition, PUT))

    more = when(g.Counted(p("cubes"), ">", 1))
    assert same_effect(more, when(g.Counted(p("cubes"), ">=", 2)), SCENE)
    assert not same_effect(more, when(g.Counted(p("cubes"), ">", 0)), SCENE)
    assert not same_effect(more, SAME, SCENE)


def test_two_programs_that_fail_are_not_the_same() -> None:
    text = program_text(g.Hold(p("mug")))
    assert not same_effect(text, text, SCENE)
