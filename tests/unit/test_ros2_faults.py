"""What controllers answer, as sentences with numbers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python")
pytest.importorskip("control_msgs", reason="control_msgs is not installed")

from control_msgs.action import FollowJointTrajectory, GripperCommand

from embodied_agent.errors import MissingDependency
from embodied_agent.robots.ros2 import faults
from embodied_agent.robots.ros2.controllers import action_type
from embodied_agent.robots.ros2.goals import Ending
from embodied_agent.robots.ros2.moveit import MoveItArm

NAMES = ("shoulder", "elbow")
WAY = faults.deviation(NAMES, np.array([0.02, -0.21]), 0.15)
END = faults.deviation(NAMES, np.array([0.07, 0.01]), 0.05)


def fault(ending: Ending, code: int = 0, text: str = "") -> str:
    result = FollowJointTrajectory.Result(error_code=code, error_string=text)
    return faults.trajectory_fault(ending, result, "/arm/follow", WAY, END)


def test_our_codes_are_those_of_the_message() -> None:
    known = FollowJointTrajectory.Result
    for name in ("SUCCESSFUL", "INVALID_GOAL", "INVALID_JOINTS", "OLD_HEADER_TIMESTAMP"):
        assert getattr(faults, name) == getattr(known, name)
    assert faults.PATH_TOLERANCE_VIOLATED == known.PATH_TOLERANCE_VIOLATED
    assert faults.GOAL_TOLERANCE_VIOLATED == known.GOAL_TOLERANCE_VIOLATED


def test_success_is_no_fault() -> None:
    assert fault(Ending.SUCCEEDED) == ""


def test_a_violated_path_names_joint_distance_and_tolerance() -> None:
    assert fault(Ending.ABORTED, -4) == "'elbow' was 0.210 rad from its path; 0.150 rad are allowed"


def test_a_violated_goal_names_joint_distance_and_tolerance() -> None:
    told = fault(Ending.ABORTED, -5, "  joint 1 outside\n tolerance ")
    assert told.startswith("'shoulder' ended 0.070 rad from its goal; 0.050 rad are allowed")
    assert told.endswith("(the controller says: joint 1 outside tolerance)")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-1, "trajectory is invalid"),
        (-2, "joints of the trajectory"),
        (-3, "clocks"),
        (0, "without a code"),
        (7, "7"),
    ],
)
def test_every_code_has_a_sentence(code: int, words: str) -> None:
    assert words in fault(Ending.ABORTED, code)


@pytest.mark.parametrize(
    ("ending", "words"),
    [(Ending.REJECTED, "refused"), (Ending.CANCELED, "somebody else"), (Ending.UNKNOWN, "restarted")],
)
def test_every_ending_has_a_sentence(ending: Ending, words: str) -> None:
    assert words in fault(ending)
    assert words in faults.gripper_fault(ending, None, "/hand", 0.02)


def test_fingers_that_stall_did_what_was_asked_even_where_the_controller_aborts() -> None:
    assert faults.gripper_fault(Ending.ABORTED, GripperCommand.Result(stalled=True), "/hand", 0.02) == ""
    told = faults.gripper_fault(Ending.ABORTED, GripperCommand.Result(), "/hand", 0.0213)
    assert "neither arrived nor stalled" in told and "21.3 mm" in told


def test_feedback_is_read_in_the_order_of_our_joints() -> None:
    feedback = FollowJointTrajectory.Feedback(joint_names=["elbow", "shoulder"])
    assert faults.feedback_error(feedback, NAMES) is None
    feedback.desired.positions, feedback.actual.positions = [1.0, 2.0], [0.9, 2.3]
    told = faults.feedback_error(feedback, NAMES)
    assert told is not None
    np.testing.assert_allclose(told, [-0.3, 0.1])
    feedback.error.positions = [0.4, 0.5]
    np.testing.assert_allclose(faults.feedback_error(feedback, NAMES), [0.5, 0.4])
    assert faults.feedback_error(feedback, ("knee",)) is None


@pytest.mark.parametrize(
    ("package", "action"),
    [("absent_msgs", "ExecuteTrajectory"), ("control_msgs", "NoSuchAction")],
)
def test_a_missing_message_package_is_named_with_the_way_to_get_it(package: str, action: str) -> None:
    with pytest.raises(
        MissingDependency, match=f"{package}/action/{action}.*apt install.*{package.replace('_', '-')}"
    ):
        action_type(package, action)


@pytest.mark.parametrize(
    ("ending", "code", "words"),
    [
        (Ending.SUCCEEDED, 1, ""),
        (
            Ending.ABORTED,
            -4,
            "MoveIt gave up the trajectory: its controller did not do it; 'shoulder' is 0.070 rad",
        ),
        (Ending.ABORTED, -1234, "error code -1234"),
        (Ending.CANCELED, 1, "somebody else"),
        (Ending.REJECTED, 1, "refused"),
    ],
)
def test_moveit_answers_with_codes_of_its_own(ending: Ending, code: int, words: str) -> None:
    arm = MoveItArm.__new__(MoveItArm)  # its verdict needs no connection
    arm.name = "/execute_trajectory"
    goal = SimpleNamespace(ending=ending, result=SimpleNamespace(error_code=SimpleNamespace(val=code)))
    told = arm.fault(goal, WAY, END)  # type: ignore[arg-type]
    assert words in told and bool(told) == bool(words)
