"""The action server: one goal at a time, refusals with a reason, cancel, and what is published of a goal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from unique_identifier_msgs.msg import UUID
from visualization_msgs.msg import MarkerArray

from embodied_agent import consent as consents
from embodied_agent.ros.consent import Consent
from embodied_agent.ros.markers import MarkerBoard
from embodied_agent.ros.requests import OUTCOMES, Goal, Result
from embodied_agent.ros.task_run import Outfit, TaskRun
from embodied_agent.ros.tree import GoalTree
from embodied_agent_interfaces.action import ExecuteTask
from embodied_agent_interfaces.msg import ProgramTree

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
WATCH = 0.05  # [s] between two looks at what is to be published and ended
TREE_PERIOD, MARKER_PERIOD = 0.1, 0.2  # [s] at least between two messages
TROUBLE = (Result.FAILED, Result.STOPPED, Result.NO_PROGRAM, Result.ROBOT_FAULT)
UNSTARTED = 5.0  # [s] after which an accepted goal that never began gives its place free
KEPT = 30  # [s] that a result is kept for a client that asks late


@dataclass(frozen=True)
class Told:
    """The last of something, for the diagnostics.

    Attributes:
        sentence: What happened.
        at: time.monotonic() of it.
    """

    sentence: str = ""
    at: float = 0.0


class Tasks:
    """Takes goals while it has an outfit.

    Args:
        node: The ROS node.
        world_frame: Frame of tree and markers, asked when they are sent.
    """

    def __init__(self, node: Any, world_frame: Callable[[], str]) -> None:
        self._node, self._world_frame = node, world_frame
        self.outfit: Outfit | None = None
        self.why_closed = "the node is unconfigured"
        self.consent = Consent()
        self.refused, self.ended, self.slow_stop, self.trouble = Told(), Told(), Told(), Told()
        self.stop_took: float | None = None
        self.goals = 0
        self._slot = threading.Lock()
        self._pending: float | None = None  # time.monotonic() of an accepted goal that has not begun
        self._state = threading.Lock()
        self.run: TaskRun | None = None
        self._tree: GoalTree | None = None
        self._board = MarkerBoard(world_frame())
        self._sent_tree = self._sent_markers = 0.0
        self._dirty = False
        self._sending = threading.Lock()
        self._trees = node.create_publisher(ProgramTree, "~/tree", LATCHED)
        self._markers = node.create_publisher(MarkerArray, "~/markers", LATCHED)
        self._server = ActionServer(
            node, ExecuteTask, "~/execute_task", self._execute,
            callback_group=ReentrantCallbackGroup(), goal_callback=self._judge, cancel_callback=self._cancel,
            result_timeout=KEPT,
        )  # fmt: skip
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # a simulated clock stops with its driver
        group = MutuallyExclusiveCallbackGroup()
        self._timer = node.create_timer(WATCH, self._watch, callback_group=group, clock=steady)

    # -- opened and closed by the lifecycle -------------------------------------------------

    def open(self, outfit: Outfit) -> None:
        """Accept goals from now."""
        self._board = MarkerBoard(self._world_frame())
        self.outfit, self.why_closed = outfit, ""

    def close(self, why: str, patience: float) -> bool:
        """Refuse goals from now, end the one that runs, and wait for its end; whether it ended.

        Args:
            why: For whoever sends a goal now.
            patience: Longest wait [s].
        """
        self.why_closed = why
        self.cancel(why)
        idle = self.wait_idle(patience)
        if idle:
            self.outfit = None
        return idle

    def cancel(self, why: str) -> None:
        """End the goal that runs, if one does."""
        run = self.run
        if run is not None:
            run.cancel(why)
        elif self.busy and self.outfit is not None:  # a plan request, or a goal that begins right now
            self.outfit.agent.cancel.set()
            self.outfit.minds.call_off()

    def wait_idle(self, patience: float) -> bool:
        """Wait until nothing runs."""
        if self._slot.acquire(timeout=max(0.0, patience)):
            self._slot.release()
            return True
        return False

    @property
    def busy(self) -> bool:
        """A goal or a plan request has the arm and the model."""
        return self._slot.locked()

    def destroy(self) -> None:
        """Take the action from the network."""
        self._timer.cancel()
        self._server.destroy()

    # -- one at a time ----------------------------------------------------------------------

    def claim(self, motion: bool) -> str:
        """Take the one place; "" or why it cannot be taken.

        Args:
            motion: Something is to move.
        """
        outfit = self.outfit
        if outfit is None or self.why_closed:
            return self.why_closed or "the node is not active"
        if motion and (held := outfit.agent.supervisor.latched):
            return f"the arm is held since: {held}; call ~/reset after looking at the robot"
        if not self._slot.acquire(blocking=False):
            run = self.run
            return "another goal runs: " + (repr(run.tree.instruction[:80]) if run is not None else "it begins")
        if self.why_closed:  # it was closed meanwhile
            self._slot.release()
            return self.why_closed
        outfit.agent.cancel.clear()
        outfit.minds.ready()
        outfit.agent.supervisor.audit.clear()  # it is in the file; memory must not grow with goals
        return ""

    def release(self) -> None:
        """Give the place free."""
        with self._state:
            self.run = None
        self._slot.release()

    # -- callbacks of the action ------------------------------------------------------------

    def _judge(self, goal: Any) -> Any:
        reason = ""
        outfit = self.outfit
        demanded = consents.NONE if outfit is None else outfit.settings.consent
        if goal.mode == Goal.RUN and demanded != consents.NONE:
            reason = f"mode RUN is refused: this node demands consent (parameter consent: {demanded}); "
            reason += "send mode CONFIRM"
        reason = reason or self.claim(motion=goal.mode != Goal.PLAN_ONLY)
        if not reason:
            self._pending = time.monotonic()
            return GoalResponse.ACCEPT
        self.refuse(f"goal {goal.instruction[:80]!r} refused: {reason}")
        return GoalResponse.REJECT

    def refuse(self, sentence: str) -> None:
        """Say why something is not done: in the log, in the audit, and on /diagnostics."""
        self.refused = Told(sentence, time.monotonic())
        self._node.get_logger().warning(sentence)
        if self.outfit is not None:
            self.outfit.audit.note("goal", decision="refused", reason=sentence)

    def _cancel(self, handle: Any) -> Any:
        run = self.run
        if run is not None:
            run.cancel("the client cancelled the goal")
        elif self.outfit is not None:  # it was accepted and begins right now
            self.outfit.agent.cancel.set()
        return CancelResponse.ACCEPT

    def _execute(self, handle: Any) -> Any:
        with self._state:
            begins, self._pending = self._pending is not None, None
        outfit = self.outfit
        if not begins:
            return self._never(handle, f"it did not begin within {UNSTARTED:g} s")
        try:
            if outfit is None:
                return self._never(handle, self.why_closed)
            return self._carry_out(outfit, handle)
        finally:
            self.release()

    def _never(self, handle: Any, reason: str) -> Any:
        result = Result(outcome=Result.CANCELLED, reason=reason)
        self._conclude(handle, result)
        return result

    def _carry_out(self, outfit: Outfit, handle: Any) -> Any:
        goal_id = UUID(uuid=handle.goal_id.uuid)
        tree = GoalTree(goal_id, handle.request.instruction[:4000])

        def tell(feedback: Any) -> None:
            self._dirty = True
            try:
                if handle.is_active:
                    handle.publish_feedback(feedback)
                self._publish()
            except Exception as error:  # a message that cannot be sent is no reason to end a motion
                self._node.get_logger().warning(f"not told: {error}", throttle_duration_sec=5.0)

        run = TaskRun(outfit, handle.request, tree, self._board, self.consent, tell, self._stamp)
        with self._state:
            self.run, self._tree = run, tree
        self.goals += 1
        self._board.clear()
        outfit.audit.note(
            "goal", decision="accepted", instruction=tree.instruction, mode=int(handle.request.mode),
            consent=outfit.settings.consent, speed_scale=outfit.speed_scale(),
        )  # fmt: skip
        if outfit.agent.cancel.is_set():  # the cancel came before there was a run to tell
            run.cancel("the client cancelled the goal" if handle.is_cancel_requested else "the goal was ended")
        result = run.carry_out()
        self._note_end(outfit, run, result)
        self._conclude(handle, result)
        self._dirty = True
        self._publish(final=True)
        return result

    def _conclude(self, handle: Any, result: Any) -> None:
        """The state that plain action clients see: succeeded means that all was done."""
        try:
            if handle.is_cancel_requested and result.outcome in (Result.CANCELLED, Result.STOPPED):
                handle.canceled()
            elif result.outcome in (Result.DONE, Result.PLANNED):
                handle.succeed()
            else:
                handle.abort()
        except Exception as error:  # the context is gone: nobody can be told
            self._node.get_logger().warning(f"the goal's end could not be told: {error}")

    def _note_end(self, outfit: Outfit, run: TaskRun, result: Any) -> None:
        outcome = OUTCOMES[result.outcome]
        sentence = f"{run.tree.instruction[:80]!r}: {outcome}" + (f": {result.reason}" if result.reason else "")
        self.ended = Told(sentence, time.monotonic())
        self.trouble = self.ended if result.outcome in TROUBLE else Told()
        outfit.audit.note("goal", decision=outcome, reason=result.reason, failing_node=result.failing_node)
        self._node.get_logger().info(sentence)
        if run.stop_took is not None:
            self.stop_took = run.stop_took
            if run.stop_took > outfit.settings.stop_within:
                allowed = outfit.settings.stop_within * 1000
                slow = (
                    f"the arm stood {run.stop_took * 1000:.0f} ms after the request; {allowed:.0f} ms are allowed"
                )
                self.slow_stop = Told(slow, time.monotonic())
                self._node.get_logger().warning(slow)

    # -- what is published --------------------------------------------------------------------

    def _watch(self) -> None:
        run = self.run
        if run is not None:
            run.urge()
        with self._state:  # the client went away before its goal could begin
            lost = self._pending is not None and time.monotonic() - self._pending > UNSTARTED
            self._pending = None if lost else self._pending
        if lost:
            self.release()
        self._publish()

    def _publish(self, final: bool = False) -> None:
        with self._sending:
            now, tree = time.monotonic(), self._tree
            if tree is not None and self._dirty and (final or now - self._sent_tree > TREE_PERIOD):
                self._dirty, self._sent_tree = False, now
                self._trees.publish(tree.message(self._stamp(), self._world_frame()))
            if self._board.changed and (final or now - self._sent_markers > MARKER_PERIOD):
                self._sent_markers = now
                self._markers.publish(self._board.message(self._stamp()))

    def _stamp(self) -> Any:
        return self._node.get_clock().now().to_msg()
