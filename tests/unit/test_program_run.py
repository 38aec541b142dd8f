"""The interpreter: order, failure, retry, fallback, cancel, and the record of it all."""

from __future__ import annotations

import threading

import pytest
from language import LIBRARY, SKILL_SET, World, checked, ran, task, thing

from embodied_agent.errors import Cancelled, SafetyStop
from embodied_agent.program.events import Event, parent_path
from embodied_agent.program.repair import repairable, replace
from embodied_agent.program.run import Budget, run
from embodied_agent.types import Result, Status

BAD = Result(ok=False, reason="the gripper closed on nothing", evidence={"width": 0.0})


def shape(events: list[Event]) -> list[str]:
    """Kind and path of each event."""
    return [f"{event.kind} {event.path}" for event in events]


def names(world: World) -> list[str]:
    """The primitives called, in order."""
    return [name for name, _ in world.asked]


def test_statements_run_in_order_and_the_tree_goes_down_into_skills() -> None:
    world = World()
    outcome, events = ran(task('cube = find("red cube")', "pick(cube)"), world)
    assert (outcome.status, outcome.verdict, outcome.steps) == (Status.SUCCESS, "done", 6)
    assert names(world) == ["find", "grip", "is_holding"]
    assert shape(events) == [
        "started 1",
        "started 1.1", "succeeded 1.1",
        "started 1.2",
        "started 1.2.1",
        "started 1.2.1.1", "succeeded 1.2.1.1",
        "started 1.2.1.2", "succeeded 1.2.1.2",
        "succeeded 1.2.1",
        "succeeded 1.2",
        "succeeded 1",
    ]  # fmt: skip
    levels = {event.path: event.level for event in events}
    assert levels == {
        "1": "task", "1.1": "primitive", "1.2": "skill",
        "1.2.1": "control", "1.2.1.1": "primitive", "1.2.1.2": "check",
    }  # fmt: skip
    assert [e.source for e in events if e.path == "1.2.1.1"] == ["pick", "pick"]
    found = next(e for e in events if e.kind == "succeeded" and e.path == "1.1")
    assert found.evidence == {"value": "red cube", "from": "find"} and found.line == 2


def test_a_failure_names_the_deepest_node_and_what_was_measured() -> None:
    outcome, events = ran(task("pick(find('a'))", "home()"), World({"grip": [BAD]}))
    assert (outcome.status, outcome.verdict) == (Status.FAILURE, "failed")
    assert (outcome.path, outcome.label, outcome.source) == ("1.1.1.1", "grip(object)", "pick")
    assert (outcome.statement, outcome.statement_label, outcome.statement_line) == ("1.1", 'pick(find("a"))', 2)
    assert outcome.reason == "the gripper closed on nothing" and outcome.evidence == {"width": 0.0}
    assert "skipped 1.2" in shape(events)
    assert [e.attempt for e in events if e.path == "1.1.1.1" and e.kind == "failed"] == [1, 2]
    top = next(e for e in events if e.path == "1" and e.kind == "failed")
    assert top.evidence["cause"] == "1.1.1.1" and top.reason == outcome.reason


def test_retry_runs_the_block_again_from_its_start() -> None:
    world = World({"grip": [BAD, Result()]})
    outcome, _ = ran(task("pick(find('a'))"), world)
    assert outcome.verdict == "done"
    assert names(world) == ["find", "grip", "grip", "is_holding"]


def test_an_ensure_that_measures_false_fails_with_the_measurement() -> None:
    unmeasured = Result(value=False, reason="the cube is 12 cm beside the bowl", evidence={"gap": 0.12})
    program = task("ensure(is_inside(find('a'), find('b')))")
    outcome, _ = ran(program, World({"is_inside": [unmeasured]}))
    assert outcome.path == "1.1"
    assert outcome.reason == ('is_inside(find("a"), find("b")) does not hold: the cube is 12 cm beside the bowl')
    assert outcome.evidence["condition"] is False
    assert outcome.evidence['is_inside(find("a"), find("b"))']["gap"] == 0.12


def test_a_condition_that_could_not_be_measured_fails_its_node() -> None:
    outcome, _ = ran(task("if exists('a'):", "    home()"), World({"exists": [BAD]}))
    assert (outcome.verdict, outcome.path) == ("failed", "1.1")


def test_fallback_tries_its_statements_until_one_works() -> None:
    world = World({"push": [BAD, Result()]})
    text = task("a = find('a')", "with fallback():", "    push(a, 'left')", "    push(a, 'right')", "    home()")
    outcome, events = ran(text, world)
    assert outcome.verdict == "done" and names(world) == ["find", "push", "push"]
    assert {"failed 1.2.1", "succeeded 1.2.2", "skipped 1.2.3", "succeeded 1.2"} <= set(shape(events))
    outcome, _ = ran(text, World({"push": [BAD], "home": [Result(ok=False, reason="the arm is stuck")]}))
    assert (outcome.verdict, outcome.path, outcome.reason) == ("failed", "1.2.3", "the arm is stuck")


def test_branches_not_taken_are_skipped() -> None:
    text = task("if exists('a'):", "    home()", "elif exists('b'):", "    wait(1)", "else:", "    wait(2)")
    world = World({"exists": [False]})
    _, events = ran(text, world)
    assert world.asked[-1] == ("wait", {"seconds": 2})
    assert {"skipped 1.1.1", "skipped 1.1.2.1", "succeeded 1.1.2.2"} <= set(shape(events))


def test_every_round_of_a_loop_is_a_node() -> None:
    _, events = ran(task("for x in find_all('a'):", "    home()"))
    assert [s for s in shape(events) if s.startswith("succeeded")] == [
        "succeeded 1.1[1].1", "succeeded 1.1[1]", "succeeded 1.1[2].1", "succeeded 1.1[2]",
        "succeeded 1.1", "succeeded 1",
    ]  # fmt: skip
    assert parent_path("1.1[2].1") == "1.1[2]" and parent_path("1.1[2]") == "1.1"


def test_a_while_that_never_ends_fails_after_twenty_rounds() -> None:
    world = World()
    outcome, _ = ran(task("while exists('a'):", "    home()"), world)
    assert outcome.reason == 'exists("a") still holds after 20 rounds'
    assert names(world).count("home") == 20


def test_and_or_stop_early_and_arithmetic_is_pythons() -> None:
    world = World({"exists": [False], "count": [3]})
    outcome, _ = ran(
        task(
            "x = 1 + 2 * 3 - 4 / 2",
            "y = -(x - 1.5)",
            "n = count('a')",
            "n -= 1",
            "ensure(not (exists('a') and exists('b')) and (n == 2 or exists('c')))",
            "ensure(1 < n <= 2 and x == 5.0 and y == -3.5 and 'a' == 'a' and True != False)",
        ),
        world,
    )
    assert outcome.verdict == "done", outcome.reason
    assert names(world) == ["count", "exists"]


def test_numbers_out_of_hand_fail_their_node() -> None:
    outcome, _ = ran(task("n = count('a')", "wait(1 / (n - 2))"))
    assert "division by zero" in outcome.reason
    outcome, _ = ran(task("n = 100000.0", "while n > 1:", "    n = n * n"))
    assert "beyond 1e+12" in outcome.reason
    outcome, _ = ran(task("n = count('a')", "wait(n * 20)"))
    assert outcome.reason == "wait: seconds must be from 0 to 30 s, got 40"


def test_functions_give_values_and_are_nodes_where_they_are_called() -> None:
    world = World({"distance_of": [0.9, 0.1]})
    outcome, events = ran(task("a = find('a')", "if near(a):", "    home()", "ensure(near(a, limit=0.2))"), world)
    assert outcome.verdict == "done" and "home" not in names(world)
    kinds = {(e.path, e.level) for e in events}
    assert {("1.2.a", "skill"), ("1.2.a.1", "control"), ("1.3.a", "skill")} <= kinds


def test_units_push_their_preferences_for_their_block() -> None:
    world = World()
    ran(task('with unit("cube", approach="side", max_force=5):', "    home()", "home()"), world)
    assert world.units == [{"approach": "side", "max_force": 5}, "end"]


def test_units_pop_their_preferences_when_their_block_fails() -> None:
    world = World({"home": [BAD]})
    assert ran(task('with unit("cube"):', "    home()"), world)[0].verdict == "failed"
    assert world.units == [{}, "end"]


def test_a_refusal_ends_the_program_with_its_words() -> None:
    world = World()
    outcome, events = ran(task("if exists('a'):", "    refuse('there is no mug')", "home()"), world)
    assert (outcome.status, outcome.verdict, outcome.message) == (
        Status.SUCCESS, "refused", "there is no mug",
    )  # fmt: skip
    assert names(world) == ["exists", "refuse"] and "skipped 1.2" in shape(events)
    assert ran(task("ask('which one?')"))[0].verdict == "asked"


def test_cancel_ends_the_run_before_the_next_call_and_marks_open_nodes() -> None:
    token, events = threading.Event(), []
    program = checked(task("pick(find('a'))", "home()"))
    world = World(on_call=lambda name: token.set() if name == "grip" else None)
    with pytest.raises(Cancelled):
        run(program, LIBRARY, world, skills=SKILL_SET, emit=events.append, cancel=token)
    assert names(world) == ["find", "grip"]
    assert [s for s in shape(events) if "cancelled" in s] == ["cancelled 1.1.1", "cancelled 1.1", "cancelled 1"]


def test_the_deadline_is_tested_at_every_node() -> None:
    now = [0.0]
    world = World(on_call=lambda name: now.__setitem__(0, now[0] + 1.0))
    with pytest.raises(Cancelled, match=r"time ran out after 3\.0 s"):
        run(checked(task(*["home()"] * 9)), LIBRARY, world, deadline=2.5, clock=lambda: now[0])
    assert len(world.asked) == 3
    with pytest.raises(Cancelled):
        run(checked(task(*["home()"] * 9)), LIBRARY, world, budget=Budget(seconds=1.5), clock=lambda: now[0])


def test_the_budget_of_statements_fails_the_run_even_inside_retries() -> None:
    text = task(
        "with retry(times=5):", "    with retry(times=5):", "        home()", "        ensure(exists('a'))"
    )
    world = World({"exists": [False]})
    program = checked(text)
    outcome = run(program, LIBRARY, world, budget=Budget(steps=12))
    assert outcome.verdict == "failed" and "budget of 12" in outcome.reason
    assert outcome.steps == 13


def test_a_safety_stop_passes_through_retries_and_fallbacks() -> None:
    def stop(name: str) -> None:
        raise SafetyStop("joint 3 beyond its limit")

    events: list[Event] = []
    program = checked(task("with fallback():", "    with retry(times=3):", "        home()", "    wait(1)"))
    world = World(on_call=stop)
    with pytest.raises(SafetyStop):
        run(program, LIBRARY, world, emit=events.append)
    assert names(world) == ["home"]
    assert shape(events)[-4:] == ["failed 1.1.1.1", "failed 1.1.1", "failed 1.1", "failed 1"]


def test_a_primitive_that_breaks_its_promise_fails_its_node() -> None:
    outcome, _ = ran(task("a = find('a')"), World({"find": [Result(value=3)]}))
    assert outcome.reason == "find gave int where it declares an object"


def test_the_outcome_holds_the_last_event_of_every_node() -> None:
    outcome, events = ran(task("with unit('a'):", "    a = find('a')", "    pick(a)"))
    assert list(outcome.events) == [e for e in events if e.kind != "started"]
    assert outcome.events[-1].path == "1"


FAILING = task(
    "bowl = find('bowl')",
    "with unit('cube'):",
    "    cube = find('cube')",
    "    pick(cube)",
    "    place(cube, inside=bowl)",
    "home()",
)


def test_a_failed_subtree_is_replaced_and_the_run_goes_on_from_there() -> None:
    program, world = checked(FAILING), World({"grip": [BAD]})
    outcome = run(program, LIBRARY, world, skills=SKILL_SET)
    assert outcome.path == "1.2.2.1.1"
    assert repairable(program, outcome.path) == "1.2.2"
    assert repairable(program, outcome.path, whole_unit=True) == "1.2"
    fix = checked(task("push(find('cube'), 'left')", "cube = find('cube')", "pick(cube)"))
    repaired = replace(program, "1.2.2", fix)
    assert repaired.done == {"1.1", "1.2.1"}
    world, events = World(), []
    again = run(
        repaired.program, LIBRARY, world, skills=SKILL_SET, skip=repaired.done,
        variables=outcome.variables, emit=events.append,
    )  # fmt: skip
    assert again.verdict == "done", again.reason
    assert names(world)[:4] == ["find", "push", "find", "grip"] and names(world)[-1] == "home"
    assert {"skipped 1.1", "skipped 1.2.1", "succeeded 1.2.5", "succeeded 1.3"} <= set(shape(events))


def test_a_failure_in_a_loop_replaces_the_loop() -> None:
    program = checked(task("home()", "for x in find_all('a'):", "    pick(x)"))
    outcome = run(program, LIBRARY, World({"grip": [BAD]}), skills=SKILL_SET)
    assert outcome.path == "1.2[1].1.1.1"
    assert repairable(program, outcome.path) == "1.2"
    assert replace(program, "1", checked(task("home()"))).done == frozenset()
    with pytest.raises(KeyError):
        replace(program, "1.7", program)


def test_what_a_second_look_shows_is_gone_through_as_well() -> None:
    one, other = thing("one"), thing("other")
    world = World({"find_all": [(one,), (one, other), (one, other)]})
    outcome, events = ran(task("for x in find_all('a'):", "    pick(x)"), world)
    assert outcome.verdict == "done", outcome.reason
    rounds = [line for line in shape(events) if line.startswith("succeeded 1.1[") and line.endswith("]")]
    assert rounds == ["succeeded 1.1[1]", "succeeded 1.1[2]"]


def test_a_loop_whose_things_are_all_gone_is_done() -> None:
    world = World({"find_all": [(thing("one"),), Result(value=(), ok=False, reason="found no 'a'")]})
    assert ran(task("for x in find_all('a'):", "    home()"), world)[0].verdict == "done"


def test_what_always_shows_something_new_fails() -> None:
    world = World({"find_all": [(thing(str(k)),) for k in range(9)]})
    outcome, _ = ran(task("for x in find_all('a'):", "    home()"), world)
    assert outcome.status is Status.FAILURE and outcome.reason.endswith("is left")
    assert names(world).count("home") == 3
