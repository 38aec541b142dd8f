"""One action server's client, with nothing that it keeps or waits for without end.

An action is three services and a topic, and this uses them as such. rclpy's own client keeps a
future of every goal for ever in one release, and in another loses the answer that comes while the
request is being noted down; a robot arm needs to know within a deadline whether it will move.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from enum import Enum
from typing import Any

from action_msgs.msg import GoalStatus
from action_msgs.srv import CancelGoal
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.qos import QoSProfile
from unique_identifier_msgs.msg import UUID

FEEDBACK_DEPTH = 5
WAITING = 16  # answers that are waited for at most
ASK_AGAIN = 0.05  # [s] between two cancels of a goal that does not end


class Ending(str, Enum):
    """How a goal ended, or why nothing more will come of it."""

    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    ABORTED = "aborted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # the server has never heard of it, or has forgotten it


_ENDINGS = {
    GoalStatus.STATUS_SUCCEEDED: Ending.SUCCEEDED,
    GoalStatus.STATUS_CANCELED: Ending.CANCELED,
    GoalStatus.STATUS_ABORTED: Ending.ABORTED,
    GoalStatus.STATUS_UNKNOWN: Ending.UNKNOWN,
}


class Goal:
    """One goal in flight.

    Attributes:
        accepted: The server took it; it may be moving the arm.
        ending: How it ended; None while it goes on.
        result: The action's result, None unless it came.
        feedback: The newest feedback, None before the first.
        sent, answered, cancel_sent, cancelling, ended: Moments by the monotonic clock [s]; 0 before.
    """

    def __init__(self, client: GoalClient) -> None:
        self.id = uuid.uuid4().bytes
        self.accepted = False
        self.ending: Ending | None = None
        self.result: Any = None
        self.feedback: Any = None
        self.sent = self.answered = self.cancel_sent = self.cancelling = self.ended = 0.0
        self.abandoned = False  # nobody waits for it: cancelled as soon as it turns out to run
        self._client = client
        self._asked = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.ending is not None

    def cancel(self) -> None:
        """Ask the server to end it; again where it was asked and goes on. From any thread."""
        now = time.monotonic()
        if not self.over and now - self._asked >= ASK_AGAIN:
            self._asked = now
            self._client._request_cancel(self)
            self.cancel_sent = self.cancel_sent or time.monotonic()

    def ask_result(self) -> None:
        """Ask how it ends, though the server did not say that it took it."""
        self._client._request_result(self)

    def end(self, ending: Ending, result: Any = None) -> None:
        """Note how it ended; the first note stands."""
        if self.ending is None:
            self.result, self.ended = result, time.monotonic()
            self.ending = ending


class GoalClient:
    """Sends goals to one action server.

    Args:
        node: ROS node, spun by somebody.
        action: Action type, e.g. control_msgs.action.FollowJointTrajectory.
        name: Of the action.
        changed: Called from the node's threads when a goal was answered, or ended.
    """

    def __init__(self, node: Any, action: Any, name: str, changed: Callable[[], None]) -> None:
        self._node, self._changed = node, changed
        self.name = name
        self.type = action
        group = MutuallyExclusiveCallbackGroup()
        kinds, parts = action.Impl, f"{name}/_action"
        self._send = node.create_client(kinds.SendGoalService, f"{parts}/send_goal", callback_group=group)
        self._cancel = node.create_client(CancelGoal, f"{parts}/cancel_goal", callback_group=group)
        self._result = node.create_client(kinds.GetResultService, f"{parts}/get_result", callback_group=group)
        self._feedback = node.create_subscription(
            kinds.FeedbackMessage, f"{parts}/feedback", self._heard, QoSProfile(depth=FEEDBACK_DEPTH),
            callback_group=group,
        )  # fmt: skip
        self._goal: Goal | None = None  # the only one whose feedback counts
        self._waiting: dict[int, tuple[Any, Any]] = {}  # answers that are still to come: (client, future)

    @property
    def ready(self) -> bool:
        """Whether the server's three services are there."""
        return all(client.service_is_ready() for client in (self._send, self._cancel, self._result))

    @property
    def goal(self) -> Goal | None:
        """The goal that was sent last."""
        return self._goal

    def send(self, message: Any) -> Goal:
        """Send a goal; it replaces the one before on most controllers."""
        self._forget(keep=WAITING)
        goal = Goal(self)
        self._goal = goal
        request = self.type.Impl.SendGoalService.Request()
        request.goal_id = UUID(uuid=list(goal.id))
        request.goal = message
        goal.sent = time.monotonic()
        self._call(self._send, request, lambda answer: self._answered(goal, answer))
        return goal

    def _call(self, client: Any, request: Any, answered: Callable[[Any], None]) -> None:
        future = client.call_async(request)
        self._waiting[id(future)] = (client, future)

        def done(future: Any) -> None:
            self._waiting.pop(id(future), None)
            if not future.cancelled() and future.exception() is None:
                answered(future.result())
            self._changed()

        future.add_done_callback(done)

    def _forget(self, keep: int) -> None:
        """Drop the oldest answers that never came: their server died."""
        waiting = list(self._waiting.items())
        for key, (client, future) in waiting[: max(0, len(waiting) - keep)]:
            client.remove_pending_request(future)
            self._waiting.pop(key, None)

    def _answered(self, goal: Goal, answer: Any) -> None:
        goal.answered = time.monotonic()
        if not answer.accepted:
            goal.end(Ending.REJECTED)
            return
        goal.accepted = True
        if goal.abandoned:
            self._request_cancel(goal)  # a late yes to a goal that nobody waits for
        self._request_result(goal)

    def _heard(self, message: Any) -> None:
        goal = self._goal
        if goal is not None and bytes(message.goal_id.uuid) == goal.id:
            goal.feedback = message.feedback
            goal.accepted = True

    def _request_result(self, goal: Goal) -> None:
        request = self.type.Impl.GetResultService.Request()
        request.goal_id = UUID(uuid=list(goal.id))
        self._call(self._result, request, lambda answer: self._ended(goal, answer))

    def _ended(self, goal: Goal, answer: Any) -> None:
        ending = _ENDINGS.get(answer.status)
        if ending is Ending.UNKNOWN and not goal.accepted:
            return  # asked before the server had made up its mind
        if ending is not None:
            goal.end(ending, answer.result)

    def _request_cancel(self, goal: Goal) -> None:
        request = CancelGoal.Request()
        request.goal_info.goal_id = UUID(uuid=list(goal.id))
        self._call(self._cancel, request, lambda answer: self._cancelled(goal, answer))

    def _cancelled(self, goal: Goal, answer: Any) -> None:
        if any(bytes(info.goal_id.uuid) == goal.id for info in answer.goals_canceling):
            goal.cancelling = goal.cancelling or time.monotonic()
        if answer.return_code in (
            CancelGoal.Response.ERROR_UNKNOWN_GOAL_ID,
            CancelGoal.Response.ERROR_GOAL_TERMINATED,
        ):
            # It is not running. Its result tells how it ended, unless it was never taken.
            if goal.accepted:
                self._request_result(goal)
            elif goal.abandoned:
                goal.end(Ending.UNKNOWN)
