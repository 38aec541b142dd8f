from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("mink")

from embodied_agent.control.collision import CollisionWorld
from embodied_agent.control.kinematics import Kinematics
from embodied_agent.control.obstacles import CLOUD, HELD, TABLE, Box, Held, Obstacles
from embodied_agent.robots.description import load_robot
from embodied_agent.types import Pose


@pytest.fixture(scope="module", params=["panda", "xarm6"])
def kinematics(request: pytest.FixtureRequest) -> Kinematics:
    return Kinematics(load_robot(request.param))


@pytest.fixture(scope="module")
def world(kinematics: Kinematics) -> CollisionWorld:
    return CollisionWorld(kinematics.description)


def above(kinematics: Kinematics, height: float) -> np.ndarray:
    """Joints with the tool over (0.5, 0) looking down."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag([1.0, -1.0, -1.0])
    matrix[:3, 3] = 0.5, 0.0, height
    result = kinematics.inverse(Pose.from_matrix(matrix), kinematics.description.home_positions)
    assert result.found
    return result.positions


def mug(x: float = 0.5, y: float = 0.0) -> Box:
    return Box("red mug", Pose(np.array([x, y, 0.05])), np.array([0.06, 0.06, 0.1]))


def test_home_touches_nothing(world: CollisionWorld, kinematics: Kinematics) -> None:
    world.update(Obstacles())
    assert world.contact(kinematics.description.home_positions) is None


def test_the_table_is_named_and_may_be_neared_by_the_fingers(
    world: CollisionWorld, kinematics: Kinematics
) -> None:
    world.update(Obstacles())
    tip = kinematics.description.gripper.tip_depth
    assert world.free(above(kinematics, tip + 0.002))
    contact = world.contact(above(kinematics, tip - 0.01 - 0.012))
    assert contact is not None and contact.second == TABLE and contact.distance < 0
    world.update(Obstacles(table=None))
    assert world.free(above(kinematics, tip - 0.01 - 0.012))


def test_a_box_in_the_hand_s_way_is_named(world: CollisionWorld, kinematics: Kinematics) -> None:
    world.update(Obstacles(boxes=(Box("blue book", Pose(np.array([0.5, 0.0, 0.1])), np.full(3, 0.1)),)))
    contact = world.contact(above(kinematics, 0.08))
    assert contact is not None and contact.second == "blue book"
    assert "would hit blue book" in str(contact)


def test_the_fingers_may_touch_what_they_are_allowed_to(world: CollisionWorld, kinematics: Kinematics) -> None:
    wide = Box("wide box", Pose(np.array([0.5, 0.0, 0.04])), np.array([0.06, 0.2, 0.08]))
    low = above(kinematics, 0.05)
    obstacles = Obstacles(boxes=(wide,))
    world.update(obstacles)
    assert not world.free(low)
    world.update(obstacles.allow(("hand", "wide box")))
    assert world.free(low)
    world.update(obstacles.allow(("hand", "another box")))
    assert not world.free(low)


def test_the_links_behind_the_hand_keep_off_what_the_hand_reaches_into(
    world: CollisionWorld, kinematics: Kinematics
) -> None:
    low = above(kinematics, 0.05)
    around_the_fingers = Box("box", Pose(np.array([0.5, 0.0, 0.04])), np.array([0.06, 0.2, 0.08]))
    world.update(Obstacles(boxes=(around_the_fingers,), table=None))
    assert world.contact(low) is not None
    assert world.contact(low, but_hand=True) is None
    beside_the_wrist = Box("drawer above", Pose(np.array([0.5, 0.0, 0.3])), np.array([0.3, 0.3, 0.1]))
    world.update(Obstacles(boxes=(around_the_fingers, beside_the_wrist), table=None))
    touch = world.contact(low, but_hand=True)
    assert touch is not None and touch.second == "drawer above"
    assert "hand" not in touch.first and "finger" not in touch.first


def test_an_open_hand_goes_round_a_thing_and_a_closed_one_does_not(
    world: CollisionWorld, kinematics: Kinematics
) -> None:
    thin = Box("thin box", Pose(np.array([0.5, 0.0, 0.03])), np.array([0.03, 0.03, 0.06]))
    world.update(Obstacles(boxes=(thin,)))
    low = above(kinematics, 0.04)
    assert world.free(low)
    world.set_width(0.02)
    assert not world.free(low)


def test_the_margin_keeps_distance(kinematics: Kinematics) -> None:
    near = Box("near box", Pose(np.array([0.5, 0.0, 0.07])), np.array([0.1, 0.1, 0.14]))
    joints = above(kinematics, 0.2)
    tight = CollisionWorld(kinematics.description, Obstacles(boxes=(near,)), margin=0.001)
    wary = CollisionWorld(kinematics.description, Obstacles(boxes=(near,)), margin=0.1)
    assert tight.free(joints)
    contact = wary.contact(joints)
    assert contact is not None and contact.distance > 0 and "would pass" in str(contact)


def test_points_are_obstacles_too(world: CollisionWorld, kinematics: Kinematics) -> None:
    rng = np.random.default_rng(0)
    wall = rng.uniform([0.45, -0.1, 0.0], [0.47, 0.1, 0.2], (3000, 3))
    world.update(Obstacles(points=wall))
    contact = world.contact(above(kinematics, 0.1))
    assert contact is not None and contact.second == CLOUD


def test_what_is_held_collides_like_the_hand(world: CollisionWorld, kinematics: Kinematics) -> None:
    held = Held(Pose(np.array([0.0, 0.0, 0.08])), np.array([0.03, 0.03, 0.2]))
    post = Box("post", Pose(np.array([0.5, 0.0, 0.05])), np.array([0.03, 0.03, 0.1]))
    joints = above(kinematics, 0.22)
    world.update(Obstacles(boxes=(post,)))
    assert world.free(joints)
    world.update(Obstacles(boxes=(post,)).holding(held))
    contact = world.contact(joints)
    assert contact is not None and contact.first == HELD and contact.second == "post"


def test_the_arm_hits_itself_when_it_folds(world: CollisionWorld, kinematics: Kinematics) -> None:
    world.update(Obstacles(table=None))
    description = kinematics.description
    rng = np.random.default_rng(2)
    contacts = [world.contact(rng.uniform(description.lower, description.upper)) for _ in range(300)]
    own = [item for item in contacts if item is not None]
    assert 3 < len(own) < 150
    links = set(kinematics.description.no_collision)
    assert all((item.first, item.second) not in links for item in own)


def test_a_collision_inside_a_segment_is_found(world: CollisionWorld, kinematics: Kinematics) -> None:
    left, right = above(kinematics, 0.06), above(kinematics, 0.06)
    left[0] += 0.8
    right[0] -= 0.8
    world.update(Obstacles(boxes=(mug(),)))
    assert world.free(left) and world.free(right)
    found = world.path_contact(np.stack([left, right]))
    assert found is not None and found[0] == 0 and found[1].second == "red mug"


def test_removing_a_box_removes_its_points(kinematics: Kinematics) -> None:
    box = mug()
    points = np.concatenate([box.pose.position + np.zeros((5, 3)), [[0.3, 0.3, 0.1]]])
    rest = Obstacles(boxes=(box,), points=points).without("red mug")
    assert rest.boxes == () and len(rest.points) == 1


def test_cloud_boxes_cover_every_point() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform([0.2, -0.4, 0.0], [0.8, 0.4, 0.3], (30000, 3))
    boxes = Obstacles(points=points).cloud_boxes()
    assert 0 < len(boxes) <= 600
    covered = np.zeros(len(points), dtype=bool)
    for box in boxes:
        covered |= box.contains(points, 1e-9)
    assert covered.all()


def test_points_that_are_not_finite_are_left_out() -> None:
    points = np.array([[0.5, 0.0, 0.1], [np.nan, 0.0, 0.0], [np.inf, 0.0, 0.0]])
    assert len(Obstacles(points=points).points) == 1


def test_thousands_of_checks_a_second(world: CollisionWorld, kinematics: Kinematics) -> None:
    rng = np.random.default_rng(0)
    cloud = rng.uniform([0.3, -0.3, 0.0], [0.6, 0.3, 0.1], (4000, 3))
    world.update(Obstacles(boxes=(mug(),), points=cloud))
    description = kinematics.description
    samples = rng.uniform(description.lower, description.upper, (1500, len(description.joints)))
    began = time.perf_counter()
    for sample in samples:
        world.free(sample)
    assert len(samples) / (time.perf_counter() - began) > 2000
