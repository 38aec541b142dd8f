"""The tree of frames: products, times, and what it refuses to guess."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

pytest.importorskip("geometry_msgs", reason="no ROS 2 messages in this Python")
pytest.importorskip("pytransform3d", reason="pytransform3d is not installed")

from embodied_agent.robots.ros2.messages import to_transform_stamped
from embodied_agent.robots.ros2.transforms import TransformError, Transforms
from embodied_agent.types import Pose


def some_pose(rng: np.random.Generator) -> Pose:
    return Pose(rng.normal(size=3), rng.normal(size=4))


def turned(angle: float, x: float = 0.0) -> Pose:
    return Pose(np.array([x, 0.0, 0.0]), np.array([np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)]))


def add(tree: Transforms, pose: Pose, parent: str, child: str, stamp: float = 0.0, *, fixed: bool = False) -> None:
    tree.add([to_transform_stamped(pose, parent, child, stamp)], fixed=fixed)


def test_a_pose_is_the_product_along_the_tree_in_both_directions() -> None:
    rng, tree = np.random.default_rng(3), Transforms()
    world_base, base_arm, arm_hand, world_camera = (some_pose(rng) for _ in range(4))
    add(tree, world_base, "world", "base", fixed=True)
    add(tree, base_arm, "base", "arm", 1.0)
    add(tree, arm_hand, "arm", "hand", 1.0)
    add(tree, world_camera, "world", "camera", fixed=True)
    expected = (world_base @ base_arm @ arm_hand).matrix
    np.testing.assert_allclose(tree.lookup("world", "hand", 1.0).matrix, expected, atol=1e-9)
    np.testing.assert_allclose(tree.lookup("hand", "world", 1.0).matrix, np.linalg.inv(expected), atol=1e-9)
    across = world_camera.inverse().matrix @ expected
    np.testing.assert_allclose(tree.lookup("camera", "hand", 1.0).matrix, across, atol=1e-9)
    np.testing.assert_allclose(tree.lookup("hand", "hand").matrix, np.eye(4))


def test_a_moving_frame_is_where_it_was_at_the_time_of_the_exposure() -> None:
    tree = Transforms()
    for k in range(11):
        add(tree, turned(0.1 * k, x=0.01 * k), "base", "hand", 5.0 + 0.01 * k)
    between = tree.lookup("base", "hand", 5.043)
    assert between.position[0] == pytest.approx(0.043)
    assert 2 * np.arccos(between.quaternion[0]) == pytest.approx(0.43)


def test_a_turn_is_interpolated_along_the_shorter_way() -> None:
    tree = Transforms()
    add(tree, turned(0.0), "base", "hand", 1.0)
    add(tree, Pose(np.zeros(3), -turned(0.2).quaternion), "base", "hand", 1.1)  # the same turn, other sign
    middle = tree.lookup("base", "hand", 1.05)
    assert 2 * np.arccos(abs(middle.quaternion[0])) == pytest.approx(0.1, abs=1e-6)


def test_nothing_is_extrapolated() -> None:
    tree = Transforms()
    add(tree, turned(0.0), "base", "hand", 1.0)
    add(tree, turned(0.1), "base", "hand", 1.1)
    with pytest.raises(TransformError, match=r"'hand' is 0\.900 s too old"):
        tree.lookup("base", "hand", 2.0)
    with pytest.raises(TransformError, match=r"'hand' is 0\.500 s too new"):
        tree.lookup("base", "hand", 0.5)


def test_a_gap_in_which_the_arm_may_have_moved_is_not_bridged() -> None:
    tree = Transforms()
    add(tree, turned(0.0), "base", "hand", 1.0)
    add(tree, turned(0.1), "base", "hand", 4.0)
    with pytest.raises(TransformError, match=r"gap of 3\.00 s"):
        tree.lookup("base", "hand", 2.0)


def test_fixed_frames_have_no_age() -> None:
    tree = Transforms()
    add(tree, turned(0.3), "world", "camera", fixed=True)
    assert tree.lookup("world", "camera", 12345.6).quaternion[0] == pytest.approx(np.cos(0.15))
    assert tree.age("world", "camera", now=9.0) == 0.0


def test_the_age_is_that_of_the_oldest_moving_frame() -> None:
    tree = Transforms()
    add(tree, turned(0.0), "world", "base", fixed=True)
    add(tree, turned(0.0), "base", "arm", 8.0)
    add(tree, turned(0.0), "arm", "hand", 8.5)
    assert tree.age("world", "hand", now=9.0) == pytest.approx(1.0)
    assert tree.age("world", "elsewhere", now=9.0) is None


def test_an_unknown_frame_names_the_nearest() -> None:
    tree = Transforms()
    add(tree, turned(0.0), "world", "wrist_color_optical_frame", fixed=True)
    with pytest.raises(TransformError, match="did you mean 'wrist_color_optical_frame'"):
        tree.lookup("world", "wrist_colour_optical_frame")


def test_two_trees_say_on_what_each_hangs() -> None:
    tree = Transforms()
    add(tree, turned(0.0), "world", "camera", fixed=True)
    add(tree, turned(0.0), "base", "hand", fixed=True)
    with pytest.raises(TransformError, match="'hand' hangs on 'base' and 'camera' on 'world'"):
        tree.lookup("camera", "hand")


def test_a_loop_and_a_broken_quaternion_are_left_out_and_told() -> None:
    tree = Transforms()
    add(tree, turned(0.0), "a", "b", fixed=True)
    add(tree, turned(0.0), "b", "a", fixed=True)
    broken = to_transform_stamped(turned(0.0), "a", "c", 1.0)
    broken.transform.rotation.w = 0.5
    tree.add([broken], fixed=False)
    assert "above each other" in tree.refused["a"]
    assert "no pose" in tree.refused["c"]
    assert tree.frames() == {"b": "a"}


def test_a_frame_may_get_another_parent() -> None:
    tree = Transforms()
    add(tree, turned(0.0, x=1.0), "world", "cube", 1.0)
    add(tree, turned(0.0), "world", "hand", 1.0)
    add(tree, turned(0.0, x=0.1), "hand", "cube", 2.0)
    add(tree, turned(0.0, x=0.5), "world", "hand", 2.0)
    assert tree.lookup("world", "cube", 2.0).position[0] == pytest.approx(0.6)


def test_a_clock_that_starts_over_starts_the_history_over() -> None:
    tree = Transforms()
    add(tree, turned(0.0), "base", "hand", 100.0)
    add(tree, turned(0.0), "base", "hand", 99.995)  # late by a hair: left out
    assert tree.age("base", "hand", now=100.0) == 0.0
    add(tree, turned(0.5), "base", "hand", 0.1)
    assert tree.lookup("base", "hand", 0.1).quaternion[0] == pytest.approx(np.cos(0.25))


def test_the_buffer_does_not_grow_without_end() -> None:
    tree = Transforms()
    for k in range(3000):
        add(tree, turned(0.0), "base", "hand", 0.001 * k)
    edge = tree._edges["hand"]
    assert len(edge.stamps) == len(edge.poses) <= 512
    for k in range(2000):
        add(tree, turned(0.0), "base", f"noise{k}", 1.0)
    assert len(tree.frames()) <= 1000
    assert len(tree.refused) <= 20


def test_a_lookup_waits_for_what_another_thread_brings() -> None:
    tree = Transforms()
    add(tree, turned(0.0), "base", "hand", 1.0)

    def later() -> None:
        time.sleep(0.1)
        add(tree, turned(0.2), "base", "hand", 1.2)

    thread = threading.Thread(target=later)
    thread.start()
    limit = time.monotonic() + 20.0
    pose = tree.lookup("base", "hand", 1.1, late=lambda: time.monotonic() > limit)
    thread.join()
    assert 2 * np.arccos(pose.quaternion[0]) == pytest.approx(0.1)
    limit = time.monotonic() + 0.1
    with pytest.raises(TransformError, match="too old"):
        tree.lookup("base", "hand", 3.0, late=lambda: time.monotonic() > limit)
