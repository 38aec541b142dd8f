"""What the simulated driver publishes, its services, its fault switches, and how it ends."""

import json
import signal
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
pytest.importorskip("mujoco", reason="the simulated driver needs mujoco")
from action_msgs.msg import GoalStatus
from control_msgs.action import ParallelGripperCommand
from control_msgs.msg import JointTrajectoryControllerState
from driving import Client, Driver, until
from geometry_msgs.msg import WrenchStamped
from rclpy.action import ActionClient
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from embodied_agent.robots.description import load_robot
from embodied_agent.robots.ros2.messages import camera_of, depth_of, intrinsics_of, pose_of, rgb_of, seconds
from embodied_agent_interfaces.srv import LoadScene

DOMAIN = 24
STATE = "joint_trajectory_controller/controller_state"
PARALLEL = "ParallelGripperCommand"
XARM = load_robot("xarm6")
LASTING = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Listener(Client):
    """Also keeps what cameras, transforms and the clock say, in the namespace `cell`."""

    def __init__(self):
        super().__init__(DOMAIN, namespace="/cell")
        self.heard = {}
        sensor = qos_profile_sensor_data
        for camera in ("overhead", "wrist"):
            self.keep(Image, f"{camera}/color/image_raw", sensor)
            self.keep(Image, f"{camera}/aligned_depth_to_color/image_raw", sensor)
            self.keep(CameraInfo, f"{camera}/color/camera_info", sensor)
        self.keep(TFMessage, "/tf", 100)
        self.keep(TFMessage, "/tf_static", LASTING)
        self.keep(Clock, "/clock", sensor)
        self.keep(String, "robot_description", LASTING)
        self.keep(WrenchStamped, "force_torque_sensor_broadcaster/wrench", 10)
        self.keep(JointTrajectoryControllerState, STATE, sensor)

    def keep(self, kind, topic, quality):
        messages = self.heard[topic] = []

        def add(message):
            messages.append(message)

        self.node.create_subscription(kind, topic, add, quality)

    def next(self, topic, count=1):
        """The next messages of a topic."""
        already = len(self.heard[topic])
        until(lambda: len(self.heard[topic]) >= already + count, topic)
        return self.heard[topic][already : already + count]

    def newest(self, topic):
        """Stamp of the newest message of a topic [s]; what comes late was stamped in time."""
        message = self.states[-1] if topic == "joint_states" else self.heard[topic][-1]
        return seconds((message.transforms[0] if topic == "/tf" else message).header.stamp)

    @property
    def clock(self):
        return seconds(self.heard["/clock"][-1].clock)

    def pass_clock(self, simulated):
        until(lambda: self.heard["/clock"], "the clock")
        end = self.clock + simulated
        until(lambda: self.clock >= end, f"{simulated} s of the clock")

    def where(self, frame, moving):
        """World from a frame, by the static transforms and one message of moving ones."""
        above = {}
        for message in (self.heard["/tf_static"][-1], moving):
            for edge in message.transforms:
                above[edge.child_frame_id] = (edge.header.frame_id, pose_of(edge.transform))
        pose = None
        while frame != "world":
            frame, step = above[frame]
            pose = step if pose is None else step @ pose
        return pose


@pytest.fixture(scope="module")
def driver():
    made = Driver(
        DOMAIN, "/cell", robot="xarm6", scene="blocks", depth_encoding="32FC1", gripper_action_type=PARALLEL
    )
    yield made
    code, text = made.end()
    assert code == 0 and "Traceback" not in text and "a callback failed" not in text, text


@pytest.fixture(scope="module")
def listener(driver):
    made = Listener().ready()
    yield made
    made.close()


def test_the_robot_describes_itself_with_meshes_that_are_found(listener):
    until(lambda: listener.heard["robot_description"], "the robot's URDF")
    root = ElementTree.fromstring(listener.heard["robot_description"][0].data)
    assert {joint.get("name") for joint in root.iter("joint")} >= set(XARM.joint_names)
    meshes = [mesh.get("filename") for mesh in root.iter("mesh")]
    assert meshes and all(Path(name.removeprefix("file://")).is_file() for name in meshes)


def test_joint_states_come_every_hundredth_of_a_second_and_name_every_joint(listener):
    until(lambda: len(listener.states) > 60, "joint states")
    states = list(listener.states)[-50:]
    stamps = np.array([seconds(state.header.stamp) for state in states])
    assert np.allclose(np.diff(stamps), 0.01, atol=1e-6)
    assert list(states[0].name) == [*XARM.joint_names, *XARM.gripper.joints]
    assert len(states[0].velocity) == len(states[0].effort) == len(states[0].name)
    assert np.allclose(listener.joints(XARM.joint_names)[0], XARM.home, atol=0.02)


def test_the_arm_s_controller_tells_fifty_times_a_second_where_the_arm_is_to_be(listener):
    messages = listener.next(STATE, 30)
    assert list(messages[0].joint_names) == list(XARM.joint_names)
    assert messages[0].speed_scaling_factor == 1.0
    gaps = np.diff([seconds(message.header.stamp) for message in messages])
    assert np.median(gaps) == pytest.approx(0.02, abs=1e-6)
    newest = messages[-1]
    off = np.subtract(newest.reference.positions, newest.feedback.positions)
    np.testing.assert_allclose(newest.error.positions, off, atol=1e-9)
    assert np.abs(off).max() < 0.02  # it holds


def test_the_clock_is_not_behind_what_is_stamped_with_it(listener):
    clocks = [seconds(message.clock) for message in listener.next("/clock", 20)]
    assert (np.diff(clocks) > 0).all()
    assert abs(listener.clock - listener.now) < 0.5


@pytest.mark.parametrize("camera", ["overhead", "wrist"])
def test_depth_camera_info_and_frames_agree_where_the_table_is(listener, camera):
    (image,) = listener.next(f"{camera}/aligned_depth_to_color/image_raw")
    (color,) = listener.next(f"{camera}/color/image_raw")
    (info,) = listener.next(f"{camera}/color/camera_info")
    assert image.encoding == "32FC1" and color.encoding == "rgb8"
    assert image.header.frame_id == info.header.frame_id == f"{camera}_color_optical_frame"
    stamp = seconds(image.header.stamp)
    moving = min(listener.heard["/tf"], key=lambda tf: abs(seconds(tf.transforms[0].header.stamp) - stamp))
    pose = listener.where(image.header.frame_id, moving)
    depth = depth_of(image)
    assert depth.shape == rgb_of(color).shape[:2] == (480, 640)
    heights = camera_of(intrinsics_of(info), camera, pose).unproject(depth)[..., 2]
    on_table = np.abs(heights[np.isfinite(heights)]) < 0.002
    assert on_table.mean() > (0.5 if camera == "overhead" else 0.05)


def test_colour_depth_and_info_of_one_picture_carry_one_stamp(listener):
    listener.next("overhead/aligned_depth_to_color/image_raw", 3)
    topics = [topic for topic in listener.heard if topic.startswith("overhead/")]
    stamps = [{seconds(message.header.stamp) for message in listener.heard[topic]} for topic in topics]
    assert len(set.intersection(*stamps)) >= 3
    ordered = [seconds(message.header.stamp) for message in listener.heard["overhead/color/image_raw"]]
    assert (np.diff(ordered) > 0).all()


def test_every_link_hangs_in_one_tree_below_the_world(listener):
    (moving,) = listener.next("/tf")
    children = [edge.child_frame_id for edge in moving.transforms]
    children += [edge.child_frame_id for edge in listener.heard["/tf_static"][-1].transforms]
    assert len(children) == len(set(children))
    for frame in (XARM.base_link, XARM.tool.link, "wrist_color_optical_frame", "overhead_color_optical_frame"):
        assert np.isfinite(listener.where(frame, moving).position).all()


def test_nothing_touches_the_arm_at_home(listener):
    (message,) = listener.next("force_torque_sensor_broadcaster/wrench")
    force = message.wrench.force
    assert message.header.frame_id == XARM.tool.link
    assert np.linalg.norm([force.x, force.y, force.z]) < 1.0


def test_a_parallel_gripper_command_moves_the_joint_that_it_names(listener):
    client = ActionClient(listener.node, ParallelGripperCommand, "gripper_controller/gripper_cmd")
    try:
        assert client.wait_for_server(60.0)
        joint = XARM.gripper.joints[0]
        status, result = listener.run(grip([joint], [0.4], [20.0]), client)
        assert status == GoalStatus.STATUS_SUCCEEDED and result.reached_goal and not result.stalled
        assert list(result.state.name) == [joint] and abs(result.state.position[0] - 0.4) < 0.03
        listener.pass_time(0.05)
        assert np.allclose(listener.joints(XARM.gripper.joints)[0], 0.4, atol=0.03)
        for refused in (grip(["elbow"], [0.4], []), grip([joint], [], []), grip([joint], [float("nan")], [])):
            assert not listener.send(refused, client).accepted
    finally:
        client.destroy()


def grip(names, positions, efforts):
    return ParallelGripperCommand.Goal(command=JointState(name=names, position=positions, effort=efforts))


def test_another_scene_is_loaded_from_text_and_time_goes_on(listener):
    before = listener.now
    text = yaml.safe_dump(
        {"name": "one cup", "objects": [{"kind": "mug", "color": "blue", "position": [0.45, 0.1]}]}
    )
    answer = listener.call(LoadScene, "sim_driver/load_scene", LoadScene.Request(scene=text, seed=5))
    assert answer.success, answer.message
    listener.pass_time(0.1)
    truth = json.loads(listener.truth())
    assert list(truth["objects"]) == ["blue mug"] and truth["scene"] == "one cup"
    stamps = np.array([seconds(state.header.stamp) for state in listener.states])
    assert (np.diff(stamps) > 0).all() and listener.now > before
    listener.next("wrist/color/image_raw", 2)  # the pictures are of the new scene's model


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("objects: [{kind: mug, colour: blue}]", "did you mean 'color'"),
        ("objects: [{kind: mug, color: blue, position: [3.0, 0.0]}]", "reach"),
        ("nowhere", "no scene is called 'nowhere'"),
        ("objects: [", "not valid YAML"),
    ],
)
def test_a_scene_that_cannot_be_is_refused_and_the_old_one_stays(listener, text, words):
    before = json.loads(listener.truth())["objects"].keys()
    answer = listener.call(LoadScene, "sim_driver/load_scene", LoadScene.Request(scene=text, seed=0))
    assert not answer.success and words in answer.message, answer.message
    assert json.loads(listener.truth())["objects"].keys() == before


@pytest.mark.parametrize(
    ("switch", "topic"),
    [
        ("fault.camera_silent", "overhead/color/image_raw"),
        ("fault.joint_states_silent", "joint_states"),
        ("fault.tf_silent", "/tf"),
        ("fault.controller_down", STATE),
    ],
)
def test_a_fault_switch_silences_a_topic_and_gives_it_back(listener, switch, topic):
    listener.switch(switch, True)
    silent = json.loads(listener.truth())["time"]  # the driver's own; what this process heard may be older
    listener.pass_clock(0.6)
    assert listener.newest(topic) <= silent
    listener.switch(switch, False)
    until(lambda: listener.newest(topic) > silent + 0.45, f"{topic} again")


def test_a_value_out_of_range_ends_the_driver_with_a_sentence():
    driver = Driver(25, real_time_factor=-1.0)
    text, _ = driver.process.communicate(timeout=120)
    assert driver.process.returncode == 2
    assert "sim_driver: parameter 'real_time_factor'" in text and "Traceback" not in text


def test_an_unknown_robot_ends_the_driver_with_the_nearest_name():
    driver = Driver(25, robot="pandas")
    text, _ = driver.process.communicate(timeout=120)
    assert driver.process.returncode == 2 and "did you mean 'panda'" in text and "Traceback" not in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_driver_cleanly_while_pictures_are_drawn_and_the_arm_moves(number):
    driver = Driver(26, scene="blocks")
    client = Client(26)
    images = []
    client.node.create_subscription(
        Image, "overhead/color/image_raw", lambda m: images.append(m), qos_profile_sensor_data
    )
    try:
        client.ready()
        until(lambda: images, "a picture")
        names = load_robot("panda").joint_names
        assert client.send(client.goal(names, 0.3, duration=5.0)).accepted
        code, text = driver.end(number)
        assert code == 0 and "Traceback" not in text, text
    finally:
        client.close()
        if driver.process.poll() is None:
            driver.process.kill()
