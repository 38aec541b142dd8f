"""Relations between measured things, with numbers, and "unknown" where nothing is seen."""

from dataclasses import replace

import numpy as np
import pytest

from embodied_agent.perception import relations
from embodied_agent.perception.scene import Scene
from embodied_agent.perception.synthetic import Solid, SyntheticGrounder, render
from embodied_agent.types import Object, Pose

BOWL = Solid("bowl", "tube", (0.17, 0.17, 0.055), (0.6, 0.15, 0.0275), 0.0, "blue")
MUG = Solid("mug", "tube", (0.07, 0.07, 0.09), (0.45, 0.2, 0.045), 0.0, "red")
PLATE = Solid("plate", "tube", (0.16, 0.16, 0.02), (0.5, -0.2, 0.01), 0.0, "red")


def cube(x: float, y: float, z: float = 0.02, color: str = "red") -> Solid:
    return Solid("cube", "box", (0.04, 0.04, 0.04), (x, y, z), 0.3, color)


def seen(*solids: Solid) -> dict[str, Object]:
    grounder = SyntheticGrounder()
    objects = Scene(grounder).look(grounder.tell(render(solids, stamp=1.0)))
    return {item.kind if item.kind != "cube" else item.color: item for item in objects}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((0.6, 0.15, 0.026), True),
        ((0.64, 0.15, 0.026), True),
        ((0.72, 0.15, 0.02), False),
        ((0.6, 0.15, 0.3), False),
    ],
)
def test_a_cube_is_inside_a_bowl_only_if_it_lies_in_it(place: tuple[float, float, float], expected: bool) -> None:
    things = seen(BOWL, cube(*place))
    result = relations.is_inside(things["red"], things["bowl"], now=1.0)
    assert result.ok
    assert result.value is expected, result.evidence
    assert {"share_over_opening", "bottom", "rim"} <= set(result.evidence)


def test_what_stands_out_of_a_bowl_and_leaked_into_its_mask_is_not_its_rim() -> None:
    tall = Solid("cylinder", "cylinder", (0.03, 0.03, 0.08), (0.6, 0.15, 0.046), 0.0, "red")
    bowl, full = seen(BOWL)["bowl"], seen(BOWL, tall)
    leaked = replace(
        full["bowl"],
        cloud=np.concatenate([full["bowl"].cloud, full["cylinder"].cloud]),
        pose=Pose(np.array([0.6, 0.15, 0.043])),
        extent=np.array([0.17, 0.17, 0.086]),
    )
    assert relations.rim_of(leaked) == pytest.approx(relations.rim_of(bowl), abs=0.006)
    assert np.ptp(relations.opening(leaked, relations.rim_of(leaked)), axis=0).min() > 0.15
    assert relations.is_inside(full["cylinder"], leaked, now=1.0).value is True


def test_a_cube_beside_a_mug_is_not_inside_it() -> None:
    things = seen(MUG, cube(0.45, 0.12))
    assert relations.is_inside(things["red"], things["mug"]).value is False


def test_a_small_ball_in_a_mug_is_inside_it() -> None:
    ball = Solid("ball", "sphere", (0.042, 0.042, 0.042), (0.45, 0.2, 0.027), 0.0, "green")
    things = seen(MUG, ball)
    assert relations.is_inside(things["ball"], things["mug"]).value is True


def test_stacked_cubes_are_on_each_other_one_way_only() -> None:
    things = seen(cube(0.5, 0.0), cube(0.5, 0.005, 0.06, "blue"))
    assert relations.is_on(things["blue"], things["red"]).value is True
    assert relations.is_on(things["red"], things["blue"]).value is False
    assert relations.is_beside(things["red"], things["blue"]).value is False


def test_a_cube_held_over_another_is_not_on_it() -> None:
    things = seen(cube(0.5, 0.0), cube(0.5, 0.0, 0.14, "blue"))
    assert relations.is_on(things["blue"], things["red"]).value is False


def test_a_cube_on_a_plate_is_on_it_and_a_cube_next_to_it_is_not() -> None:
    things = seen(PLATE, cube(0.5, -0.2, 0.026), cube(0.5, -0.06, 0.02, "blue"))
    assert relations.is_on(things["red"], things["plate"]).value is True
    assert relations.is_on(things["blue"], things["plate"]).value is False
    assert relations.is_beside(things["blue"], things["plate"]).value is True


@pytest.mark.parametrize(
    ("side", "place"),
    [("left", (0.5, 0.1)), ("right", (0.5, -0.1)), ("front", (0.4, 0.0)), ("behind", (0.6, 0.0))],
)
def test_sides_are_as_a_person_at_the_robots_base_sees_them(side: str, place: tuple[float, float]) -> None:
    things = seen(cube(0.5, 0.0), cube(*place, 0.02, "blue"))
    opposite = {"left": "right", "right": "left", "front": "behind", "behind": "front"}[side]
    assert relations.lies(things["blue"], side, things["red"]).value is True
    assert relations.lies(things["blue"], opposite, things["red"]).value is False
    assert relations.is_beside(things["blue"], things["red"], side=side).value is True
    assert relations.is_beside(things["blue"], things["red"], side=opposite).value is False


def test_far_things_are_not_beside_each_other() -> None:
    things = seen(cube(0.4, -0.2), cube(0.5, 0.2, 0.02, "blue"))
    result = relations.is_beside(things["blue"], things["red"])
    assert result.value is False
    assert result.evidence["gap"] > 0.3


def test_a_thing_not_seen_in_the_newest_look_is_unknown_not_guessed() -> None:
    things = seen(BOWL, cube(0.6, 0.15, 0.026))
    result = relations.is_inside(things["red"], things["bowl"], now=4.0)
    assert not result.ok
    assert result.value is None
    assert "cannot be seen now" in result.reason


def test_a_thing_in_an_open_drawer_is_inside_it_and_one_before_it_is_not() -> None:
    parts = [
        Solid("cabinet", "box", (0.25, 0.25, 0.26), (0.85, 0.0, 0.13)),
        Solid("drawer", "box", (0.015, 0.24, 0.11), (0.56, 0.0, 0.07), 0.0, "", "front"),
        Solid("drawer_floor", "box", (0.16, 0.22, 0.005), (0.65, 0.0, 0.03)),
    ]
    things = seen(*parts, cube(0.64, 0.0, 0.053), cube(0.48, 0.0, 0.02, "blue"))
    inside = relations.is_inside(things["red"], things["drawer"], cabinet=things["cabinet"])
    assert inside.value is True, inside.evidence
    assert relations.is_inside(things["blue"], things["drawer"], cabinet=things["cabinet"]).value is False
    unknown = relations.is_inside(things["red"], things["drawer"])
    assert not unknown.ok
    assert "cabinet" in unknown.reason


def test_being_at_a_place_is_measured_on_the_table() -> None:
    item = seen(cube(0.5, 0.0))["red"]
    assert relations.is_at(item, item.position + np.array([0.02, 0.0, 0.3])).value is True
    assert relations.is_at(item, item.position + np.array([0.08, 0.0, 0.0])).value is False
