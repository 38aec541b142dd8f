"""What controllers answer, as sentences with numbers: which joint, how far, what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embodied_agent.robots.ros2.goals import Ending
from embodied_agent.types import Array

# control_msgs/FollowJointTrajectory result codes; the numbers are its contract.
SUCCESSFUL, INVALID_GOAL, INVALID_JOINTS, OLD_HEADER_TIMESTAMP = 0, -1, -2, -3
PATH_TOLERANCE_VIOLATED, GOAL_TOLERANCE_VIOLATED = -4, -5
_CODES = {
    INVALID_GOAL: "the trajectory is invalid",
    INVALID_JOINTS: "the joints of the trajectory are not the controller's",
    OLD_HEADER_TIMESTAMP: "the trajectory begins in the past: the clocks of the two machines differ",
}


@dataclass(frozen=True)
class Deviation:
    """The joint that is farthest from what it should do.

    Attributes:
        joint: Name.
        error: [rad], positive.
        allowed: Tolerance of that goal [rad].
    """

    joint: str
    error: float
    allowed: float

    def __str__(self) -> str:
        return f"'{self.joint}' {{verb}} {self.error:.3f} rad from its {{end}}; {self.allowed:.3f} rad are allowed"


def deviation(names: Sequence[str], error: Array, allowed: float) -> Deviation:
    """The worst of the joint errors [rad], (n,)."""
    worst = int(np.argmax(np.abs(error)))
    return Deviation(names[worst], float(abs(error[worst])), allowed)


def feedback_error(feedback: Any, names: Sequence[str]) -> Array | None:
    """Joint errors (n,) that a FollowJointTrajectory feedback tells; None where it tells none of them."""
    if feedback is None or not set(names) <= set(feedback.joint_names):
        return None
    told = feedback.error.positions
    if len(told) != len(feedback.joint_names):
        wanted, actual = feedback.desired.positions, feedback.actual.positions
        if not len(wanted) == len(actual) == len(feedback.joint_names):
            return None
        told = np.subtract(wanted, actual)
    order = [list(feedback.joint_names).index(name) for name in names]
    error = np.asarray(told, dtype=np.float64)[order]
    return error if np.isfinite(error).all() else None


def trajectory_fault(
    ending: Ending, result: Any, controller: str, on_the_way: Deviation, at_the_end: Deviation
) -> str:
    """Why a trajectory did not end well; "" if it did.

    Args:
        ending: Of the goal.
        result: FollowJointTrajectory result, or None.
        controller: Name of the action.
        on_the_way: Worst error from the path as it was last told or measured.
        at_the_end: Error from the last point as measured.
    """
    code = SUCCESSFUL if result is None else int(result.error_code)
    text = "" if result is None else " ".join(str(result.error_string).split())[:300]
    said = f" (the controller says: {text})" if text else ""
    if ending is Ending.SUCCEEDED and code == SUCCESSFUL:
        return ""
    if ending is Ending.REJECTED:
        return (
            f"the controller {controller} refused the goal: it is not active, or finds the trajectory invalid; "
            "its log says why"
        )
    if ending is Ending.CANCELED:
        return f"the motion was cancelled by somebody else{said}"
    if ending is Ending.UNKNOWN:
        return f"the controller {controller} has forgotten the goal: it was restarted"
    if code == PATH_TOLERANCE_VIOLATED:
        sentence = str(on_the_way).format(verb="was", end="path")
    elif code == GOAL_TOLERANCE_VIOLATED:
        sentence = str(at_the_end).format(verb="ended", end="goal")
    elif code in _CODES:
        sentence = f"{_CODES[code]}, says {controller}"
    elif code == SUCCESSFUL:
        where = str(at_the_end).format(verb="is", end="goal")
        sentence = f"the controller {controller} dropped the goal without a code; {where}"
    else:
        sentence = f"the controller {controller} ended the motion with the unknown code {code}"
    return f"{sentence}{said}"


def gripper_fault(ending: Ending, result: Any, controller: str, width: float) -> str:
    """Why the fingers did not do it; "" if they arrived or press on something.

    Args:
        ending: Of the goal.
        result: GripperCommand or ParallelGripperCommand result, or None.
        controller: Name of the action.
        width: Between the pads as measured [m].
    """
    if ending is Ending.SUCCEEDED or (result is not None and (result.stalled or result.reached_goal)):
        return ""  # some controllers abort where the fingers stall: on a thing, that is what was wanted
    where = f"the fingers are {width * 1000:.1f} mm apart"
    if ending is Ending.REJECTED:
        return f"the gripper's controller {controller} refused the goal: it is not active; {where}"
    if ending is Ending.CANCELED:
        return f"the gripper's motion was cancelled by somebody else; {where}"
    if ending is Ending.UNKNOWN:
        return f"the gripper's controller {controller} has forgotten the goal: it was restarted; {where}"
    return f"the gripper's controller {controller} gave up: neither arrived nor stalled; {where}"
