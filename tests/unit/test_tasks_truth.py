"""Truth predicates: each is true of what it names, and false of near misses."""

from typing import Any

import pytest

from sim import tasks
from sim.dimensions import DIMENSIONS
from sim.happened import Run
from sim.placement import DRAWER_BOTTOMS, DRAWER_FLOOR
from sim.scene import FixtureSpec, ObjectSpec, Scene
from sim.tasks import judge

SCENE = Scene(
    objects=(
        ObjectSpec("cube", "red", "small", (0.4, 0.2)),
        ObjectSpec("cube", "blue", "large", (0.4, -0.2)),
        ObjectSpec("bowl", "white", "large", (0.5, 0.0)),
        ObjectSpec("plate", "green", "large", (0.35, 0.0)),
        ObjectSpec("mug", "black", "small", (0.6, 0.3)),
    ),
    fixtures=(
        FixtureSpec("cabinet", (0.8, 0.0)),
        FixtureSpec("button", (0.5, 0.3)),
        FixtureSpec("knob", (0.5, -0.3)),
    ),
)
UPRIGHT = (1.0, 0.0, 0.0, 0.0)
LYING = (0.7071, 0.7071, 0.0, 0.0)


def truth(joints: dict[str, float] | None = None, **moved: tuple[float, float, float]) -> dict[str, Any]:
    """Everything at its start, except `moved` (middle, names with _ for blanks)."""
    objects = {}
    for spec in SCENE.objects:
        height = DIMENSIONS[spec.kind, spec.size].height
        where = moved.get(spec.name.replace(" ", "_"), (*spec.position, height / 2))
        objects[spec.name] = {
            "kind": spec.kind,
            "color": spec.color,
            "size": spec.size,
            "position": list(where),
            "quaternion": list(UPRIGHT),
        }
    ranges = {"top drawer": 0.2, "bottom drawer": 0.2, "button": 0.012, "knob": 2.6}
    states = {name: (joints or {}).get(name, 0.0) for name in ranges}
    return {
        "objects": objects,
        "joints": {n: {"position": v, "range": ranges[n], "fraction": v / ranges[n]} for n, v in states.items()},
    }


def holds(predicate: tasks.Predicate, after: dict[str, Any], before: dict[str, Any] | None = None) -> bool:
    return predicate.holds(Run(SCENE, before or truth(), after))


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ((0.5, 0.0, 0.028), True),  # on the bowl's floor
        ((0.53, 0.02, 0.035), True),
        ((0.5, 0.0, 0.20), False),  # held above it
        ((0.5, 0.08, 0.075), False),  # on the rim
        ((0.5, 0.12, 0.02), False),  # beside it on the table
        ((0.4, 0.2, 0.02), False),
    ],
)
def test_inside_a_bowl_is_below_its_rim_and_over_its_floor(
    position: tuple[float, float, float], expected: bool
) -> None:
    assert holds(tasks.Inside("red cube", "white bowl"), truth(red_cube=position)) is expected


def test_nothing_is_inside_a_bowl_that_fell_over() -> None:
    after = truth(red_cube=(0.5, 0.0, 0.028))
    after["objects"]["white bowl"]["quaternion"] = list(LYING)
    assert not holds(tasks.Inside("red cube", "white bowl"), after)


@pytest.mark.parametrize(("pulled", "expected"), [(0.2, True), (0.1, False)])
def test_inside_a_drawer_moves_with_the_drawer(pulled: float, expected: bool) -> None:
    z = DRAWER_BOTTOMS["top drawer"] + DRAWER_FLOOR + 0.02
    after = truth({"top drawer": pulled}, red_cube=(0.8 - 0.13 + 0.014 - 0.2 + 0.03, 0.0, z))
    assert holds(tasks.Inside("red cube", "top drawer"), after) is expected
    assert not holds(tasks.Inside("red cube", "bottom drawer"), after)


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ((0.4, -0.2, 0.08), True),
        ((0.42, -0.2, 0.08), True),
        ((0.4, -0.2, 0.12), False),
        ((0.4, -0.1, 0.02), False),
    ],
)
def test_on_a_cube_is_on_its_top_face(position: tuple[float, float, float], expected: bool) -> None:
    assert holds(tasks.On("red cube", "blue cube"), truth(red_cube=position)) is expected


def test_on_a_plate_is_not_next_to_it() -> None:
    assert holds(tasks.On("red cube", "green plate"), truth(red_cube=(0.36, 0.02, 0.027)))
    assert not holds(tasks.On("red cube", "green plate"), truth(red_cube=(0.35, 0.14, 0.02)))


@pytest.mark.parametrize(
    ("position", "side", "expected"),
    [
        ((0.4, -0.1, 0.02), "any", True),
        ((0.4, -0.1, 0.02), "left", True),
        ((0.4, -0.1, 0.02), "right", False),
        ((0.3, -0.2, 0.02), "front", True),
        ((0.5, -0.2, 0.02), "behind", True),
        ((0.4, 0.2, 0.02), "left", False),  # far away
        ((0.4, -0.2, 0.08), "any", False),  # on top
    ],
)
def test_beside_looks_at_distance_and_side(
    position: tuple[float, float, float], side: str, expected: bool
) -> None:
    assert holds(tasks.Beside("red cube", "blue cube", side), truth(red_cube=position)) is expected


def test_opened_and_closed_ask_for_a_share_of_the_range() -> None:
    half = truth({"top drawer": 0.1})
    assert holds(tasks.Opened("top drawer", 0.5), half)
    assert not holds(tasks.Opened("top drawer"), half)
    assert not holds(tasks.Closed("top drawer"), half)
    assert holds(tasks.Opened("top drawer"), truth({"top drawer": 0.18}))
    assert not holds(tasks.Opened("top drawer", 0.5), truth({"top drawer": 0.18}))
    assert holds(tasks.Closed("top drawer"), truth({"top drawer": 0.005}))


def test_a_button_that_sprang_back_was_still_pressed() -> None:
    after = truth()
    assert not holds(tasks.Pressed(), after)
    assert tasks.Pressed().holds(Run(SCENE, truth(), after, {"button": 0.011}))
    after["joints"]["button"]["peak"] = 0.011
    assert holds(tasks.Pressed(), after)


@pytest.mark.parametrize(
    ("angle", "expected"), [(1.57, True), (1.3, True), (-1.57, False), (0.5, False), (2.4, False)]
)
def test_a_turn_has_a_sense_and_an_amount(angle: float, expected: bool) -> None:
    assert holds(tasks.Turned(1.57), truth({"knob": angle})) is expected


@pytest.mark.parametrize(
    ("position", "expected"),
    [((0.4, 0.3, 0.02), True), ((0.4, 0.21, 0.02), False), ((0.4, 0.1, 0.02), False), ((0.47, 0.3, 0.02), False)],
)
def test_a_push_has_a_direction_and_a_distance(position: tuple[float, float, float], expected: bool) -> None:
    assert holds(tasks.Pushed("red cube", "left", 0.1), truth(red_cube=position)) is expected


def test_swapped_things_stand_where_the_other_stood() -> None:
    both = tasks.All((tasks.Exchanged("red cube", "blue cube"), tasks.Exchanged("blue cube", "red cube")))
    assert holds(both, truth(red_cube=(0.4, -0.19, 0.02), blue_cube=(0.41, 0.2, 0.03)))
    assert not holds(both, truth(red_cube=(0.4, -0.19, 0.02)))


def test_finished_steps_and_disturbed_things_are_counted() -> None:
    goal = tasks.All((tasks.Inside("red cube", "white bowl"), tasks.Inside("blue cube", "white bowl")))
    after = truth({"top drawer": 0.1}, red_cube=(0.5, 0.0, 0.028), black_mug=(0.7, 0.3, 0.035))
    verdict = judge(goal, Run(SCENE, truth(), after))
    assert (verdict.success, verdict.finished, verdict.steps) == (False, 1, 2)
    assert verdict.disturbed == ("black mug", "top drawer")
    assert "blue cube" in verdict.unmet[0]


def test_untouched_notices_a_moved_thing_and_a_pressed_button() -> None:
    assert holds(tasks.Untouched(), truth())
    assert not holds(tasks.Untouched(), truth(red_cube=(0.45, 0.2, 0.02)))
    pressed = truth()
    pressed["joints"]["button"]["peak"] = 0.012
    assert not holds(tasks.Untouched(), pressed)


def test_off_means_neither_on_nor_in_and_still_on_the_table() -> None:
    off = tasks.Off("red cube", "green plate")
    assert holds(off, truth())
    assert not holds(off, truth(red_cube=(0.36, 0.02, 0.027)))
    assert not holds(off, truth(red_cube=(0.4, 0.2, -0.7)))
