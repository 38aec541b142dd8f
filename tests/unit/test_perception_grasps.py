"""Grasps fit the hand, hit nothing, and follow the unit's preferences."""

import time

import numpy as np
import pytest

from embodied_agent.perception import grasps
from embodied_agent.perception.hand import Hand, hits
from embodied_agent.perception.scene import Scene
from embodied_agent.perception.synthetic import Solid, SyntheticGrounder, render
from embodied_agent.types import Grasp, Object

HAND = Hand()
CUBE = Solid("cube", "box", (0.04, 0.04, 0.04), (0.5, 0.0, 0.02), 0.4, "red")
CAN = Solid("can", "cylinder", (0.066, 0.066, 0.115), (0.45, 0.2, 0.0575), 0.0, "red")
BOWL = Solid("bowl", "tube", (0.17, 0.17, 0.055), (0.5, 0.1, 0.0275), 0.0, "blue")
MUG = [
    Solid("mug", "tube", (0.07, 0.07, 0.09), (0.5, 0.0, 0.045), 0.0, "red", "m"),
    Solid("mug", "box", (0.025, 0.01, 0.05), (0.5475, 0.0, 0.045), 0.0, "red", "m"),
]


def scene_of(*solids: Solid, noise: float = 0.0007) -> tuple[Scene, dict[str, Object]]:
    grounder = SyntheticGrounder()
    scene = Scene(grounder)
    objects = scene.look(grounder.tell(render(solids, stamp=1.0, noise=noise)))
    return scene, {item.kind: item for item in objects}


def propose(kind: str, *solids: Solid, **wishes: object) -> list[Grasp]:
    scene, things = scene_of(*solids)
    obstacles = scene.obstacle_points(except_ids={things[kind].id})
    return grasps.propose(things[kind], HAND, obstacles=obstacles, **wishes)  # type: ignore[arg-type]


def approach_of(grasp: Grasp) -> np.ndarray:
    return grasp.pose.rotation[:, 2]


def closing_of(grasp: Grasp) -> np.ndarray:
    return grasp.pose.rotation[:, 1]


def test_a_cube_is_grasped_across_its_faces_from_above() -> None:
    best = propose("cube", CUBE, approach="above")[0]
    assert approach_of(best)[2] < -0.95
    angle = np.arctan2(closing_of(best)[1], closing_of(best)[0]) - 0.4
    assert abs(np.sin(2 * angle)) < 0.1  # along a face normal
    assert np.linalg.norm(best.pose.position[:2] - (0.5, 0.0)) < 0.006
    assert 0.0 < best.pose.position[2] < 0.04
    assert 0.044 <= best.width <= 0.07


def test_both_turns_of_the_hand_are_offered() -> None:
    found = propose("cube", CUBE)
    first = found[0]
    other = [g for g in found if closing_of(g) @ closing_of(first) < -0.99 and g.score >= first.score - 1e-6]
    assert other


def test_scores_are_ranked_and_made_of_their_named_terms() -> None:
    found = propose("can", CAN)
    scores = [g.score for g in found]
    assert scores == sorted(scores, reverse=True)
    assert set(found[0].terms) == {"detector", "position", "approach", "normal"}
    assert abs(min(sum(found[0].terms.values()), 1.0) - found[0].score) < 1e-3


@pytest.mark.parametrize(
    ("wish", "test"),
    [
        ("above", lambda a: a[2] < -0.9),
        ("side", lambda a: abs(a[2]) < 0.6),
        ("front", lambda a: a[0] > 0.7),
    ],
)
def test_the_wanted_approach_comes_first(wish: str, test: object) -> None:
    best = propose("can", CAN, approach=wish)[0]
    assert test(approach_of(best))  # type: ignore[operator]


def test_a_thing_wider_than_the_hand_has_no_body_grasp() -> None:
    wide = Solid("cube", "box", (0.12, 0.12, 0.06), (0.5, 0.0, 0.03), 0.4, "red")
    assert propose("cube", wide) == []


def test_a_bowl_is_grasped_at_its_rim() -> None:
    best = propose("bowl", BOWL)[0]
    distance = np.linalg.norm(best.pose.position[:2] - (0.5, 0.1))
    assert abs(distance - 0.083) < 0.01
    radial = (best.pose.position[:2] - (0.5, 0.1)) / distance
    assert abs(closing_of(best)[:2] @ radial) > 0.75
    assert best.pose.position[2] > 0.03


def test_a_mug_is_grasped_at_its_handle_when_asked() -> None:
    best = propose("mug", *MUG, grasp_at="handle")[0]
    assert best.pose.position[0] > 0.535
    assert abs(closing_of(best)[1]) > 0.9


def test_a_thing_without_a_handle_has_no_handle_grasp() -> None:
    assert propose("cube", CUBE, grasp_at="handle") == []


def test_a_neighbour_at_one_side_turns_the_grasp() -> None:
    wall = Solid("box", "box", (0.10, 0.03, 0.06), (0.5, 0.0415, 0.03), 0.0, "green")
    straight = Solid("cube", "box", (0.04, 0.04, 0.04), (0.5, 0.0, 0.02), 0.0, "red")
    best = propose("cube", straight, wall, approach="above")[0]
    assert abs(closing_of(best)[0]) > 0.9  # along the wall, not into it


def test_fingers_stay_above_the_support() -> None:
    for kind, solid in (("cube", CUBE), ("can", CAN), ("bowl", BOWL)):
        for grasp in propose(kind, solid):
            axes = grasp.pose.rotation
            tips = grasp.pose.position + axes[:, 2] * HAND.tip_depth
            assert tips[2] > 0.0


def test_no_grasp_puts_the_hand_into_measured_points() -> None:
    scene, things = scene_of(CUBE, moved_can := Solid("can", "cylinder", (0.05, 0.05, 0.1), (0.5, 0.06, 0.05)))
    obstacles = scene.obstacle_points(except_ids={things["cube"].id})
    found = grasps.propose(things["cube"], HAND, obstacles=obstacles)
    assert found
    rotations = np.array([g.pose.rotation for g in found])
    places = np.array([g.pose.position for g in found])
    widths = np.array([g.width for g in found])
    assert hits(HAND, rotations, places, widths, obstacles).max() <= grasps.COLLISION_POINTS
    assert moved_can.kind == "can"


def test_a_horizontal_drawer_handle_is_grasped_from_the_front() -> None:
    scene, things = scene_of(
        Solid("cabinet", "box", (0.25, 0.25, 0.26), (0.85, 0.0, 0.13)),
        Solid("drawer", "box", (0.012, 0.22, 0.11), (0.719, 0.0, 0.18)),
        Solid("drawer_handle", "box", (0.012, 0.10, 0.012), (0.675, 0.0, 0.18)),
    )
    obstacles = scene.obstacle_points(except_ids={things["drawer_handle"].id})
    found = grasps.propose(
        things["drawer"],
        HAND,
        obstacles=obstacles,
        handle=things["drawer_handle"],
        outward=np.array([-1.0, 0.0, 0.0]),
    )
    assert found
    best = found[0]
    assert approach_of(best)[0] > 0.6
    assert abs(closing_of(best)[1]) < 0.2
    assert np.linalg.norm(best.pose.position - (0.675, 0.0, 0.18)) < 0.02


def test_an_upright_door_handle_is_grasped_with_a_level_closing_line() -> None:
    _, things = scene_of(Solid("door_handle", "box", (0.012, 0.012, 0.10), (0.65, 0.1, 0.15)))
    best = grasps.propose(things["door_handle"], HAND, outward=np.array([-1.0, 0.0, 0.0]))[0]
    assert approach_of(best)[0] > 0.8
    assert abs(closing_of(best)[1]) > 0.9


def test_a_knob_is_grasped_across_its_raised_grip() -> None:
    best = propose(
        "knob",
        Solid("knob", "cylinder", (0.09, 0.09, 0.03), (0.5, 0.1, 0.015), 0.0, "blue", "k"),
        Solid("knob", "box", (0.055, 0.016, 0.036), (0.5, 0.1, 0.048), 0.6, "blue", "k"),
    )[0]
    angle = np.arctan2(closing_of(best)[1], closing_of(best)[0])
    assert abs(np.cos(angle - 0.6)) < 0.15
    assert best.pose.position[2] > 0.035
    assert best.width < 0.06


def test_a_plate_is_grasped_at_its_rim_with_the_finger_off_its_floor() -> None:
    plate = Solid("plate", "tube", (0.16, 0.16, 0.022), (0.5, 0.0, 0.011), 0.0, "red")
    found = propose("plate", plate)
    assert found
    best = found[0]
    assert abs(np.linalg.norm(best.pose.position[:2] - (0.5, 0.0)) - 0.078) < 0.01
    assert best.pose.position[2] - HAND.tip_depth > 0.004


def test_grasps_are_found_in_a_tenth_of_a_second() -> None:
    scene, things = scene_of(CUBE, CAN, BOWL)
    obstacles = scene.obstacle_points(except_ids={things["can"].id})
    grasps.propose(things["can"], HAND, obstacles=obstacles)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        grasps.propose(things["can"], HAND, obstacles=obstacles)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.1
