"""One goal from its first look to its result: listeners to messages, errors to outcomes, and how it is ended."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embodied_agent import consent as consents
from embodied_agent.account import Account
from embodied_agent.agent import Agent, Listeners
from embodied_agent.consent import Question
from embodied_agent.errors import CommandRefused, RobotError
from embodied_agent.planners.planner import Plan
from embodied_agent.program.events import Event
from embodied_agent.program.nodes import Program
from embodied_agent.program.render import render
from embodied_agent.ros.audit import AuditLog
from embodied_agent.ros.consent import Consent
from embodied_agent.ros.markers import MarkerBoard
from embodied_agent.ros.minds import Minds
from embodied_agent.ros.parameters import Settings
from embodied_agent.ros.requests import (
    MODES,
    OUTCOME_OF_VERDICT,
    OUTCOMES,
    Goal,
    Result,
    check_inside,
    command_of,
    outcome_of,
    sentence_of,
    time_limit_of,
)
from embodied_agent.ros.tree import GoalTree, deepest_failure, key_values
from embodied_agent.types import Command, JointTrajectory
from embodied_agent_interfaces.action import ExecuteTask
from embodied_agent_interfaces.msg import ProgramNode

Feedback = ExecuteTask.Feedback
PLANNING, WAITING, RUNNING = "planning", "waiting_for_consent", "running"
ASKS = "waits for consent on ~/confirm"
RESTING = 0.01  # [rad/s] of the fastest joint of an arm that stands
LONGEST_STOP = 3.0  # [s] that a stop is watched
POLL = 0.004  # [s]


@dataclass(frozen=True)
class Outfit:
    """What a configured node works with."""

    settings: Settings
    minds: Minds
    agent: Agent
    audit: AuditLog
    camera_size: Callable[[], tuple[int, int]]
    stop_times: Callable[[float], Mapping[str, float]]
    speed_scale: Callable[[], float]


@dataclass(frozen=True)
class Ended:
    """How one goal ended; the fields of the action's result."""

    outcome: int
    reason: str = ""
    program: str = ""
    timings: Mapping[str, float | None] | None = None


class TaskRun:
    """One goal.

    Args:
        outfit: Agent, minds, settings.
        goal: embodied_agent_interfaces/ExecuteTask goal.
        tree: Grows with it.
        board: Gets what is perceived and planned.
        consent: Where a person answers.
        tell: Takes each feedback message.
        stamp: Gives ROS time as a message.
    """

    def __init__(
        self,
        outfit: Outfit,
        goal: Any,
        tree: GoalTree,
        board: MarkerBoard,
        consent: Consent,
        tell: Callable[[Any], None],
        stamp: Callable[[], Any],
    ) -> None:
        self.outfit, self.goal, self.tree, self.board, self.consent = outfit, goal, tree, board, consent
        self._tell, self._stamp = tell, stamp
        self.began = time.monotonic()
        self.limit = outfit.settings.time_limit
        self.deadline = self.began + self.limit
        self.phase = PLANNING
        self._said = ""  # what came of asking for consent
        self._about = ""  # and what it was asked for
        self.halted = ""  # why the supervisor holds the arm, where ~/stop ended this goal
        self.cancelled = ""  # who ended it otherwise
        self.stop_took: float | None = None
        self._stop_asked: float | None = None  # time.monotonic()
        self._rest_watch: threading.Thread | None = None
        self._requested = threading.Lock()

    # -- ended from outside ---------------------------------------------------------------

    def cancel(self, reason: str) -> None:
        """End it and hold the arm; from any thread, returns at once."""
        self.cancelled = self.cancelled or reason
        self._end("")

    def halt(self, reason: str) -> None:
        """End it, hold the arm, and latch."""
        self.halted = self.halted or reason
        self._end(reason)

    def _end(self, latch: str) -> None:
        requested, agent = time.monotonic(), self.outfit.agent
        agent.cancel.set()
        if self._stop_asked is None:
            self._stop_asked = requested
        since = agent.backend.now()
        try:
            agent.supervisor.stop(latch)
        except RobotError as error:  # nothing can be sent: the driver's own watchdog must hold the arm
            self.outfit.audit.note("stop", decision="failed", reason=str(error))
        self.outfit.minds.call_off()
        with self._requested:
            if self._rest_watch is None:
                watch = threading.Thread(
                    target=self._watch_rest, args=(requested, since), name="rest watch", daemon=True
                )
                watch.start()
                self._rest_watch = watch

    def _watch_rest(self, requested: float, since: float) -> None:
        """Measure how long the arm takes to stand after a request, by the stamps of its own joint states."""
        while time.monotonic() - requested < LONGEST_STOP:
            try:
                state = self.outfit.agent.backend.state()
            except RobotError:
                return
            if state.stamp >= since and float(np.abs(state.velocities).max()) < RESTING:
                self.stop_took = state.stamp - since
                return
            time.sleep(POLL)

    def urge(self) -> None:
        """Called often while it runs: ends requests that outlive the goal's end or its time."""
        if self.ending:
            self.outfit.minds.call_off()

    @property
    def ending(self) -> bool:
        """Somebody ended it, or its time is over."""
        return self.outfit.agent.cancel.is_set() or time.monotonic() > self.deadline

    # -- the run --------------------------------------------------------------------------

    def carry_out(self) -> Any:
        """Do what the goal says; returns the action's result, whatever happens."""
        try:
            ended = self._attempt()
        except Exception as error:  # a goal must end with a result, and the arm must stand
            ended = self._broken(error)
        if ended.outcome not in (Result.DONE, Result.PLANNED):
            self._stand()
        with self._requested:
            watch = self._rest_watch
        if watch is not None:
            watch.join(LONGEST_STOP + 1.0)
        self.board.rests()
        return self._result(ended)

    def _attempt(self) -> Ended:
        command = command_of(self.goal.instruction, self.goal.points)
        if self.goal.mode not in MODES:
            known = ", ".join(f"{number} ({name})" for number, name in MODES.items())
            raise CommandRefused(f"mode {self.goal.mode} is unknown; known: {known}")
        self.limit = time_limit_of(self.goal.time_limit, self.outfit.settings.time_limit)
        self.deadline = self.began + self.limit
        agent = self.outfit.agent
        agent.supervisor.slow_down(self.outfit.speed_scale())
        agent.budgets = replace(agent.budgets, seconds=max(0.0, self.deadline - time.monotonic()))
        if command.points:
            check_inside(command, *self.outfit.camera_size())
        self._tell(Feedback(phase=PLANNING))
        if self.goal.mode == Goal.PLAN_ONLY:
            return self._plan_only(command)
        return self._ended(agent.run(command, listeners=self._listeners()))

    def _plan_only(self, command: Command) -> Ended:
        began = time.monotonic()
        program, plan = self.outfit.agent.plan(command)
        self.tree.begin(render(program))
        timings = {"total_s": time.monotonic() - began, **plan.timings}
        return Ended(Result.PLANNED, "", self.tree.program, timings)

    def _listeners(self) -> Listeners:
        return Listeners(
            planned=self._planned,
            event=self._event,
            perceived=self.board.perceived,
            following=self._following,
            consent=self._asked,
            consent_for=self._consent_for(),
        )

    def _consent_for(self) -> str:
        """What a person must agree to: what the node demands, and at least the program where the goal asks."""
        if self.goal.mode != Goal.CONFIRM:
            return consents.NONE
        demanded = self.outfit.settings.consent
        return consents.TASK if demanded == consents.NONE else demanded

    def _planned(self, program: Program, plan: Plan) -> None:
        self.phase = RUNNING
        self.tree.begin(render(program))
        self.outfit.audit.note("program", program=self.tree.program, grounding=list(plan.grounding))

    def _event(self, event: Event) -> None:
        node = self.tree.tell(event, self._stamp())
        if event.kind != "started" and event.level in ("task", "primitive"):
            self.board.rests()
        self._tell(
            Feedback(
                phase=self.phase, path=node.path, label=node.label, status=node.status, reason=node.reason,
                evidence=node.evidence,
            )
        )  # fmt: skip

    def _following(self, trajectory: JointTrajectory) -> None:
        self.board.follows(self.outfit.agent.arm.kinematics.tool_points(trajectory.positions))

    def _asked(self, question: Question) -> str:
        """A person's answer; the goal's time stands still meanwhile."""
        unit, timeout = question.unit, self.outfit.settings.consent_timeout
        path, self._about = ("" if unit is None else unit.path), question.what
        told: dict[str, Any] = {"path": path}
        if unit is not None:
            told |= {"label": unit.label, "status": ProgramNode.RUNNING}
        self.phase, left = WAITING, self.deadline - time.monotonic()
        self.deadline = math.inf
        self.tree.remark(path, ASKS)
        program = key_values({"program": render(question.program)})
        self._tell(Feedback(phase=WAITING, reason=ASKS, evidence=program, **told))
        try:
            self._said = self.consent.ask(self._about, timeout, lambda: self.ending)
        finally:
            self.deadline = time.monotonic() + left
            self.phase = RUNNING
            self.tree.remark(path, "")
        self.outfit.audit.note("consent", decision=self._said, about=self._about, path=path)
        self._tell(Feedback(phase=RUNNING, **told))
        return self._said

    # -- its end --------------------------------------------------------------------------

    def _ended(self, account: Account) -> Ended:
        outcome, reason = OUTCOME_OF_VERDICT[account.verdict], account.message
        if outcome == Result.CANCELLED and self._said in (consents.DECLINED, consents.SILENT):
            outcome, reason = Result.DECLINED, self._declined()
        elif outcome in (Result.CANCELLED, Result.FAILED):
            outcome, reason = self._why_ended(outcome, reason)
        if not reason and account.remarks:
            reason = account.remarks[-1]
        return Ended(outcome, reason, self.tree.program or account.program, account.timings)

    def _declined(self) -> str:
        if self._said == consents.DECLINED:
            return f"the person declined {self._about}"
        waited = self.outfit.settings.consent_timeout
        return f"nobody answered on ~/confirm within {waited:g} s: {self._about} waited for consent"

    def _why_ended(self, outcome: int, reason: str) -> tuple[int, str]:
        """Outcome and reason where somebody ended the goal: theirs, not what broke off because of it."""
        if self.halted:
            return Result.STOPPED, self.halted
        if self.cancelled:
            return Result.CANCELLED, self.cancelled
        if time.monotonic() > self.deadline and outcome != Result.FAILED:
            return Result.CANCELLED, f"time ran out after {self.limit:.1f} s"
        return outcome, reason

    def _broken(self, error: Exception) -> Ended:
        outcome, reason = self._why_ended(outcome_of(error), sentence_of(error))
        first = deepest_failure(self.tree.nodes)
        if first is not None and first.reason and reason not in first.reason and not self.ending:
            reason = f"{reason}; before that, {first.label}: {first.reason}"  # a repair was being looked for
        return Ended(outcome, reason, self.tree.program, {"total_s": time.monotonic() - self.began})

    def _stand(self) -> None:
        try:
            self.outfit.agent.supervisor.stop()
        except RobotError as error:
            self.outfit.audit.note("stop", decision="failed", reason=str(error))

    def _result(self, ended: Ended) -> Any:
        nodes = self.tree.nodes
        failing = deepest_failure(nodes) if ended.outcome not in (Result.DONE, Result.PLANNED) else None
        timings = {name: round(value, 4) for name, value in (ended.timings or {}).items() if value is not None}
        if self.stop_took is not None:
            timings["stop_s"] = round(self.stop_took, 4)
        if self._stop_asked is not None:
            stages = self.outfit.stop_times(self._stop_asked)
            timings |= {name: round(value, 4) for name, value in stages.items()}
        self.tree.verdict = OUTCOMES[ended.outcome]
        return Result(
            outcome=ended.outcome,
            failing_node=failing.label if failing is not None else "",
            reason=ended.reason,
            program=ended.program,
            nodes=nodes,
            timings=key_values(timings),
        )
