"""The back end `ros2` with MoveIt before the arm's controller, and with Nav2 under the arm, over real ROS 2."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
pytest.importorskip("moveit_msgs", reason="needs moveit_msgs, which CI builds")
pytest.importorskip("nav2_msgs", reason="needs nav2_msgs, which CI builds")

from moveit_msgs.action import ExecuteTrajectory
from nav2_msgs.action import NavigateToPose
from paper_arm import PERIOD, PaperArm, nudge, until
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from embodied_agent.control.safety import Supervisor
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.ros2 import messages
from embodied_agent.robots.ros2.backend import Ros2Backend
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.trajectories import sample
from embodied_agent.types import JointTrajectory, Pose, RobotState

DOMAIN = 13
pytestmark = pytest.mark.usefixtures("ros")
PANDA = load_robot("panda")
CALM = replace(PANDA, safety=replace(PANDA.safety, stale_after=20.0))
INTERFACE = Ros2Interface(
    cameras=("overhead",), accept_timeout=10.0, server_timeout=20.0, cancel_timeout=10.0, state_timeout=20.0
)
MOVEIT = replace(INTERFACE, trajectory_action="execute_trajectory", trajectory_action_type="ExecuteTrajectory")
NAV2 = replace(INTERFACE, navigate_action="navigate_to_pose", places="kitchen 1.0 0.5 1.57; dock 0 0 0")


class MoveGroup:
    """MoveIt's action before a paper arm: it executes, fails with a code, and heeds its topic for "stop"."""

    def __init__(self, arm: PaperArm) -> None:
        self.arm, self.code, self.text, self.stopped, self.deaf = arm, 1, "", False, False
        group = ReentrantCallbackGroup()
        self._server = ActionServer(
            arm.node, ExecuteTrajectory, "execute_trajectory", execute_callback=self._execute,
            cancel_callback=self._cancelled, callback_group=group,
        )  # fmt: skip
        arm.node.create_subscription(String, "trajectory_execution_event", self._told, 1, callback_group=group)

    def _told(self, message: Any) -> None:
        self.stopped = message.data == "stop"

    def _cancelled(self, handle: Any) -> Any:
        return CancelResponse.REJECT if self.deaf else CancelResponse.ACCEPT

    def _execute(self, handle: Any) -> Any:
        self.stopped, result = False, ExecuteTrajectory.Result()
        path = messages.trajectory_of(handle.request.trajectory.joint_trajectory, CALM.joint_names)
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < path.duration:
            self.arm.positions = sample(path, np.array([elapsed]))[0][0]
            if handle.is_cancel_requested:
                handle.canceled()
                return result
            if self.stopped or (self.code == -4 and elapsed > 0.2):
                result.error_code.val, result.error_code.message = self.code, self.text
                handle.abort()
                return result
            time.sleep(PERIOD)
        self.arm.positions = path.positions[-1].copy()
        result.error_code.val = 1
        handle.succeed()
        return result


class Base:
    """Nav2's action and the transforms of a base that drives straight and slowly, or not as it says."""

    def __init__(self, arm: PaperArm) -> None:
        self.arm, self.x, self.manner = arm, 0.0, "well"
        self.goals: list[Any] = []
        self._server = ActionServer(
            arm.node, NavigateToPose, "navigate_to_pose", execute_callback=self._drive,
            cancel_callback=lambda handle: CancelResponse.ACCEPT, callback_group=ReentrantCallbackGroup(),
        )  # fmt: skip
        arm.node.create_timer(0.05, self._tell, callback_group=ReentrantCallbackGroup())
        self.pose = Pose(np.zeros(3))

    def _tell(self) -> None:
        stamped = messages.to_transform_stamped(self.pose, "map", "world", self.arm.now())
        self.arm.tf.publish(TFMessage(transforms=[stamped]))

    def _drive(self, handle: Any) -> Any:
        self.goals.append(handle.request.pose)
        goal = messages.pose_of(handle.request.pose.pose)
        result = NavigateToPose.Result()
        for share in np.linspace(0.0, 1.0, 40):
            handle.publish_feedback(NavigateToPose.Feedback(distance_remaining=float(1.0 - share)))
            if handle.is_cancel_requested:
                handle.canceled()
                return result
            if self.manner == "blocked" and share > 0.5:
                result.error_code, result.error_msg = 103, "the way is blocked"
                handle.abort()
                return result
            if self.manner != "boasts":
                self.pose = Pose(share * goal.position, goal.quaternion)
            time.sleep(0.02)
        handle.succeed()
        return result


class Robot:
    """A paper arm with its stack, and the back end that commands it."""

    count = 0

    def __init__(self, interface: Ros2Interface, stack: Callable[[PaperArm], Any]) -> None:
        Robot.count += 1
        namespace = f"/robot{Robot.count}"
        self.arm = PaperArm(CALM, namespace=namespace)
        self.stack = stack(self.arm)
        self.arm.fix("world", "panda_link0", Pose(np.zeros(3)))
        self.backend = Ros2Backend(CALM, interface=interface, namespace=namespace, wait=0.0)
        until(lambda: not any("joint_states" in p or "action server" in p for p in self.backend.problems()))

    def path(self, seconds: float = 0.4, size: float = 0.02) -> JointTrajectory:
        return nudge(self.backend, seconds, size)

    def close(self) -> None:
        self.backend.close()
        self.arm.close()


@pytest.fixture(scope="module")
def with_moveit(ros: None) -> Iterator[Robot]:
    robot = Robot(MOVEIT, MoveGroup)
    yield robot
    robot.close()


@pytest.fixture(scope="module")
def on_base(ros: None) -> Iterator[Robot]:
    robot = Robot(NAV2, Base)
    yield robot
    robot.close()


def test_moveit_executes_the_path_that_was_planned_here(with_moveit: Robot) -> None:
    with_moveit.stack.code, with_moveit.stack.deaf = 1, False
    path = with_moveit.path()
    motion = with_moveit.backend.follow(path)
    assert motion.completed, motion.reason
    np.testing.assert_allclose(motion.state.positions, path.positions[-1], atol=2e-3)


def test_what_moveit_says_of_a_failure_comes_back_with_numbers(with_moveit: Robot) -> None:
    with_moveit.stack.code, with_moveit.stack.text = -4, "the controller is not running"
    motion = with_moveit.backend.follow(with_moveit.path(seconds=1.0, size=0.2))
    with_moveit.stack.code, with_moveit.stack.text = 1, ""
    assert not motion.completed
    assert "MoveIt gave up the trajectory: its controller did not do it" in motion.reason
    assert "rad from its goal" in motion.reason and "the controller is not running" in motion.reason


def test_a_watch_cancels_what_moveit_executes(with_moveit: Robot) -> None:
    began = with_moveit.backend.now()

    def watch(state: RobotState) -> str:
        return "enough" if state.stamp > began + 0.4 else ""

    motion = with_moveit.backend.follow(with_moveit.path(seconds=3.0, size=0.3), watch)
    assert motion.reason == "enough" and motion.duration < 2.5


def test_a_cancel_that_moveit_does_not_heed_is_followed_by_its_stop_event(with_moveit: Robot) -> None:
    with_moveit.stack.deaf, with_moveit.stack.code = True, -7
    quick = replace(MOVEIT, cancel_timeout=0.3)
    with_moveit.backend._halter._interface = quick
    began = with_moveit.backend.now()
    motion = with_moveit.backend.follow(
        with_moveit.path(seconds=6.0, size=0.3), lambda state: "enough" if state.stamp > began + 0.1 else ""
    )
    with_moveit.backend._halter._interface = MOVEIT
    assert "enough" in motion.reason and "a hold was sent" in motion.reason
    until(lambda: with_moveit.stack.stopped)
    with_moveit.stack.deaf, with_moveit.stack.code = False, 1


def test_a_base_drives_to_a_place_and_transforms_confirm_it(on_base: Robot) -> None:
    on_base.stack.manner = "well"
    assert on_base.backend.places == ("kitchen", "dock")
    motion = on_base.backend.drive("kitchen")
    assert motion.completed, motion.reason
    sent = on_base.stack.goals[-1]
    assert sent.header.frame_id == "map" and sent.pose.position.x == 1.0 and sent.pose.position.y == 0.5
    now = on_base.backend.transforms.lookup("map", "panda_link0")
    np.testing.assert_allclose(now.position[:2], [1.0, 0.5], atol=0.06)


def test_a_base_that_only_says_that_it_arrived_is_not_believed(on_base: Robot) -> None:
    on_base.stack.manner = "well"
    on_base.backend.drive("dock")
    on_base.stack.manner = "boasts"
    motion = on_base.backend.drive("kitchen")
    assert not motion.completed
    assert "says that the base arrived; it stands 1.1" in motion.reason and "rad from the place" in motion.reason


def test_what_nav2_says_of_a_failure_comes_back(on_base: Robot) -> None:
    on_base.stack.manner = "blocked"
    motion = on_base.backend.drive("kitchen")
    assert "aborted the drive, 0.4" in motion.reason and "(code 103: the way is blocked)" in motion.reason


@pytest.mark.parametrize("how", ["watch", "stop"])
def test_a_drive_ends_when_it_is_stopped(on_base: Robot, how: str) -> None:
    on_base.stack.manner = "well"
    began = on_base.backend.now()

    def watch(state: RobotState) -> str:
        if state.stamp < began + 0.2:
            return ""
        if how == "stop":
            on_base.backend.stop()
        return "enough" if how == "watch" else ""

    motion = on_base.backend.drive("dock", watch)
    assert not motion.completed and motion.duration < 0.75, motion
    assert motion.reason.startswith("enough" if how == "watch" else "stopped by request")


def test_the_supervisor_lets_a_folded_arm_drive(on_base: Robot) -> None:
    on_base.stack.manner = "well"
    motion = Supervisor(on_base.backend).drive("dock")
    assert motion.completed, motion.reason
