"""Conversions between our values and ROS messages: both ways they meet again."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="no ROS 2 messages in this Python")

from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, Image, JointState

from embodied_agent.errors import CameraError, RobotError
from embodied_agent.robots.ros2 import messages
from embodied_agent.types import Camera, JointTrajectory, Pose

NAMES = ("shoulder", "elbow", "wrist")


@given(st.integers(0, 4_000_000_000 * 1_000_000_000))
@settings(max_examples=200)
def test_a_time_meets_itself_within_a_microsecond(nanoseconds: int) -> None:
    stamp = messages.to_time(nanoseconds * 1e-9)
    assert 0 <= stamp.nanosec < 1_000_000_000
    assert abs(stamp.sec * 10**9 + stamp.nanosec - nanoseconds) < 1000
    assert messages.seconds(stamp) == pytest.approx(nanoseconds * 1e-9, abs=1e-6)


def test_a_time_just_below_a_second_is_carried_over() -> None:
    stamp = messages.to_time(1.9999999999)
    assert (stamp.sec, stamp.nanosec) == (2, 0)


def test_a_pose_keeps_its_orientation_and_changes_the_order_of_the_quaternion() -> None:
    pose = Pose(np.array([1.0, -2.0, 0.5]), np.array([0.5, 0.1, -0.7, 0.5]))
    message = messages.to_transform(pose)
    assert message.rotation.w == pytest.approx(pose.quaternion[0])
    assert message.rotation.x == pytest.approx(pose.quaternion[1])
    for again in (messages.pose_of(message), messages.pose_of(messages.to_pose(pose))):
        np.testing.assert_allclose(again.matrix, pose.matrix, atol=1e-12)


@pytest.mark.parametrize("broken", ["nan", "zero quaternion", "long quaternion"])
def test_what_is_no_pose_is_refused(broken: str) -> None:
    message = messages.to_transform(Pose(np.zeros(3)))
    if broken == "nan":
        message.translation.x = float("nan")
    else:
        message.rotation.w = 0.0 if broken == "zero quaternion" else 2.0
    with pytest.raises(RobotError, match="no pose"):
        messages.pose_of(message)


def test_joints_are_found_by_name_whatever_their_order() -> None:
    message = messages.to_joint_state(
        ("finger", *reversed(NAMES)), [0.04, 3, 2, 1], [0, 30, 20, 10], [5, 6, 7, 8], 2.5
    )
    reading = messages.joints_of(message, NAMES)
    assert reading is not None and reading.stamp == 2.5
    assert reading.positions.tolist() == [1, 2, 3]
    assert reading.velocities is not None and reading.velocities.tolist() == [10, 20, 30]
    assert reading.efforts is not None and reading.efforts.tolist() == [8, 7, 6]


def test_a_driver_may_leave_out_velocities_and_give_nan_for_efforts() -> None:
    reading = messages.joints_of(messages.to_joint_state(NAMES, [1, 2, 3], (), [float("nan")] * 3), NAMES)
    assert reading is not None and reading.velocities is None and reading.efforts is None


def test_a_joint_state_of_other_joints_says_nothing() -> None:
    assert messages.joints_of(messages.to_joint_state(("finger",), [0.0]), NAMES) is None


def test_arrays_that_do_not_fit_the_names_are_refused() -> None:
    message = JointState(name=list(NAMES), position=[1.0, 2.0])
    with pytest.raises(RobotError, match="3 joints and gives 2 positions"):
        messages.joints_of(message, NAMES)


def test_a_trajectory_meets_itself_in_another_order_of_joints() -> None:
    rng = np.random.default_rng(1)
    times = np.array([0.0, 0.25, 1.0 / 3.0, 2.0])
    trajectory = JointTrajectory(times, rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))
    message = messages.to_trajectory(trajectory, NAMES)
    order = [2, 0, 1]
    again = messages.trajectory_of(message, [NAMES[k] for k in order])
    np.testing.assert_allclose(again.times, times, atol=1e-9)
    np.testing.assert_allclose(again.positions, trajectory.positions[:, order])
    np.testing.assert_allclose(again.velocities, trajectory.velocities[:, order])


def test_a_trajectory_for_other_joints_is_refused() -> None:
    message = messages.to_trajectory(JointTrajectory(np.zeros(1), np.zeros((1, 3)), np.zeros((1, 3))), NAMES)
    with pytest.raises(RobotError, match="for the joints shoulder, elbow, wrist"):
        messages.trajectory_of(message, ("a", "b", "c"))


@pytest.mark.parametrize("encoding", sorted(messages.COLORS))
def test_colours_come_out_as_red_green_blue(encoding: str) -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    if encoding == "mono8":
        rgb[:] = rgb[..., :1]
    channels = messages.CHANNELS[encoding]
    raw = np.full((5, 7, channels), 255, np.uint8)
    for ours, theirs in enumerate(messages.COLORS[encoding]):
        raw[..., theirs] = rgb[..., ours]
    padded = np.zeros((5, 7 * channels + 3), np.uint8)  # rows may be longer than their pixels
    padded[:, : 7 * channels] = raw.reshape(5, -1)
    message = Image(height=5, width=7, encoding=encoding, step=padded.shape[1])
    message.data = padded.tobytes()
    np.testing.assert_array_equal(messages.rgb_of(message), rgb)


def test_an_image_is_an_array_of_its_own() -> None:
    message = messages.to_image(np.zeros((4, 4, 3), np.uint8), 1.0, "camera")
    messages.rgb_of(message)[:] = 9
    assert messages.rgb_of(message).max() == 0


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_meets_itself_within_its_unit(encoding: str) -> None:
    depth = np.array([[0.0, 0.5, 1.2345], [2.0, 65.0, 0.001]], np.float32)
    again = messages.depth_of(messages.to_depth(depth, 3.0, "camera", encoding))
    assert again.dtype == np.float32
    np.testing.assert_allclose(again, depth, atol=0.00051 if encoding == "16UC1" else 1e-6)


def test_depth_of_another_byte_order_is_understood() -> None:
    message = messages.to_depth(np.array([[1.5]], np.float32), 0.0, "camera")
    message.is_bigendian = 1
    message.data = np.array([1500], ">u2").tobytes()
    assert messages.depth_of(message)[0, 0] == pytest.approx(1.5)


def test_depth_that_is_no_number_or_too_far_is_no_reading() -> None:
    values = np.array([[np.nan, np.inf, -1.0, 500.0, 0.7]], np.float32)
    message = Image(height=1, width=5, encoding="32FC1", step=20)
    message.data = values.tobytes()
    np.testing.assert_allclose(messages.depth_of(message), [[0, 0, 0, 0, 0.7]])


def test_an_image_with_too_few_bytes_is_refused() -> None:
    message = messages.to_image(np.zeros((4, 4, 3), np.uint8), 1.0, "camera")
    message.height = 5
    with pytest.raises(CameraError, match="48 bytes in rows of 12; 60 are needed"):
        messages.rgb_of(message)


def test_an_unknown_encoding_is_named_with_those_that_are_known() -> None:
    message = messages.to_image(np.zeros((4, 4, 3), np.uint8), 1.0, "camera")
    message.encoding = "yuv422"
    with pytest.raises(CameraError, match=r"'yuv422'.*rgb8"):
        messages.rgb_of(message)


def test_a_camera_meets_itself() -> None:
    camera = Camera("overhead", 640, 480, 600.0, 601.0, 319.5, 239.5, Pose(np.ones(3)))
    intrinsics = messages.intrinsics_of(messages.to_camera_info(camera, 1.0, "frame"))
    again = messages.camera_of(intrinsics, "overhead", camera.world_from_camera)
    assert (again.fx, again.fy, again.cx, again.cy) == (600.0, 601.0, 319.5, 239.5)
    assert (again.width, again.height, again.name) == (640, 480, "overhead")


def test_a_camera_without_calibration_is_refused() -> None:
    with pytest.raises(CameraError, match="calibrate"):
        messages.intrinsics_of(CameraInfo(width=640, height=480))


def test_a_force_keeps_its_frame_and_axes() -> None:
    message = messages.to_wrench(np.array([1.0, -2.0, 3.0]), 4.0, "tool")
    assert message.header.frame_id == "tool"
    assert messages.force_of(message).tolist() == [1.0, -2.0, 3.0]
