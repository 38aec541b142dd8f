"""A small real ROS 2 node that does as an arm's driver does, or, where a test says so, as a bad one does.

It moves along what it is told without physics, so that tests of odd controllers are quick. The simulated
driver is for everything else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from control_msgs.action import FollowJointTrajectory, GripperCommand, ParallelGripperCommand
from control_msgs.msg import JointTrajectoryControllerState
from geometry_msgs.msg import WrenchStamped
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image, JointState
from tf2_msgs.msg import TFMessage

from embodied_agent.robots.backend import Backend
from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.ros2 import messages
from embodied_agent.robots.trajectories import sample
from embodied_agent.types import Camera, JointTrajectory, Pose

PERIOD = 0.01  # [s]
PATIENCE = 60.0  # [s]
STATE = "joint_trajectory_controller/controller_state"
ARM = "joint_trajectory_controller/follow_joint_trajectory"
HAND = "gripper_controller/gripper_cmd"


def until(holds: Callable[[], object]) -> None:
    """Wait for a condition; machines may have much else to do."""
    limit = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < limit, "it did not come about"
        time.sleep(0.01)


def nudge(backend: Backend, seconds: float = 0.4, size: float = 0.02) -> JointTrajectory:
    """A path from where the arm is, all joints by `size` [rad]."""
    start = backend.state().positions
    s = np.linspace(0.0, 1.0, 11)[:, None]
    way = start + (3 * s**2 - 2 * s**3) * size
    speed = np.repeat((6 * s - 6 * s**2) * size / seconds, len(start), axis=1)
    return JointTrajectory(np.linspace(0.0, seconds, 11), way, speed)


class PaperArm:
    """One arm on its own context, spinning in its own threads.

    Attributes:
        manner: "well"; or "refuse", "mute" (answers no goal), "deaf" (ends no goal on a cancel), "abort".
        code, text: Of a goal that is aborted.
        talking: Joint states are published.
        speed_scaling: That the controller tells of itself with each joint state; None: it tells nothing.
        goals: Every trajectory message that was accepted.
        commands: Every gripper command that was accepted.
    """

    def __init__(self, description: RobotDescription, *, parallel: bool = False, namespace: str = "") -> None:
        self.description = description
        self.positions = description.home_positions.copy()
        self.fingers = description.gripper.open
        self.finger_effort: float | None = 0.0
        self.force: np.ndarray | None = np.zeros(3)  # None: the sensor is silent
        self.force_frame = "panda_link0"
        self.lag = np.zeros_like(self.positions)  # told as error in the feedback
        self.manner, self.code, self.text = "well", 0, ""
        self.talking = self.velocities = True
        self.speed_scaling: float | None = None
        self.own_finger_topic = ""
        self.stall_at: float | None = None
        self.goals: list[Any] = []
        self.commands: list[Any] = []
        self.moving = 0  # goals at work
        self.cancels: list[float] = []  # moments by the monotonic clock
        self._closed = False
        self.context = Context()
        rclpy.init(context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node(
            "paper_arm", context=self.context, namespace=namespace or None, enable_rosout=False
        )
        self._joints = self.node.create_publisher(JointState, "joint_states", 10)
        self._own_fingers = self.node.create_publisher(JointState, "hand/joint_states", 10)
        self._wrench = self.node.create_publisher(WrenchStamped, "force_torque_sensor_broadcaster/wrench", 10)
        self._state = self.node.create_publisher(JointTrajectoryControllerState, STATE, 10)
        self.tf = self.node.create_publisher(TFMessage, "/tf", 100)
        lasting = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.tf_static = self.node.create_publisher(TFMessage, "/tf_static", lasting)
        self._group = ReentrantCallbackGroup()
        self._parallel = parallel
        self._arm: Any = None
        self._hand: Any = None
        self.start_arm()
        self._start_hand()
        self._executor = MultiThreadedExecutor(num_threads=6, context=self.context)
        self._executor.add_node(self.node)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._spin, self._talk)]
        for thread in self._threads:
            thread.start()

    def now(self) -> float:
        return float(self.node.get_clock().now().nanoseconds) * 1e-9

    def fix(self, parent: str, child: str, pose: Pose) -> None:
        """Publish a fixed transform, and those before it again."""
        self._fixed = [*getattr(self, "_fixed", []), messages.to_transform_stamped(pose, parent, child, 0.0)]
        self.tf_static.publish(TFMessage(transforms=self._fixed))

    def start_arm(self) -> None:
        """Bring the arm's controller up."""
        self._arm = ActionServer(
            self.node, FollowJointTrajectory, ARM, execute_callback=self._follow, goal_callback=self._asked,
            cancel_callback=self._cancelled, callback_group=self._group,
        )  # fmt: skip

    def kill_arm(self) -> None:
        """Take the arm's controller away."""
        self.manner = "dead"
        self._arm.destroy()

    def close(self) -> None:
        self._closed = True
        self.manner = "dead"
        for thread in self._threads:
            thread.join(10.0)
        self._executor.shutdown(timeout_sec=5.0)
        self.node.destroy_node()
        self.context.try_shutdown()

    # -- inside -------------------------------------------------------------------------------------

    def _spin(self) -> None:
        while self.context.ok() and not self._closed:
            try:
                self._executor.spin_once(timeout_sec=0.05)
            except ExternalShutdownException:
                return

    def _talk(self) -> None:
        names = self.description.joint_names
        fingers = self.description.gripper.joints
        last = self.positions.copy()
        while not self._closed:
            if self.talking:
                speed = (self.positions - last) / PERIOD if self.velocities else []
                last = self.positions.copy()
                effort = (
                    []
                    if self.finger_effort is None
                    else [*[0.0] * len(names), *[self.finger_effort] * len(fingers)]
                )
                hand = [self.fingers] * len(fingers)
                if self.own_finger_topic:
                    self._joints.publish(messages.to_joint_state(names, last, speed, [], self.now()))
                    self._own_fingers.publish(messages.to_joint_state(fingers, hand, [], [], self.now()))
                else:
                    speeds = [*speed, *[0.0] * len(fingers)] if self.velocities else []
                    state = messages.to_joint_state((*names, *fingers), [*last, *hand], speeds, effort, self.now())
                    self._joints.publish(state)
            if self.speed_scaling is not None:
                self._tell_state(self.speed_scaling)
            if self.force is not None:
                self._wrench.publish(messages.to_wrench(self.force, self.now(), self.force_frame))
            time.sleep(PERIOD)

    def _tell_state(self, scaling: float) -> None:
        names = list(self.description.joint_names)
        message = JointTrajectoryControllerState(header=messages.to_header(self.now(), ""), joint_names=names)
        message.error.positions = [float(value) for value in self.lag]
        message.speed_scaling_factor = scaling
        self._state.publish(message)

    def _asked(self, message: Any) -> Any:
        while self.manner == "mute":
            time.sleep(0.01)
        return GoalResponse.REJECT if self.manner == "refuse" else GoalResponse.ACCEPT

    def _cancelled(self, handle: Any) -> Any:
        self.cancels.append(time.monotonic())
        return CancelResponse.REJECT if self.manner == "deaf" else CancelResponse.ACCEPT

    def _follow(self, handle: Any) -> Any:
        self.moving += 1
        try:
            return self._move(handle)
        finally:
            self.moving -= 1

    def _move(self, handle: Any) -> Any:
        message = handle.request.trajectory
        self.goals.append(message)
        mine = len(self.goals)
        path = messages.trajectory_of(message, self.description.joint_names)
        began = time.monotonic()
        result = FollowJointTrajectory.Result(error_code=self.code, error_string=self.text)
        while self.manner != "dead" and mine == len(self.goals):
            elapsed = time.monotonic() - began
            self.positions = sample(path, np.array([elapsed]))[0][0]
            feedback = FollowJointTrajectory.Feedback(joint_names=list(self.description.joint_names))
            feedback.error.positions = [float(v) for v in self.lag]
            handle.publish_feedback(feedback)
            if handle.is_cancel_requested:
                handle.canceled()
                return result
            if self.manner == "abort" and elapsed > 0.2:
                handle.abort()
                return result
            if elapsed >= path.duration:
                handle.succeed()
                return result
            time.sleep(PERIOD)
        handle.abort()
        return result

    def _start_hand(self) -> None:
        kind = ParallelGripperCommand if self._parallel else GripperCommand
        self._hand = ActionServer(
            self.node, kind, HAND, execute_callback=self._grip, goal_callback=self._asked,
            cancel_callback=self._cancelled, callback_group=self._group,
        )  # fmt: skip

    def _grip(self, handle: Any) -> Any:
        command = handle.request.command
        self.commands.append(command)
        goal = float(command.position[0]) if self._parallel else float(command.position)
        goal = goal if self.stall_at is None else max(goal, self.stall_at)
        for share in np.linspace(0.0, 1.0, 20):
            if handle.is_cancel_requested:
                handle.canceled()
                return self._grip_result(False, False)
            self.fingers += (goal - self.fingers) * share
            time.sleep(PERIOD)
        if self.manner == "abort":
            handle.abort()
        else:
            handle.succeed()
        return self._grip_result(self.stall_at is not None, self.stall_at is None)

    def _grip_result(self, stalled: bool, reached: bool) -> Any:
        effort = 12.0 if stalled else 0.0
        if self._parallel:
            state = messages.to_joint_state(self.description.gripper.joints[:1], [self.fingers], [], [effort])
            return ParallelGripperCommand.Result(state=state, stalled=stalled, reached_goal=reached)
        return GripperCommand.Result(position=self.fingers, effort=effort, stalled=stalled, reached_goal=reached)


class PaperCamera:
    """Publishes exposures when told to."""

    def __init__(self, arm: PaperArm, name: str, frame: str, *, width: int = 64, height: int = 48) -> None:
        self._arm, self.frame = arm, frame
        self.view = Camera(name, width, height, 60.0, 60.0, (width - 1) / 2, (height - 1) / 2, Pose(np.zeros(3)))
        create = arm.node.create_publisher
        self._color = create(Image, f"{name}/color/image_raw", qos_profile_sensor_data)
        self._depth = create(Image, f"{name}/aligned_depth_to_color/image_raw", qos_profile_sensor_data)
        self._info = create(CameraInfo, f"{name}/color/camera_info", qos_profile_sensor_data)

    def expose(
        self,
        shade: int,
        stamp: float,
        *,
        depth_late: float = 0.0,
        parts: str = "color depth info",
        info: Any = None,
    ) -> None:
        """Publish one exposure: an even picture of `shade`, at a depth of `shade` centimetres."""
        size = (self.view.height, self.view.width)
        if "color" in parts:
            self._color.publish(messages.to_image(np.full((*size, 3), shade, np.uint8), stamp, self.frame))
        if "depth" in parts:
            depth = np.full(size, shade / 100, np.float32)
            self._depth.publish(messages.to_depth(depth, stamp + depth_late, self.frame))
        if "info" in parts:
            self._info.publish(info or messages.to_camera_info(self.view, stamp, self.frame))
