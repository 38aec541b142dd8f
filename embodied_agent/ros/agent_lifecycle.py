"""The lifecycle node `agent`: a person's sentences in, supervised motion and measured results out.

    unconfigured --configure--> inactive --activate--> active

Configure reaches the model, loads the robot and waits for joints, cameras and transforms;
whatever is missing is said, and the node is unconfigured again. Active takes goals.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, TextIO, cast

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from std_msgs.msg import Empty
from std_srvs.srv import SetBool, Trigger

from embodied_agent.agent import Agent, Budgets
from embodied_agent.errors import EmbodiedAgentError, PlannerError, ProgramError, SafetyStop
from embodied_agent.library import library
from embodied_agent.program.check import check
from embodied_agent.program.parse import parse
from embodied_agent.program.render import render
from embodied_agent.robots.description import SLOWEST, load_robot
from embodied_agent.ros import diagnostics, parameters
from embodied_agent.ros.audit import AuditLog
from embodied_agent.ros.minds import Minds
from embodied_agent.ros.parameters import Settings
from embodied_agent.ros.process import unpause
from embodied_agent.ros.requests import check_inside, command_of, sentence_of
from embodied_agent.ros.robot_link import RobotLink
from embodied_agent.ros.task_run import Outfit
from embodied_agent.ros.tasks import Tasks
from embodied_agent.ros.tree import key_values
from embodied_agent_interfaces.msg import Problem
from embodied_agent_interfaces.srv import CheckProgram, PlanTask

PATIENCE = 20.0  # [s] that a transition waits for the end of a goal; the arm is stopped at once
LAST_PATIENCE = 6.0  # [s] of the same at the end of the process: whoever ends it has little
FREE = ("use_sim_time", "qos_overrides.")  # parameters that may change at any time
BETWEEN_GOALS = ("speed_scale",)  # read when a goal begins
DONE, FAILED, BROKEN = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)


class AgentNode(LifecycleNode):
    """The node; see the module.

    Args:
        name: Node name.
        options: For rclpy's node: context, namespace, parameter_overrides, ...
    """

    def __init__(self, name: str = "agent", **options: Any) -> None:
        super().__init__(name, **options)
        parameters.declare(self)
        self.link = RobotLink(self)
        self.outfit: Outfit | None = None
        self.state_name = "unconfigured"
        self.problem = ""
        self.closing = False
        self._held = ""  # a stop that outlives the outfit
        self._transition = threading.Lock()
        self.tasks = Tasks(self, lambda: self.link.world_frame)
        self._offer()
        self.add_on_set_parameters_callback(self._judge_parameters)

    def _offer(self) -> None:
        """Services, the stop topic, and diagnostics."""
        urgent, slow, quick = (
            MutuallyExclusiveCallbackGroup(),
            ReentrantCallbackGroup(),
            MutuallyExclusiveCallbackGroup(),
        )
        self.create_service(Trigger, "~/stop", self._on_stop, callback_group=urgent)
        self.create_subscription(Empty, "~/stop", self._on_stop_topic, 1, callback_group=urgent)
        self.create_service(Trigger, "~/reset", self._on_reset, callback_group=quick)
        self.create_service(SetBool, "~/confirm", self._on_confirm, callback_group=quick)
        self.create_service(CheckProgram, "~/check_program", self._on_check, callback_group=slow)
        self.create_service(PlanTask, "~/plan_task", self._on_plan, callback_group=slow)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # a simulated clock stops with its driver
        telling, starting = MutuallyExclusiveCallbackGroup(), MutuallyExclusiveCallbackGroup()
        self.create_timer(1.0, self._diagnose, callback_group=telling, clock=steady)
        if self.get_parameter("autostart").value:
            period = self.get_parameter("autostart_period").value
            self._starter = self.create_timer(period, self._start, callback_group=starting, clock=steady)

    # -- lifecycle ------------------------------------------------------------------------------

    def on_configure(self, state: Any) -> Any:
        """Reach the model, load the robot, wait until its sensors speak."""
        try:
            self.outfit = self._equip(parameters.read(self))
        except EmbodiedAgentError as error:
            return self._stays("unconfigured", f"not configured: {error}", FAILED)
        except Exception as error:
            self.get_logger().error(f"configure broke: {type(error).__name__}: {error}")
            return self._stays("unconfigured", f"not configured: {sentence_of(error)}", BROKEN)
        self.tasks.why_closed = "the node is configured, but not active"
        return self._becomes("inactive")

    def _equip(self, settings: Settings) -> Outfit:
        description = load_robot(settings.robot)
        audit = AuditLog(settings.audit_path, round(settings.audit_size * 1e6), settings.audit_keep)
        closers: list[Callable[[], None]] = [audit.close]
        try:
            minds = Minds(settings)
            closers.append(minds.close)
            if problem := minds.check().problem:
                raise PlannerError(f"the model cannot be reached: {problem}")
            backend = self.link.open(description, settings.ready_timeout)
            closers.append(self.link.close)
            agent = Agent(
                backend,
                minds.planner,
                minds.grounder,
                seed=settings.seed,
                budgets=Budgets(plans=settings.plans, seconds=settings.time_limit, steps=settings.steps),
                log=cast(TextIO, audit),
            )
            if self._held:
                agent.supervisor.stop(self._held)
            minds.watch()
            audit.note("configure", robot=settings.robot, planner_url=settings.planner_url)
        except BaseException:
            for close in reversed(closers):
                close()
            raise
        link = self.link
        return Outfit(settings, minds, agent, audit, link.camera_size, link.stop_times, self._speed_scale)

    def _speed_scale(self) -> float:
        """The parameter as it is now; ROS lets a value pass that is beyond its range by a millionth."""
        return min(1.0, max(SLOWEST, float(self.get_parameter("speed_scale").value)))

    def on_activate(self, state: Any) -> Any:
        """Take goals."""
        if self.outfit is None:
            return self._stays("inactive", "not activated: nothing is configured", BROKEN)
        unpause()
        self.tasks.open(self.outfit)
        self.outfit.audit.note("activate")
        return self._becomes("active")

    def on_deactivate(self, state: Any) -> Any:
        """Stop the arm, end the goal, and refuse others."""
        ended = self.tasks.close("the node was deactivated", PATIENCE)
        self._hold()
        if self.outfit is not None:
            self.outfit.audit.note("deactivate")
        if not ended:
            return self._stays("active", "not deactivated: the goal did not end; the arm holds", BROKEN)
        return self._becomes("inactive")

    def on_cleanup(self, state: Any) -> Any:
        """Release everything that configure took."""
        self._strip()
        return self._becomes("unconfigured")

    def on_shutdown(self, state: Any) -> Any:
        """Stop the arm and release everything."""
        self.closing = True
        self.tasks.close("the node shuts down", LAST_PATIENCE)
        self._strip()
        return self._becomes("finalized")

    def on_error(self, state: Any) -> Any:
        """Back to unconfigured, with nothing left behind."""
        self.tasks.close("the node had an error", PATIENCE)
        self._strip()
        self.state_name = "unconfigured"
        return DONE

    def _becomes(self, name: str) -> Any:
        self.state_name, self.problem = name, ""
        self.get_logger().info(name)
        return DONE

    def _stays(self, name: str, problem: str, how: Any) -> Any:
        self.state_name, self.problem = name, problem
        self.get_logger().error(problem)
        return how

    def _strip(self) -> None:
        self._hold()
        outfit, self.outfit = self.outfit, None
        if outfit is None:
            return
        self.tasks.outfit, self.tasks.why_closed = None, "the node is unconfigured"
        self._held = outfit.agent.supervisor.latched or self._held
        outfit.minds.close()
        self.link.close()
        outfit.audit.note("cleanup")
        outfit.audit.close()

    def _hold(self) -> None:
        """Stop the arm, whatever it does."""
        if self.outfit is not None:
            try:
                self.outfit.agent.supervisor.stop()
            except EmbodiedAgentError as error:
                self.get_logger().error(f"the arm could not be told to hold: {error}")

    def _start(self) -> None:
        """One try of autostart."""
        with self._transition:
            if self.closing:
                return
            if self.state_name == "unconfigured":
                self.trigger_configure()
            if self.state_name == "inactive":
                self.trigger_activate()
            if self.state_name == "active":
                self._starter.cancel()

    def _judge_parameters(self, given: Any) -> Any:
        """Most parameters are read when the node is configured: a later change would only seem to work."""
        reason = ""
        for item in given:
            if item.name in BETWEEN_GOALS:
                if self.tasks.busy:
                    reason = f"'{item.name}' holds for a whole goal, and one runs; set it when that has ended"
                elif isinstance(item.value, float) and not math.isfinite(item.value):
                    reason = f"'{item.name}' is {item.value}; a finite number is needed"
            elif self.outfit is not None and not item.name.startswith(FREE):
                reason = reason or f"'{item.name}' is read when the node is configured; clean up first"
        return SetParametersResult(successful=not reason, reason=reason)

    # -- stop, reset, consent ---------------------------------------------------------------------

    def _on_stop_topic(self, message: Any) -> None:
        self.halt("a stop was requested on the topic ~/stop")

    def _on_stop(self, request: Any, response: Any) -> Any:
        self.halt("a stop was requested on the service ~/stop")
        response.success, response.message = True, "the arm is held; call ~/reset after looking at the robot"
        return response

    def halt(self, reason: str) -> None:
        """Hold the arm, and latch until ~/reset; in any state, from any thread."""
        self._held = reason
        outfit, run = self.outfit, self.tasks.run
        if run is not None:
            run.halt(reason)
        elif outfit is not None:
            outfit.agent.cancel.set()  # a goal that begins right now, or a plan request
            outfit.agent.supervisor.stop(reason)
            outfit.minds.call_off()
        self.get_logger().warning(reason)

    def _on_reset(self, request: Any, response: Any) -> Any:
        outfit = self.outfit
        response.success, response.message = True, "the arm may move"
        try:
            if self.tasks.run is not None:
                raise SafetyStop("the stopped goal has not ended yet; try again in a moment")
            if outfit is not None:
                outfit.agent.supervisor.reset()
            self._held = ""
        except EmbodiedAgentError as error:
            response.success, response.message = False, str(error)
        self.get_logger().warning(f"reset: {response.message}")
        return response

    def _on_confirm(self, request: Any, response: Any) -> Any:
        response.success, response.message = self.tasks.consent.answer(bool(request.data))
        return response

    # -- programs ---------------------------------------------------------------------------------

    def _on_check(self, request: Any, response: Any) -> Any:
        try:
            places = () if self.outfit is None else self.outfit.agent.backend.places
            check(parse(request.program), library(places).signatures)
            response.accepted = True
        except ProgramError as error:
            response.problems = [
                Problem(line=max(0, item.line), column=max(0, item.column), message=item.message)
                for item in error.problems
            ]
        return response

    def _on_plan(self, request: Any, response: Any) -> Any:
        if reason := self.tasks.claim(motion=False):
            response.reason = reason
            self.tasks.refuse(f"plan request refused: {reason}")
            return response
        try:
            assert self.outfit is not None  # it was claimed
            command = command_of(request.instruction, request.points)
            if command.points:
                check_inside(command, *self.outfit.camera_size())
            program, plan = self.outfit.agent.plan(command)
            response.accepted, response.program = True, render(program)
            response.grounding = key_values({str(k): line for k, line in enumerate(plan.grounding, start=1)})
            response.timings = key_values({name: round(value, 4) for name, value in plan.timings.items()})
        except Exception as error:
            response.reason = sentence_of(error)
        finally:
            self.tasks.release()
        return response

    # -- diagnostics ------------------------------------------------------------------------------

    def checks(self) -> list[diagnostics.Check]:
        """Everything that /diagnostics says."""
        outfit = self.outfit
        reading = None if outfit is None else outfit.minds.reading
        period = 1.0 if outfit is None else outfit.settings.model_check_period
        held = self._held or None if outfit is None else outfit.agent.supervisor.latched
        found = [
            diagnostics.task_check(self.tasks, self.state_name, self.problem),
            diagnostics.model_check(reading, period),
            diagnostics.supervisor_check(held, self._speed_scale()),
            *self.link.checks(),
        ]
        if outfit is not None and outfit.audit.problem:
            found.append(diagnostics.Check("audit", diagnostics.ERROR, outfit.audit.problem))
        return found

    def _diagnose(self) -> None:
        robot = str(self.get_parameter("robot").value)
        stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name().lstrip("/")
        self._diagnostics.publish(diagnostics.message(self.checks(), name, robot, stamp))

    # -- the end ----------------------------------------------------------------------------------

    def release(self) -> None:
        """Stop the arm, end the goal, and give everything back; for the end of the process."""
        self.closing = True
        self.tasks.close("the node shuts down", LAST_PATIENCE)
        self._strip()
