"""Joint states, gripper and wrench as readings of our own, each with the moment at which it came."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from geometry_msgs.msg import WrenchStamped
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from tf2_msgs.msg import TFMessage

from embodied_agent.errors import RobotError
from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.ros2 import messages
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.ros2.session import Deadline, Session
from embodied_agent.robots.ros2.transforms import WAIT, Transforms
from embodied_agent.types import Array, RobotState

BACKLOG = 8  # readings that a slow watch may lag behind; older ones are left out
JUMP = 0.5  # [s] by which a stamp goes back when the clock starts over
SLOW_SENSOR = 0.5  # [s] that force and fingers may be silent; they often come at a lower rate
CATCH_UP = 0.2  # [s] that this process, when it was held up, may take to read what came meanwhile
TRANSFORM_DEPTH = 100  # many publishers share one topic


def sensor_qos(depth: int) -> Any:
    """Best effort, as sensors publish; also understands reliable publishers."""
    return QoSProfile(depth=depth, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT)


class Meter:
    """When messages of one topic came, and how often."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=30)  # monotonic [s]
        self.stamp: float | None = None  # ROS time of the newest [s]

    def note(self, stamp: float) -> None:
        """One came that was measured at `stamp` [s]."""
        self._times.append(time.monotonic())
        self.stamp = stamp

    @property
    def silence(self) -> float | None:
        """Time since the newest came, by the wall clock [s]; None before the first."""
        return time.monotonic() - self._times[-1] if self._times else None

    @property
    def rate(self) -> float | None:
        """Messages a second; None before the second, 0 once they stopped."""
        times = list(self._times)
        if len(times) < 2:
            return None
        mean = (times[-1] - times[0]) / (len(times) - 1)
        return 0.0 if time.monotonic() - times[-1] > 10 * mean + 0.5 else 1.0 / max(mean, 1e-6)


class Sensors:
    """Subscriptions to what the arm feels, and to the transforms.

    Args:
        session: Node to live on.
        description: Joints, and the table of the gripper.
        interface: Topics.
        clock_went_back: Called when the stamps start over.
    """

    def __init__(
        self,
        session: Session,
        description: RobotDescription,
        interface: Ros2Interface,
        clock_went_back: Callable[[], None],
    ) -> None:
        self._session, self._description, self._interface = session, description, interface
        self._clock_went_back = clock_went_back
        self._changed = threading.Condition()
        self._recent: deque[RobotState] = deque(maxlen=BACKLOG)
        self._count = 0  # readings since the start
        self._heard_at = 0.0  # ROS time at which the newest came [s]
        self._fingers: dict[str, tuple[float, float | None]] = {}  # joint -> position, effort
        self._force = np.zeros(3)
        self.force_problem = ""
        self.told_force: float | None = None  # of the gripper's action, for one without effort [N]
        self.transforms = Transforms()
        self.joints, self.fingers, self.wrench, self.tf = Meter(), Meter(), Meter(), Meter()
        self.problem = ""  # why the newest joint state could not be used
        self._subscribe()

    def _subscribe(self) -> None:
        node, names = self._session.node, self._interface
        self._subscriptions: list[Any] = []

        def listen(kind: Any, topic: str, heard: Callable[[Any], None], qos: Any) -> None:
            group = MutuallyExclusiveCallbackGroup()
            self._subscriptions.append(node.create_subscription(kind, topic, heard, qos, callback_group=group))

        listen(JointState, names.joint_states, self._hear_joints, sensor_qos(2 * BACKLOG))
        if names.gripper_joint_states:
            listen(JointState, names.gripper_joint_states, self._hear_joints, sensor_qos(1))
        if names.wrench:
            listen(WrenchStamped, names.wrench, self._hear_wrench, sensor_qos(1))
        listen(TFMessage, names.tf, self._hear_tf, QoSProfile(depth=TRANSFORM_DEPTH))
        fixed = QoSProfile(depth=TRANSFORM_DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        listen(TFMessage, names.tf_static, self._hear_fixed_tf, fixed)

    # -- for commands -----------------------------------------------------------------------------

    def newest(self) -> RobotState | None:
        """The newest reading, arrays of its own; None before the first."""
        with self._changed:
            return _copy(self._recent[-1]) if self._recent else None

    def fresh(self, timeout: float) -> RobotState:
        """The newest reading, waited for where the last one is old.

        Raises:
            RobotError: None came in time.
        """
        deadline = self.deadline(timeout)
        with self._changed:
            while not self._recent or self.silence():
                if deadline.over:
                    raise RobotError(self._no_reading(timeout))
                self._changed.wait(WAIT)
            self._catch_up()
            return _copy(self._recent[-1])

    def deadline(self, seconds: float) -> Deadline:
        """Patience of so many seconds, see Session.deadline."""
        return self._session.deadline(seconds, self._interface.clock_timeout)

    def _no_reading(self, waited: float) -> str:
        topic = self._session.node.resolve_topic_name(self._interface.joint_states)
        if self.problem:
            return f"no usable joint state on {topic}: {self.problem}"
        silence = self.joints.silence
        if silence is not None and silence < waited:
            return f"{self.silence()}; waited {waited:.1f} s"
        if silence is None:
            return f"no joint state came on {topic} in {waited:.1f} s: is the driver running, and of this robot?"
        return f"no joint state came on {topic} for {silence:.2f} s: is the driver running?"

    @property
    def count(self) -> int:
        """Readings since the start."""
        return self._count

    def after(self, count: int, timeout: float) -> tuple[int, list[RobotState]]:
        """The readings beyond the `count`-th, oldest first; after a wait, or a `wake`, perhaps none."""
        with self._changed:
            if self._count <= count:
                self._changed.wait(timeout)
            if self._count > count:
                self._catch_up()
            new = min(self._count - count, len(self._recent))
            return self._count, list(self._recent)[len(self._recent) - new :]

    def _catch_up(self) -> None:
        """Wait for the newest of what came while this process was held up; needs the lock.

        Old readings then come first, and their age tells nothing of the arm. Where readings are
        late for another reason the wait is over soon, and the old one is judged.
        """
        limit = self._description.safety.stale_after
        end = time.monotonic() + CATCH_UP
        while self._session.now() - self._recent[-1].stamp > limit and (left := end - time.monotonic()) > 0:
            self._changed.wait(left)

    def wake(self) -> None:
        """End a wait in `after`."""
        with self._changed:
            self._changed.notify_all()

    def silence(self) -> str:
        """Why the arm is no longer felt: a sentence, or ""."""
        limit = self._description.safety.stale_after
        silence = self.joints.silence
        if silence is None:
            return "no joint state came yet"
        if self._session.simulated_time:
            # Simulated time may run slower than the wall's; only when it stands still does the wall's count.
            if silence > self._interface.clock_timeout:
                return (
                    f"no joint state for {silence:.2f} s, and the simulated clock with it: is the driver running?"
                )
            silence = self._session.now() - self._heard_at
        if silence > limit:
            return f"no joint state for {silence:.2f} s; {limit:.2f} s are allowed"
        if self._session.simulated_time:
            return ""
        for meter, what in (
            (self.wrench, "reading of the force sensor"),
            (self.fingers, "position of the gripper"),
        ):
            silence = meter.silence or 0.0  # a force sensor that never spoke is none
            if silence > max(limit, SLOW_SENSOR):
                return f"no {what} for {silence:.2f} s; {max(limit, SLOW_SENSOR):.2f} s are allowed"
        return ""

    # -- what comes in ----------------------------------------------------------------------------

    def _hear_joints(self, message: Any) -> None:
        try:
            self._hear_fingers(message)
            reading = messages.joints_of(message, self._description.joint_names)
        except RobotError as error:
            self.problem = str(error)
            return
        if reading is None:
            return
        if not np.isfinite(reading.positions).all():
            self.problem = "positions that are not finite"
            return
        if not self._fingers:
            joints = ", ".join(self._description.gripper.joints)
            self.problem = f"none of the gripper's joints ({joints}) is in it"
            return
        self.problem = ""
        self._keep(reading)

    def _hear_fingers(self, message: Any) -> None:
        for name in self._description.gripper.joints:
            found = messages.joints_of(message, (name,))
            if found is not None and np.isfinite(found.positions).all():
                effort = None if found.efforts is None else float(found.efforts[0])
                self._fingers[name] = (float(found.positions[0]), effort)
                self.fingers.note(found.stamp)

    def _keep(self, reading: messages.JointReading) -> None:
        stamp = reading.stamp or self._session.now()
        with self._changed:
            last = self._recent[-1] if self._recent else None
            restarted = last is not None and stamp < last.stamp - JUMP
            if last is not None and not restarted and stamp <= last.stamp:
                return  # repeated, or late
            if restarted:
                self._recent.clear()
                last = None
        if restarted:
            self.transforms.clear()
            self._clock_went_back()
        velocities = reading.velocities
        if velocities is None:
            velocities = _speed(last, stamp, reading.positions)
        width, force = self._hand()
        state = RobotState(
            stamp=stamp,
            positions=reading.positions,
            velocities=velocities,
            efforts=np.zeros_like(reading.positions) if reading.efforts is None else reading.efforts,
            gripper_width=width,
            gripper_force=force,
            external_force=self._force.copy(),
        )
        with self._changed:
            self._recent.append(state)
            self._count += 1
            self._heard_at = self._session.now()
            self.joints.note(stamp)
            self._changed.notify_all()

    def _hand(self) -> tuple[float, float]:
        """Width between the pads [m], and force of each [N]."""
        known = list(self._fingers.values())
        width = self._description.gripper.width_at(float(np.mean([position for position, _ in known])))
        efforts = [abs(effort) for _, effort in known if effort is not None]
        if efforts:
            return width, float(np.mean(efforts)) / self._interface.gripper_effort_per_newton
        return width, self.told_force or 0.0

    def _hear_wrench(self, message: Any) -> None:
        force = self._interface.wrench_sign * messages.force_of(message)
        if not np.isfinite(force).all():
            self.force_problem = "forces that are not finite"
            return
        frame = message.header.frame_id.lstrip("/")
        try:
            world = self._interface.world_frame
            force = self.transforms.lookup(world, frame, None).rotation @ force if frame else force
            self.force_problem = ""
        except RobotError as error:
            # Its size, which the limits judge, is right in any frame.
            self.force_problem = f"its direction is not known: {error}"
        self._force = force
        self.wrench.note(messages.seconds(message.header.stamp))

    def _hear_tf(self, message: Any) -> None:
        self.transforms.add(message.transforms, fixed=False)
        if message.transforms:
            self.tf.note(max(messages.seconds(transform.header.stamp) for transform in message.transforms))

    def _hear_fixed_tf(self, message: Any) -> None:
        self.transforms.add(message.transforms, fixed=True)


def _speed(last: RobotState | None, stamp: float, positions: Array) -> Array:
    """Joint speeds [rad/s], (n,), of a driver that measures none."""
    if last is None or stamp - last.stamp < 1e-6:
        return np.zeros_like(positions)
    speed: Array = (positions - last.positions) / (stamp - last.stamp)
    return speed


def _copy(state: RobotState) -> RobotState:
    return replace(
        state,
        positions=state.positions.copy(),
        velocities=state.velocities.copy(),
        efforts=state.efforts.copy(),
        external_force=state.external_force.copy(),
    )
