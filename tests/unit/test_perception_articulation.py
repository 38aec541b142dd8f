"""Joints guessed from shape, measured from motion, and followed as paths."""

import numpy as np
import pytest

from embodied_agent.perception import articulation
from embodied_agent.perception.handles import handle_of
from embodied_agent.perception.scene import Scene
from embodied_agent.perception.synthetic import Solid, SyntheticGrounder, render
from embodied_agent.types import Joint, Object, Pose

UP = np.array([0.0, 0.0, 1.0])


def seen(*solids: Solid) -> dict[str, Object]:
    grounder = SyntheticGrounder()
    objects = Scene(grounder).look(grounder.tell(render(solids, stamp=1.0, noise=0.0007)))
    return {item.kind: item for item in objects}


def test_a_drawer_slides_out_along_its_front() -> None:
    things = seen(
        Solid("cabinet", "box", (0.25, 0.25, 0.26), (0.85, 0.0, 0.13)),
        Solid("drawer", "box", (0.012, 0.22, 0.11), (0.719, 0.0, 0.18)),
        Solid("drawer_handle", "box", (0.012, 0.10, 0.012), (0.675, 0.0, 0.18)),
    )
    joint = articulation.estimate(things["drawer"], things["drawer_handle"], things["cabinet"]).value
    assert joint.type == "prismatic"
    assert joint.axis @ (-1.0, 0.0, 0.0) > 0.99
    assert joint.confidence < 0.5


@pytest.mark.parametrize("handle_side", [1.0, -1.0])
def test_a_door_turns_about_the_edge_far_from_its_handle(handle_side: float) -> None:
    things = seen(
        Solid("cupboard", "box", (0.2, 0.25, 0.28), (0.83, 0.0, 0.14)),
        Solid("door", "box", (0.012, 0.24, 0.26), (0.722, 0.0, 0.14)),
        Solid("door_handle", "box", (0.012, 0.012, 0.10), (0.69, 0.095 * handle_side, 0.15)),
    )
    joint = articulation.estimate(things["door"], things["door_handle"], things["cupboard"]).value
    assert joint.type == "revolute"
    assert abs(joint.origin[1] + 0.12 * handle_side) < 0.01
    opened = articulation.path(joint, Pose(things["door_handle"].position), 0.5)[-1]
    assert opened.position[0] < things["door_handle"].position[0] - 0.05  # towards the robot


def test_a_door_without_a_seen_handle_says_so() -> None:
    things = seen(Solid("door", "box", (0.012, 0.24, 0.26), (0.722, 0.0, 0.14)))
    result = articulation.estimate(things["door"])
    assert not result.ok
    assert "hinge side" in result.reason


def test_a_cube_has_no_joint() -> None:
    result = articulation.estimate(seen(Solid("cube", "box", (0.04, 0.04, 0.04), (0.5, 0.0, 0.02)))["cube"])
    assert not result.ok


def along_line(length: float, noise: float, seed: int) -> list[Pose]:
    generator = np.random.default_rng(seed)
    way = np.array([-0.98, 0.199, 0.0])
    return [
        Pose(np.array([0.6, 0.1, 0.2]) + way * s + generator.normal(0, noise, 3))
        for s in np.linspace(0, length, 15)
    ]


def along_arc(angle: float, noise: float, seed: int, radius: float = 0.22) -> list[Pose]:
    generator = np.random.default_rng(seed)
    center = np.array([0.7, 0.12, 0.15])
    return [
        Pose(center + radius * np.array([-np.sin(a), -np.cos(a), 0.0]) + generator.normal(0, noise, 3))
        for a in np.linspace(0, angle, 15)
    ]


@pytest.mark.parametrize("seed", range(8))
def test_a_pull_along_a_line_is_a_drawer(seed: int) -> None:
    guess = Joint("revolute", np.zeros(3), UP, 1.57, 0.45)
    result = articulation.refine(guess, along_line(0.15, 0.0005, seed))
    assert result.value.type == "prismatic", result.evidence
    assert result.value.axis @ (-0.98, 0.199, 0.0) > 0.999


@pytest.mark.parametrize("seed", range(8))
def test_a_short_pull_does_not_overrule_the_shape(seed: int) -> None:
    drawer = Joint("prismatic", np.zeros(3), np.array([-1.0, 0.0, 0.0]), 0.2, 0.45)
    door = Joint("revolute", np.array([0.7, 0.12, 0.15]), UP, 1.9, 0.45)
    assert articulation.refine(drawer, along_line(0.04, 0.0005, seed)).value.type == "prismatic"
    assert articulation.refine(door, along_arc(0.18, 0.0005, seed)).value.type == "revolute"


@pytest.mark.parametrize("seed", range(8))
def test_a_pull_along_an_arc_is_a_door(seed: int) -> None:
    guess = Joint("prismatic", np.zeros(3), np.array([-1.0, 0.0, 0.0]), 0.2, 0.45)
    result = articulation.refine(guess, along_arc(0.5, 0.0005, seed))
    assert result.value.type == "revolute", result.evidence
    assert np.linalg.norm(result.value.origin[:2] - (0.7, 0.12)) < 0.04
    assert abs(result.value.axis[2]) > 0.99
    assert result.value.confidence > 0.5


def test_a_refined_door_goes_on_along_its_own_arc() -> None:
    poses = along_arc(0.4, 0.0003, 1)
    guess = Joint("revolute", np.array([0.71, 0.13, 0.15]), -UP, 1.57, 0.45)
    joint = articulation.refine(guess, poses).value
    assert joint.axis[2] < -0.99  # still opens the same way
    end = articulation.path(joint, poses[-1], 0.5)[-1].position
    assert np.linalg.norm(end - along_arc(0.9, 0.0, 1)[-1].position) < 0.02


def test_a_tiny_motion_changes_nothing_and_says_why() -> None:
    guess = Joint("prismatic", np.zeros(3), np.array([-1.0, 0.0, 0.0]), 0.2, 0.45)
    result = articulation.refine(guess, along_line(0.004, 0.0003, 0))
    assert not result.ok
    assert result.value is guess
    assert "mm" in result.reason


def test_paths_begin_at_the_start_and_keep_the_hand_on_the_part() -> None:
    start = Pose(np.array([0.5, 0.1, 0.2]))
    slide = articulation.path(Joint("prismatic", np.zeros(3), np.array([-1.0, 0, 0]), 0.2, 1.0), start, 0.15, 10)
    assert len(slide) == 11
    assert np.allclose(slide[-1].position, (0.35, 0.1, 0.2))
    joint = Joint("revolute", np.array([0.5, -0.1, 0.0]), UP, 1.57, 1.0)
    swing = articulation.path(joint, start, np.pi / 2, 10)
    assert np.allclose(swing[-1].position, (0.3, -0.1, 0.2))
    radii = [np.linalg.norm(p.position[:2] - (0.5, -0.1)) for p in swing]
    assert np.ptp(radii) < 1e-9
    assert np.allclose(swing[-1].rotation[:, 0], (0.0, 1.0, 0.0))
    assert abs(articulation.travel_between(joint, start.position, swing[-1].position) - np.pi / 2) < 1e-9
    with pytest.raises(ValueError, match="steps"):
        articulation.path(joint, start, 0.1, 0)


@pytest.mark.parametrize("turn", [0.0, 1.0])
def test_a_door_is_led_along_an_arc_whether_the_hand_turns_with_it_or_not(turn: float) -> None:
    joint = Joint("revolute", np.array([0.7, 0.2, 0.0]), -UP, 1.5, 0.9)
    start = Pose(np.array([0.7, -0.1, 0.2]))
    poses = articulation.path(joint, start, 1.0, 20, turn)
    assert np.allclose([np.linalg.norm((pose.position - joint.origin)[:2]) for pose in poses], 0.3)
    assert all(pose.position[2] == pytest.approx(0.2) for pose in poses)
    assert 2 * np.arccos(abs(poses[-1].quaternion[0])) == pytest.approx(turn, abs=1e-6)
    assert poses[-1].position[0] < start.position[0]  # a handle right of its hinge opens towards the robot


def test_a_hidden_handle_is_not_replaced_by_the_other_drawers() -> None:
    things = seen(
        Solid("cabinet", "box", (0.25, 0.25, 0.26), (0.85, 0.0, 0.13)),
        Solid("drawer", "box", (0.012, 0.22, 0.10), (0.719, 0.0, 0.07)),
        Solid("drawer_handle", "box", (0.012, 0.012, 0.06), (0.675, 0.0, 0.19)),
    )
    assert handle_of(things["drawer"], [things["drawer_handle"]]) is None
    upper = seen(
        Solid("drawer", "box", (0.012, 0.22, 0.10), (0.719, 0.0, 0.185)),
        Solid("drawer_handle", "box", (0.012, 0.012, 0.06), (0.675, 0.0, 0.19)),
    )
    assert handle_of(upper["drawer"], [upper["drawer_handle"]]) is upper["drawer_handle"]
