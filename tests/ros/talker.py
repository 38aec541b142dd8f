"""A process that talks as a robot with a running program does: every message is numbered and known beforehand.

Usage: python talker.py SECONDS [IMAGE_RATE] [LISTENERS]
Once so many listen to its tree and its action it plays one goal: a task, a unit, a pick that fails once and
is tried again, and a place.
"""

import math
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import rclpy
from builtin_interfaces.msg import Duration, Time
from control_msgs.action import FollowJointTrajectory
from diagnostic_msgs.msg import KeyValue
from geometry_msgs.msg import TransformStamped
from rclpy.action import ActionClient, ActionServer
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Empty
from tf2_msgs.msg import TFMessage

from embodied_agent_interfaces.msg import ProgramNode, ProgramTree

JOINTS = [f"panda_joint{k}" for k in range(1, 8)]
ACTION = "joint_trajectory_controller/follow_joint_trajectory"
LASTING = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PROGRAM = """\
with task("put the cube in the bowl"):
    with unit("cube"):
        pick(cube)
        place(cube)
"""


def picture(number: int) -> np.ndarray:
    """A colour image (480, 640, 3) with a bar whose place tells its number."""
    image = np.full((480, 640, 3), 90, np.uint8)
    image[:, 8 * (number % 80) : 8 * (number % 80) + 8] = (230, 60, 40)
    return image


def depth(number: int) -> np.ndarray:
    """Millimetres (480, 640) that no lossy format would keep."""
    rows, columns = np.mgrid[:480, :640]
    return ((rows * 7 + columns * 3 + number) % 4096).astype(np.uint16)


class Talker:
    def __init__(self, image_rate: float, listeners: int) -> None:
        self.listeners = listeners
        self.node = rclpy.create_node("talker")
        make = self.node.create_publisher
        self.joints = make(JointState, "joint_states", 1000)
        self.color = make(Image, "overhead/color/image_raw", qos_profile_sensor_data)
        self.depth = make(Image, "overhead/aligned_depth_to_color/image_raw", qos_profile_sensor_data)
        self.info = make(CameraInfo, "overhead/color/camera_info", qos_profile_sensor_data)
        self.tf = make(TFMessage, "/tf", 100)
        self.fixed = make(TFMessage, "/tf_static", LASTING)
        self.stop = make(Empty, "agent/stop", 1)
        self.tree = make(ProgramTree, "agent/tree", LASTING)
        self.sent = SimpleNamespace(joints=0, images=0)
        group = ReentrantCallbackGroup()
        self.server = ActionServer(
            self.node, FollowJointTrajectory, ACTION, self.follow,
            callback_group=group,
        )  # fmt: skip
        self.client = ActionClient(
            self.node, FollowJointTrajectory, ACTION,
            callback_group=group,
        )  # fmt: skip
        self.fixed.publish(TFMessage(transforms=[self.transform("world", "panda_link0", 0.0)]))
        self.node.create_timer(0.01, self.tell_joints)
        self.node.create_timer(1.0 / image_rate, self.show)

    def now(self) -> Time:
        return self.node.get_clock().now().to_msg()

    def transform(self, parent: str, child: str, x: float) -> TransformStamped:
        found = TransformStamped(child_frame_id=child)
        found.header.frame_id, found.header.stamp = parent, self.now()
        found.transform.translation.x, found.transform.rotation.w = x, 1.0
        return found

    def tell_joints(self) -> None:
        number = self.sent.joints
        message = JointState(name=JOINTS, position=[math.sin(number * 0.01)] * 7, velocity=[0.0] * 7)
        message.header.stamp, message.header.frame_id = self.now(), str(number)
        self.joints.publish(message)
        self.tf.publish(TFMessage(transforms=[self.transform("panda_link0", "panda_link1", number * 0.001)]))
        self.sent.joints += 1

    def show(self) -> None:
        number, stamp = self.sent.images, self.now()
        for publisher, encoding, pixels in (
            (self.color, "rgb8", picture(number)),
            (self.depth, "16UC1", depth(number)),
        ):
            message = Image(height=480, width=640, encoding=encoding, step=pixels.strides[0])
            message.header.stamp, message.header.frame_id = stamp, "overhead_color_optical_frame"
            message.data.frombytes(pixels.tobytes())
            publisher.publish(message)
        info = CameraInfo(height=480, width=640, k=[600.0, 0.0, 320.0, 0.0, 600.0, 240.0, 0.0, 0.0, 1.0])
        info.header.stamp, info.header.frame_id = stamp, "overhead_color_optical_frame"
        self.info.publish(info)
        self.sent.images += 1

    def follow(self, goal: object) -> FollowJointTrajectory.Result:
        for number in range(5):
            message = FollowJointTrajectory.Feedback(joint_names=JOINTS)
            message.desired.positions = [0.1 * number] * 7
            goal.publish_feedback(message)
            time.sleep(0.05)
        goal.succeed()
        return FollowJointTrajectory.Result()

    def play(self) -> None:
        """One goal, as its tree tells it."""
        tree = ProgramTree(instruction="put the cube in the bowl")
        tree.goal_id.uuid = list(range(16))
        nodes: dict[str, ProgramNode] = {}

        def tell(pause: float) -> None:
            tree.header.stamp = self.now()
            self.tree.publish(tree)
            time.sleep(pause)

        def begin(path: str, label: str, level: str, attempt: int = 1) -> ProgramNode:
            node = ProgramNode(
                path=path, parent=path.rpartition(".")[0], label=label, level=level, status=ProgramNode.RUNNING,
                attempt=attempt, stamp=self.now(),
            )  # fmt: skip
            nodes[path] = node
            tree.nodes = list(nodes.values())
            tell(0.15)
            return node

        def end(node: ProgramNode, status: int, reason: str = "", **evidence: str) -> None:
            began = node.stamp.sec + node.stamp.nanosec * 1e-9
            node.stamp, node.status, node.reason = self.now(), status, reason
            taken = node.stamp.sec + node.stamp.nanosec * 1e-9 - began
            node.duration = Duration(sec=int(taken), nanosec=int((taken % 1) * 1e9))
            node.evidence = [KeyValue(key=key, value=value) for key, value in evidence.items()]
            tell(0.1)

        feedback = self.node.resolve_topic_name(f"{ACTION}/_action/feedback")
        # The own client listens to the feedback, too.
        while (
            self.tree.get_subscription_count() < self.listeners
            or self.node.count_subscribers(feedback) < self.listeners + 1
        ):
            time.sleep(0.1)
        time.sleep(1.0)  # they have found the other topics too
        tell(0.3)
        tree.program = PROGRAM
        task = begin("1", 'task "put the cube in the bowl"', "task")
        unit = begin("1.1", 'unit "cube"', "unit")
        self.client.wait_for_server(timeout_sec=5.0)
        self.client.send_goal_async(FollowJointTrajectory.Goal())
        end(begin("1.1.1", "pick(cube)", "skill"), ProgramNode.FAILED, "nothing between the fingers", width="0.0")
        end(begin("1.1.1", "pick(cube)", "skill", 2), ProgramNode.SUCCEEDED, width="0.041", force_n="12.5")
        end(begin("1.1.2", "place(cube)", "skill"), ProgramNode.SUCCEEDED)
        end(unit, ProgramNode.SUCCEEDED)
        tree.verdict = "done"
        end(task, ProgramNode.SUCCEEDED)
        self.stop.publish(Empty())


def main(seconds: float, image_rate: float, listeners: int) -> None:
    rclpy.init()
    talker = Talker(image_rate, listeners)
    executor = MultiThreadedExecutor(4)
    executor.add_node(talker.node)
    threading.Thread(target=talker.play, daemon=True).start()
    end = time.monotonic() + seconds
    while rclpy.ok() and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
    print(talker.sent.joints, talker.sent.images, flush=True)
    rclpy.try_shutdown()


if __name__ == "__main__":
    main(float(sys.argv[1]), *map(float, sys.argv[2:3] or [30.0]), *map(int, sys.argv[3:4] or [1]))
