"""The doctor's judgement of what a graph showed: each trouble of commissioning is found and named."""

import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
from control_msgs.msg import JointTrajectoryControllerState

from embodied_agent.control.kinematics import Kinematics
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.ros2 import messages
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.ros.inspection.cameras import plane
from embodied_agent.ros.inspection.doctor import judge
from embodied_agent.ros.inspection.observation import CameraStreams, Observation, Stream
from embodied_agent.types import Camera, Pose

INTERFACE = Ros2Interface(cameras=("overhead",))
ARM, HAND = "/joint_trajectory_controller/follow_joint_trajectory", "/gripper_controller/gripper_cmd"
NAMES = {INTERFACE.trajectory_action: ARM, INTERFACE.gripper_action: HAND, "agent": "/agent"}
PANDA = load_robot("panda")
NOW = 1000.0
CAMERA = Camera(
    "overhead", 320, 240, 300.0, 300.0, 160.0, 120.0,
    Pose.from_matrix(np.array([[0, -1, 0, 0.5], [-1, 0, 0, 0], [0, 0, -1, 1.0], [0, 0, 0, 1.0]])),
)  # fmt: skip


def stream(rate: float, last: object, lag: float = 0.005) -> Stream:
    stamps = list(np.arange(NOW - 2.0, NOW, 1.0 / rate))
    return Stream("/topic", ["/driver"], False, list(stamps), stamps, [lag] * len(stamps), last)


def table_depth(tilt: float = 0.0) -> np.ndarray:
    """Depth [m] of a level table at height 0 under the camera, or of one tilted by [rad] about y."""
    rows, columns = np.mgrid[:240, :320]
    ray = np.stack([(columns - 160) / 300, (rows - 120) / 300, np.ones((240, 320))], axis=-1)
    down = CAMERA.world_from_camera.rotation @ ray[..., None]
    normal = np.array([math.sin(tilt), 0.0, math.cos(tilt)])
    point = np.array([0.5, 0.0, 0.0]) - CAMERA.world_from_camera.position
    return ((point @ normal) / (down[..., 0] @ normal)).astype(np.float32)


def healthy() -> Observation:
    """A robot that has nothing to mend."""
    seen = Observation(
        now=NOW, distribution="jazzy", middleware="rmw_fastrtps_cpp",
        packages={"control_msgs": True}, nodes=["/agent", "/driver"], agent_state="active",
        actions={ARM: "control_msgs/action/FollowJointTrajectory", HAND: "control_msgs/action/GripperCommand"},
    )  # fmt: skip
    joints = {*PANDA.joint_names, *PANDA.gripper.joints}
    positions = dict(zip(PANDA.joint_names, PANDA.home, strict=True)) | dict.fromkeys(PANDA.gripper.joints, 0.04)
    seen.joints = stream(100.0, None)
    seen.joint_log = [(stamp, positions) for stamp in seen.joints.stamps]
    seen.with_velocity = seen.with_effort = joints
    camera = CameraStreams(
        stream(30.0, messages.to_image(np.full((240, 320, 3), 99, np.uint8), NOW, "eye")),
        stream(30.0, messages.to_depth(table_depth(), NOW, "eye")),
        stream(30.0, messages.to_camera_info(CAMERA, NOW, "eye")),
    )
    seen.cameras = {"overhead": camera}
    place(seen, "world", PANDA.base_link, Pose(np.zeros(3)), fixed=True)
    place(seen, "world", "eye", CAMERA.world_from_camera, fixed=True)
    hand = Kinematics(PANDA).forward(np.array(PANDA.home)) @ PANDA.tool.link_from_tool.inverse()
    for stamp in np.arange(NOW - 2.0, NOW, 0.01):
        place(seen, PANDA.base_link, PANDA.tool.link, hand, stamp=float(stamp))
    return seen


def place(
    seen: Observation, parent: str, child: str, pose: Pose, *, fixed: bool = False, stamp: float = NOW
) -> None:
    seen.transforms.add([messages.to_transform_stamped(pose, parent, child, stamp)], fixed=fixed)
    seen.parents.setdefault(child, set()).add(parent)


def verdicts(seen: Observation, interface: Ros2Interface = INTERFACE) -> dict[str, tuple[str, str, str]]:
    return {f.what: (f.state, f.measured, f.remedy) for f in judge(seen, interface, PANDA, NAMES, "agent")}


def wrong(seen: Observation, interface: Ros2Interface = INTERFACE) -> set[str]:
    return {what for what, (state, _, _) in verdicts(seen, interface).items() if state == "wrong"}


def test_a_sound_robot_has_nothing_to_mend():
    found = verdicts(healthy())
    assert {what for what, (state, _, _) in found.items() if state == "wrong"} == set()
    assert {what for what, (state, _, _) in found.items() if state == "note"} == {"limits", "wrench"}
    assert "differ by 0.0 mm" in found["model"][1]


def test_an_arm_that_is_not_the_model_is_found():
    seen = healthy()
    bent = [(stamp, positions | {"panda_joint4": positions["panda_joint4"] + 0.05})
            for stamp, positions in seen.joint_log]  # fmt: skip
    seen.joint_log = bent
    found = verdicts(seen)
    assert found["model"][0] == "wrong"
    assert "nothing must move" in found["model"][2]


def test_joints_of_another_arm_are_found_by_name():
    seen = healthy()
    seen.joint_log = [(NOW, {f"ur_{k}": 0.0 for k in range(6)})]
    found = verdicts(seen)
    assert found["joint names"][0] == "wrong"
    assert "ur_0" in found["joint names"][1]
    assert found["gripper joint"][0] == "wrong"


def test_a_joint_beyond_its_limits_is_found():
    seen = healthy()
    seen.joint_log = [(stamp, positions | {"panda_joint4": 0.2}) for stamp, positions in seen.joint_log]
    assert "panda_joint4 at 0.200 rad" in verdicts(seen)["positions"][1]


def test_joint_states_that_stall_are_found():
    seen = healthy()
    del seen.joints.stamps[80:120], seen.joints.arrivals[80:120], seen.joints.lags[80:120]
    assert "joint states" in wrong(seen)


def test_clocks_of_two_machines_that_differ_are_found():
    seen = healthy()
    seen.joints.lags = [3.2] * seen.joints.count
    state, measured, remedy = verdicts(seen)["stamps"]
    assert (state, "3200 ms old" in measured, "chrony" in remedy) == ("wrong", True, True)


@pytest.mark.parametrize(
    ("publishers", "count", "using", "bad"),
    [
        ([], 0, {"/driver": False}, False),
        ([], 0, {"/driver": True}, True),
        (["/sim"], 50, {"/driver": True, "/agent": True}, False),
        (["/sim"], 50, {"/driver": True, "/agent": False}, True),
        (["/sim"], 50, {"/sim": False, "/agent": True, "/launch_ros_31373": False, "/_daemon": False}, False),
        (["/sim"], 0, {"/driver": True}, True),
    ],
)
def test_simulated_time_is_for_all_or_for_none(publishers, count, using, bad):
    seen = healthy()
    seen.clock = stream(25.0, None) if count else Stream()
    seen.clock.publishers = publishers
    seen.sim_time = using
    assert bool({"time", "/clock"} & wrong(seen)) == bad


def test_a_gripper_of_the_other_action_type_is_told_with_the_parameter():
    seen = healthy()
    seen.actions[HAND] = "control_msgs/action/ParallelGripperCommand"
    rows = [f for f in judge(seen, INTERFACE, PANDA, NAMES, "agent") if f.area == "controllers"]
    assert [f.state for f in rows] == ["ok", "wrong"]
    assert "gripper_action_type: ParallelGripperCommand" in rows[1].remedy


def controller_state(*errors, scaling=1.0):
    message = JointTrajectoryControllerState(speed_scaling_factor=scaling)
    message.joint_names = list(PANDA.joint_names[: len(errors)])
    message.error.positions = [float(error) for error in errors]
    return message


@pytest.mark.parametrize(
    ("told", "state", "words"),
    [
        (None, "wrong", "the controller is not active"),
        (controller_state(0.001, -0.004), "ok", "'panda_joint2' 0.0040 rad from its set point"),
        (controller_state(0.001, scaling=0.3), "ok", "executing at 30% speed"),
        (controller_state(0.5, 0.0), "note", "'panda_joint1' 0.5000 rad"),
        (controller_state(), "note", "tells no joint errors"),
    ],
)
def test_the_arm_s_controller_tells_that_it_is_active_and_how_well_it_follows(told, state, words):
    seen = healthy()
    seen.controller = Stream("/arm/controller_state", ["/manager"]) if told is None else stream(50.0, told)
    found = verdicts(seen)["state"]
    assert found[0] == state and words in found[1]


def test_a_controller_without_a_topic_for_its_state_is_no_finding():
    assert "state" not in verdicts(healthy())


def test_an_arm_controller_of_another_name_is_named():
    seen = healthy()
    seen.actions["/scaled_joint_trajectory_controller/follow_joint_trajectory"] = seen.actions.pop(ARM)
    state, _, remedy = verdicts(seen)["arm"]
    assert state == "wrong"
    assert "scaled_joint_trajectory_controller" in remedy
    assert "trajectory_action" in remedy


def test_a_frame_with_two_parents_is_found():
    seen = healthy()
    seen.parents["eye"].add("somewhere")
    assert "under somewhere and world at once" in verdicts(seen)["transforms"][1]


def test_a_camera_that_no_transform_reaches_is_found():
    seen = healthy()
    for part in (seen.cameras["overhead"].image, seen.cameras["overhead"].depth):
        part.last.header.frame_id = "loose"
    assert "overhead camera" in wrong(seen)


def test_a_base_that_is_not_the_origin_of_the_world_is_found():
    seen = healthy()
    place(seen, "world", PANDA.base_link, Pose(np.array([0.0, 0.0, 0.4])), fixed=True)
    assert "400 mm" in verdicts(seen)["origin"][1]


@pytest.mark.parametrize("tilt", [0.0, 2.0, -4.0])
def test_a_camera_that_is_turned_sees_a_tilted_table(tilt):
    seen = healthy()
    seen.cameras["overhead"].depth.last = messages.to_depth(table_depth(math.radians(tilt)), NOW, "eye", "32FC1")
    state, measured, _ = verdicts(seen)["overhead table"]
    assert f"tilted {abs(tilt):.1f} deg" in measured
    assert state == ("ok" if tilt == 0.0 else "wrong")


def test_a_camera_that_stands_higher_than_it_says_is_found():
    seen = healthy()
    moved = CAMERA.world_from_camera.translated(np.array([0.0, 0.0, 0.04]))
    place(seen, "world", "eye", moved, fixed=True)
    assert "height +40 mm" in verdicts(seen)["overhead table"][1]


def test_depth_in_another_unit_than_its_encoding_means_is_found():
    seen = healthy()
    seen.cameras["overhead"].depth.last = messages.to_depth(table_depth() * 0.001, NOW, "eye", "32FC1")
    state, _, remedy = verdicts(seen)["overhead depth values"]
    assert (state, "another unit" in remedy) == ("wrong", True)


def test_depth_that_is_not_aligned_to_colour_is_found():
    seen = healthy()
    seen.cameras["overhead"].depth.last.header.frame_id = "overhead_depth_optical_frame"
    assert "overhead alignment" in wrong(seen)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda info: setattr(info, "k", [0.0] * 9), "calibrate"),
        (lambda info: setattr(info, "width", 640), "pixels"),
        (lambda info: info.k.__setitem__(0, 30.0), "deg across"),
        (lambda info: info.k.__setitem__(2, 300.0), "optical axis"),
    ],
)
def test_a_calibration_that_cannot_be_is_found(change, word):
    seen = healthy()
    change(seen.cameras["overhead"].info.last)
    state, measured, remedy = verdicts(seen)["overhead calibration"]
    assert state == "wrong"
    assert word in measured + remedy


def test_distortion_is_said():
    seen = healthy()
    seen.cameras["overhead"].info.last.d = [0.1, -0.2, 0.0, 0.0, 0.0]
    assert verdicts(seen)["overhead distortion"][:2] == ("note", "plumb_bob, largest coefficient 0.200")


def test_limits_beyond_the_robots_own_are_found():
    seen = healthy()
    seen.urdf = (
        '<robot name="arm"><joint name="panda_joint1" type="revolute">'
        '<limit lower="-2.5" upper="2.5" velocity="2.0" effort="1"/></joint></robot>'
    )
    state, measured, _ = verdicts(seen)["limits"]
    assert state == "wrong"
    assert "panda_joint1 -2.897 .. 2.897 rad, robot -2.500 .. 2.500" in measured
    assert "2.17 rad/s, robot 2.00" in measured or "2.18 rad/s, robot 2.00" in measured


@pytest.mark.parametrize("text", ["not xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><robot/>", "<model/>"])
def test_a_description_that_is_none_is_said(text):
    seen = healthy()
    seen.urdf = text
    assert "limits" in wrong(seen)


def test_an_empty_graph_is_told_in_one_line():
    found = verdicts(Observation(distribution="humble", packages={"control_msgs": False}))
    assert found["nodes"][0] == "wrong"
    assert found["message packages"] == ("wrong", "missing control_msgs", "apt install ros-humble-control-msgs")
    assert set(found) == {"ROS 2", "message packages", "nodes"}


def test_the_plane_is_found_under_things_that_stand_on_it():
    chance = np.random.default_rng(0)
    table = np.column_stack([chance.uniform(0.3, 0.8, 4000), chance.uniform(-0.4, 0.4, 4000), np.zeros(4000)])
    table[:, 2] = 0.02 + 0.01 * table[:, 0] + chance.normal(0, 0.001, 4000)
    things = chance.uniform([0.3, -0.4, 0.03], [0.8, 0.4, 0.2], (2500, 3))
    height, tilt = plane(np.concatenate([table, things]))
    assert height == pytest.approx(0.0255, abs=0.002)
    assert tilt == pytest.approx(math.degrees(0.01), abs=0.3)
