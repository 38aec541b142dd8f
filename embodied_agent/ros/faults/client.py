"""A client of the node `agent`, as a person's program would be: goals, stop, lifecycle, and what it publishes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rclpy
from action_msgs.msg import GoalStatus
from control_msgs.action import FollowJointTrajectory
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.action import ActionClient
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter as ValueOf
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Empty
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import MarkerArray

from embodied_agent.errors import RobotError
from embodied_agent.robots.ros2.messages import seconds, to_duration
from embodied_agent_interfaces.action import ExecuteTask
from embodied_agent_interfaces.msg import Pixel, ProgramTree
from embodied_agent_interfaces.srv import CheckProgram, LoadScene, PlanTask

TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "cleanup": Transition.TRANSITION_CLEANUP,
}
RESTING = 0.01  # [rad/s]
ASK_AGAIN = 30.0  # [s]
LASTING = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@dataclass(frozen=True)
class Reading:
    """One joint state: when it came by time.monotonic(), its stamp [s], and the fastest joint [rad/s]."""

    at: float
    stamp: float
    speed: float


@dataclass(frozen=True)
class Rest:
    """How long an arm still moved after a request.

    Attributes:
        wall: By the wall clock, until the reading of a resting arm came [s].
        robot: By the robot's clock, from the newest reading at the request [s]. A simulator on a busy
            machine runs slowly; this tells what the arm did.
    """

    wall: float
    robot: float


class Sent:
    """One goal that was sent.

    Attributes:
        accepted: The node took it.
        feedback: Every feedback so far.
        result: The action's result; None before its end.
        status: action_msgs/GoalStatus at its end.
    """

    def __init__(self, accepted: bool) -> None:
        self.accepted = accepted
        self.handle: Any = None
        self.feedback: list[Any] = []
        self.result: Any = None
        self.status = GoalStatus.STATUS_UNKNOWN
        self.done = threading.Event()

    def wait(self, patience: float) -> Any:
        """The result.

        Raises:
            RobotError: It did not come in time.
        """
        if not self.done.wait(patience):
            last = self.feedback[-1] if self.feedback else None
            at = "" if last is None else f"; it was {last.phase} at {last.label!r}"
            raise RobotError(f"the goal did not end within {patience:g} s{at}")
        return self.result

    @property
    def phases(self) -> set[str]:
        """Phases it was in."""
        return {feedback.phase for feedback in self.feedback}


class Client:
    """One node in a context of its own, served by a thread.

    Args:
        domain: ROS domain.
        agent, driver: Names of the nodes it talks to.
        patience: Longest wait for a service [s].
    """

    def __init__(
        self, domain: int, agent: str = "agent", driver: str = "sim_driver", patience: float = 30.0
    ) -> None:
        self.patience, self._agent, self._driver = patience, agent, driver
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node("exercise", context=self.context, start_parameter_services=False)
        self.diagnostics: dict[str, Any] = {}
        self.trees: deque[Any] = deque(maxlen=500)
        self.markers: Any = None
        self.readings: deque[Reading] = deque(maxlen=20_000)
        make = self.node.create_subscription
        make(DiagnosticArray, "/diagnostics", self._diagnosed, 20)
        make(ProgramTree, f"{agent}/tree", self._grew, LASTING)
        make(MarkerArray, f"{agent}/markers", self._marked, LASTING)
        make(JointState, "joint_states", self._moved, qos_profile_sensor_data)
        self._stop = self.node.create_publisher(Empty, f"{agent}/stop", 1)
        self._goals = ActionClient(self.node, ExecuteTask, f"{agent}/execute_task")
        self._arm: Any = ActionClient(
            self.node, FollowJointTrajectory, "joint_trajectory_controller/follow_joint_trajectory"
        )
        self._services: dict[str, Any] = {}
        self._closing = False
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="exercise client", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the network."""
        self._closing = True
        self._thread.join(5.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._goals.destroy()
        self._arm.destroy()
        self.node.destroy_node()
        self.context.try_shutdown()

    # -- services -------------------------------------------------------------------------------

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """The answer of a service.

        Raises:
            RobotError: It is not there, or does not answer.
        """
        service = self._services.get(name)
        if service is None:
            service = self._services[name] = self.node.create_client(kind, name)
        if not service.wait_for_service(timeout_sec=self.patience):
            raise RobotError(f"service {name} is not there")
        # A killed process is on the graph for a while: what was asked of it is asked again.
        for _ in range(max(1, round(self.patience / ASK_AGAIN))):
            answered = threading.Event()
            future = service.call_async(request)
            future.add_done_callback(lambda _, answered=answered: answered.set())
            if answered.wait(ASK_AGAIN):
                return future.result()
            service.remove_pending_request(future)
        raise RobotError(f"{name} did not answer within {self.patience:g} s")

    def transition(self, name: str) -> bool:
        """Whether a lifecycle transition succeeded."""
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[name]))
        return bool(self.call(ChangeState, f"{self._agent}/change_state", request).success)

    def state(self) -> str:
        """Of the lifecycle."""
        answer = self.call(GetState, f"{self._agent}/get_state", GetState.Request())
        return str(answer.current_state.label)

    def trigger(self, name: str) -> Any:
        """Answer of ~/stop or ~/reset."""
        return self.call(Trigger, f"{self._agent}/{name}", Trigger.Request())

    def stop_by_topic(self) -> None:
        """Publish on ~/stop."""
        self._stop.publish(Empty())

    def confirm(self, agree: bool) -> Any:
        """Answer of ~/confirm."""
        return self.call(SetBool, f"{self._agent}/confirm", SetBool.Request(data=agree))

    def check(self, program: str) -> Any:
        """Answer of ~/check_program."""
        return self.call(CheckProgram, f"{self._agent}/check_program", CheckProgram.Request(program=program))

    def plan(self, instruction: str) -> Any:
        """Answer of ~/plan_task."""
        return self.call(PlanTask, f"{self._agent}/plan_task", PlanTask.Request(instruction=instruction))

    def set_fault(self, name: str, value: Any) -> None:
        """Set a fault switch of the driver.

        Raises:
            RobotError: The driver has no such switch.
        """
        self.set_parameter(self._driver, name, value)

    def set_parameter(self, node: str, name: str, value: Any) -> None:
        """Set a parameter of a node.

        Raises:
            RobotError: The node refuses it.
        """
        given: ParameterValue = ValueOf(name, value=value).get_parameter_value()
        request = SetParameters.Request(parameters=[Parameter(name=name, value=given)])
        answer = self.call(SetParameters, f"{node}/set_parameters", request).results[0]
        if not answer.successful:
            raise RobotError(f"{node}: {name} = {value}: {answer.reason}")

    def load_scene(self, text: str, seed: int = 0) -> None:
        """Put another scene before the simulated robot.

        Raises:
            RobotError: The driver cannot.
        """
        request = LoadScene.Request(scene=text, seed=seed)
        answer = self.call(LoadScene, f"{self._driver}/load_scene", request)
        if not answer.success:
            raise RobotError(f"load_scene: {answer.message}")

    # -- goals ----------------------------------------------------------------------------------

    def send(
        self,
        instruction: str,
        mode: int = ExecuteTask.Goal.RUN,
        points: Sequence[tuple[float, float]] = (),
        time_limit: float = 0.0,
    ) -> Sent:
        """Send a goal; returns once it was taken or refused.

        Raises:
            RobotError: There is no such action, or no answer.
        """
        if not self._goals.wait_for_server(timeout_sec=self.patience):
            raise RobotError("the action execute_task is not there")
        pixels = [Pixel(x=float(x), y=float(y)) for x, y in points]
        goal = ExecuteTask.Goal(instruction=instruction, mode=mode, points=pixels, time_limit=time_limit)
        sent = Sent(False)
        future = self._goals.send_goal_async(goal, feedback_callback=lambda m: sent.feedback.append(m.feedback))
        sent.handle = self._outcome(future, "execute_task")
        sent.accepted = bool(sent.handle.accepted)
        if sent.accepted:
            sent.handle.get_result_async().add_done_callback(lambda f: self._ended(sent, f))
        return sent

    def cancel(self, sent: Sent) -> float:
        """Ask for a goal's end; returns time.monotonic() of the request at once."""
        requested = time.monotonic()
        sent.handle.cancel_goal_async()
        return requested

    def run(self, instruction: str, patience: float = 120.0, **options: Any) -> Any:
        """Result of a goal that is accepted.

        Raises:
            RobotError: It was refused, or did not end.
        """
        sent = self.send(instruction, **options)
        if not sent.accepted:
            raise RobotError(f"the goal {instruction[:60]!r} was refused: {self.sentence('task')}")
        return sent.wait(patience)

    def jog(self, names: Sequence[str], positions: Sequence[float], duration: float) -> None:
        """Move the arm past the node, as a teach pendant would.

        Args:
            names: Joints.
            positions: Where to [rad].
            duration: Of the motion [s].

        Raises:
            RobotError: The controller did not do it.
        """
        name = "joint_trajectory_controller/follow_joint_trajectory"
        if not self._arm.wait_for_server(timeout_sec=self.patience):
            raise RobotError(f"the action {name} is not there")
        point = JointTrajectoryPoint(
            positions=[float(value) for value in positions],
            velocities=[0.0] * len(positions),
            time_from_start=to_duration(duration),
        )
        goal = FollowJointTrajectory.Goal()
        goal.trajectory = JointTrajectory(joint_names=list(names), points=[point])
        handle = self._outcome(self._arm.send_goal_async(goal), name)
        if not handle.accepted:
            raise RobotError(f"{name} refused the jog")
        result = self._outcome(handle.get_result_async(), name).result
        if result.error_code != FollowJointTrajectory.Result.SUCCESSFUL:
            raise RobotError(f"the jog failed: {result.error_string}")

    # -- what is published ------------------------------------------------------------------------

    def sentence(self, name: str) -> str:
        """What /diagnostics last said of one thing."""
        status = self.diagnostics.get(name)
        return "" if status is None else str(status.message)

    def level(self, name: str) -> int | None:
        """Level of one thing on /diagnostics: 0 ok, 1 warn, 2 error, 3 stale."""
        status = self.diagnostics.get(name)
        return None if status is None else int.from_bytes(status.level, "little")

    def speed(self) -> float:
        """Of the fastest joint now [rad/s]; 0 where no joint states come."""
        return self.readings[-1].speed if self.readings else 0.0

    def rest_after(self, requested: float, calm: float = 0.2, patience: float = 30.0) -> Rest | None:
        """How long the arm moved after a request, until it stood still for `calm` [s]; None = it never did.

        Args:
            requested: time.monotonic() of the request.
            calm: By the robot's clock [s].
            patience: Longest wait, by the wall clock [s].
        """
        until = requested + patience
        while time.monotonic() < until:
            time.sleep(0.02)
            readings = list(self.readings)
            before = [reading for reading in readings if reading.at < requested]
            after = [reading for reading in readings if reading.at >= requested]
            last = max((k for k, reading in enumerate(after) if reading.speed >= RESTING), default=-1)
            still = after[last + 1 :]
            if not before or not still or still[-1].stamp - still[0].stamp < calm:
                continue
            if last < 0:
                return Rest(0.0, 0.0)
            return Rest(still[0].at - requested, still[0].stamp - before[-1].stamp)
        return None

    # -- inside -----------------------------------------------------------------------------------

    def _outcome(self, future: Any, name: str) -> Any:
        answered = threading.Event()
        future.add_done_callback(lambda f: answered.set())
        if not answered.wait(self.patience):
            raise RobotError(f"{name} did not answer within {self.patience:g} s")
        return future.result()

    def _ended(self, sent: Sent, future: Any) -> None:
        answer = future.result()
        sent.result, sent.status = answer.result, answer.status
        sent.done.set()

    def _diagnosed(self, message: Any) -> None:
        for status in message.status:
            self.diagnostics[status.name.rpartition(": ")[2]] = status

    def _grew(self, message: Any) -> None:
        self.trees.append(message)

    def _marked(self, message: Any) -> None:
        self.markers = message

    def _moved(self, message: Any) -> None:
        fastest = max((abs(v) for v in message.velocity), default=0.0)
        self.readings.append(Reading(time.monotonic(), seconds(message.header.stamp), fastest))

    def _spin(self) -> None:
        while self.context.ok() and not self._closing:
            try:
                self._executor.spin_once(timeout_sec=0.1)
            except ExternalShutdownException:
                return
