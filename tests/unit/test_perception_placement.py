"""Places are free, in reach, and at the measured height."""

import numpy as np
import pytest

from embodied_agent.perception import placement
from embodied_agent.perception.scene import Scene
from embodied_agent.perception.spots import RELEASE
from embodied_agent.perception.synthetic import Solid, SyntheticGrounder, render
from embodied_agent.perception.table import CLEARANCE, Table
from embodied_agent.types import Object

CUBE = np.array([0.04, 0.04, 0.04])
BOWL = Solid("bowl", "tube", (0.17, 0.17, 0.055), (0.5, 0.1, 0.0275), 0.0, "blue")
BIN = Solid("bin", "tube", (0.16, 0.16, 0.11), (0.5, 0.1, 0.055), 0.0, "blue")
PLATE = Solid("plate", "tube", (0.16, 0.16, 0.02), (0.5, -0.2, 0.01), 0.0, "red")
BLOCK = Solid("cube", "box", (0.06, 0.06, 0.06), (0.5, 0.0, 0.03), 0.4, "red")


def scene_of(*solids: Solid) -> tuple[Scene, dict[str, Object]]:
    grounder = SyntheticGrounder()
    scene = Scene(grounder)
    objects = scene.look(grounder.tell(render(solids, stamp=1.0)))
    return scene, {item.kind: item for item in objects}


@pytest.mark.parametrize("solid", [BOWL, BIN], ids=lambda s: s.kind)
def test_a_thing_goes_over_the_middle_of_the_opening(solid: Solid) -> None:
    _, things = scene_of(solid)
    result = placement.inside(things[solid.kind], CUBE)
    assert result.ok, result.reason
    place = result.value
    assert np.linalg.norm(place.pose.position[:2] - (0.5, 0.1)) < 0.012
    assert place.pose.position[2] > 0.02
    assert 0.0 < place.drop < solid.size[2] + 0.02


def test_a_second_thing_goes_beside_the_first_in_a_bowl() -> None:
    ball = Solid("ball", "sphere", (0.042, 0.042, 0.042), (0.5, 0.1, 0.027), 0.0, "red")
    _, things = scene_of(BOWL, ball)
    result = placement.inside(things["bowl"], CUBE, contents=[things["ball"]])
    assert result.ok
    away = np.linalg.norm(result.value.pose.position[:2] - things["ball"].position[:2])
    assert away > 0.02


def test_a_thing_wider_than_the_opening_is_refused_with_both_numbers() -> None:
    _, things = scene_of(Solid("mug", "tube", (0.07, 0.07, 0.09), (0.5, 0.1, 0.045), 0.0, "red"))
    result = placement.inside(things["mug"], np.array([0.09, 0.09, 0.05]))
    assert not result.ok
    assert "90 mm wide" in result.reason


def test_a_closed_drawer_takes_nothing() -> None:
    _, things = scene_of(
        Solid("cabinet", "box", (0.25, 0.25, 0.26), (0.85, 0.0, 0.13)),
        Solid("drawer", "box", (0.012, 0.22, 0.11), (0.719, 0.0, 0.18)),
    )
    result = placement.inside(things["drawer"], CUBE, cabinet=things["cabinet"])
    assert not result.ok
    assert "open" in result.reason


def test_an_open_drawer_takes_a_thing_between_front_and_cabinet() -> None:
    _, things = scene_of(
        Solid("cabinet", "box", (0.25, 0.25, 0.26), (0.85, 0.0, 0.13)),
        Solid("drawer", "box", (0.012, 0.22, 0.11), (0.54, 0.0, 0.18)),
    )
    result = placement.inside(things["drawer"], CUBE, cabinet=things["cabinet"])
    assert result.ok, result.reason
    x, y, z = result.value.pose.position
    assert 0.59 < x < 0.68
    assert abs(y) < 0.01
    assert z > 0.2


def test_a_stack_goes_on_the_middle_of_the_measured_top() -> None:
    _, things = scene_of(BLOCK)
    place = placement.on(things["cube"], CUBE).value
    assert np.linalg.norm(place.pose.position[:2] - (0.5, 0.0)) < 0.004
    assert abs(place.surface - 0.06) < 0.002
    assert abs(place.pose.position[2] - (0.06 + 0.02 + RELEASE)) < 0.003


def test_a_thing_goes_on_a_plates_floor() -> None:
    _, things = scene_of(PLATE)
    place = placement.on(things["plate"], CUBE).value
    assert np.linalg.norm(place.pose.position[:2] - (0.5, -0.2)) < 0.005
    assert 0.0 < place.surface < 0.02


@pytest.mark.parametrize(
    ("side", "axis", "sign"), [("left", 1, 1), ("right", 1, -1), ("front", 0, -1), ("behind", 0, 1)]
)
def test_the_asked_side_is_kept_with_clearance(side: str, axis: int, sign: int) -> None:
    scene, things = scene_of(BLOCK)
    table = Table(scene.obstacle_points())
    result = table.beside(things["cube"], CUBE, side=side)
    assert result.ok, result.reason
    offset = sign * (result.value.pose.position[axis] - things["cube"].position[axis])
    assert 0.05 < offset < 0.2
    assert result.value.clearance >= CLEARANCE


def test_a_taken_side_is_refused() -> None:
    wall = Solid("box", "box", (0.3, 0.16, 0.05), (0.5, 0.13, 0.025), 0.0, "green")
    scene, things = scene_of(BLOCK, wall)
    table = Table(scene.obstacle_points())
    assert not table.beside(things["cube"], CUBE, side="left").ok
    assert table.beside(things["cube"], CUBE, side="any").ok


def test_a_free_spot_is_free_and_a_full_table_has_none() -> None:
    scene, _ = scene_of(BLOCK, BOWL, PLATE)
    obstacles = scene.obstacle_points()
    spot = Table(obstacles).free_spot(CUBE).value.pose.position
    assert np.linalg.norm(obstacles[:, :2] - spot[:2], axis=1).min() > 0.04
    grid = np.stack(np.meshgrid(np.arange(0.1, 0.9, 0.05), np.arange(-0.6, 0.6, 0.05)), axis=-1).reshape(-1, 2)
    full = np.column_stack([grid, np.full(len(grid), 0.05)])
    result = Table(full).free_spot(CUBE)
    assert not result.ok
    assert "no free place" in result.reason


def test_a_place_that_is_taken_or_out_of_reach_is_refused() -> None:
    scene, _ = scene_of(BLOCK)
    table = Table(scene.obstacle_points())
    assert not table.at(np.array([0.5, 0.0, 0.0]), CUBE).ok
    assert "outside" in table.at(np.array([1.5, 0.0, 0.0]), CUBE).reason
    assert table.at(np.array([0.4, -0.2, 0.0]), CUBE).ok
