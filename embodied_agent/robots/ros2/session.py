"""A node that spins in a thread of its own, alone or beside somebody else's, and how long to wait for anything."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from embodied_agent.errors import MissingDependency, RobotError

try:
    import rclpy
    from rclpy.context import Context
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    from rclpy.parameter import Parameter
    from rclpy.signals import SignalHandlerOptions
except ImportError as error:  # also where a library of it is missing
    raise MissingDependency(
        f"rclpy cannot be imported ({error}); source ROS 2 first: . /opt/ros/$ROS_DISTRO/setup.sh, "
        "in a venv made with --system-site-packages"
    ) from None

SPIN = 0.1  # [s]; how long a shutdown waits at most for the spinning thread to look up
FAILED = 0.005  # [s] of rest after a failed callback, so that a lasting fault does not take a processor
JOIN = 5.0  # [s]
SLOWEST = 20.0  # seconds by the wall clock in which a simulator is expected to get a second done


class Deadline:
    """When to stop waiting for something.

    Args:
        now: ROS time [s].
        seconds: Patience.
        silence: Longest time by the wall clock that simulated time may stand still [s]; 0 = the wall
            clock alone counts.
    """

    def __init__(self, now: Callable[[], float], seconds: float, silence: float) -> None:
        self._now, self._seconds, self._silence = now, seconds, silence
        self._began = self._moved = time.monotonic()
        self._first = self._last = now()

    @property
    def over(self) -> bool:
        """Whether patience is at an end; ask again and again."""
        wall = time.monotonic()
        if self._silence == 0:
            return wall - self._began > self._seconds
        now = self._now()
        if now != self._last:
            self._last, self._moved = now, wall
        if now < self._first:  # the simulation was started over
            self._first = now
        stands = wall - self._moved > max(self._silence, self._seconds)
        waited = wall - self._began
        # Both clocks: a simulator that was held up catches up at once, and answers no faster for it.
        both = min(now - self._first, waited) > self._seconds
        return both or stands or waited > SLOWEST * self._seconds + 1.0


class Session:
    """Where subscriptions and clients live: a node that a thread of its own spins.

    One thread, since every callback here only keeps what came: two of them with rclpy's
    MultiThreadedExecutor take four times the processor time for each message.

    Args:
        name: Of the node.
        namespace: Of the node; every topic of the interface moves with it.
        use_sim_time: Take the time from /clock.
        beside: A node whose context, namespace and clock to share; the session's own is then called
            after it, and neither can hold up the other.
        arguments: ROS arguments, as on a command line: ["--ros-args", "-r", "joint_states:=arm/joint_states"].

    Raises:
        RobotError: No node can be made.
    """

    def __init__(
        self,
        name: str = "embodied_agent_backend",
        *,
        namespace: str = "",
        use_sim_time: bool = False,
        beside: Any = None,
        arguments: list[str] | None = None,
    ) -> None:
        self._own_context = beside is None
        self._closed = False
        self.failures, self.failure = 0, ""  # of callbacks, and the last one
        if beside is not None:
            name, namespace = f"{beside.get_name()}_robot", beside.get_namespace()
            use_sim_time = bool(beside.get_parameter("use_sim_time").value)
            self.context = beside.context
        else:
            self.context = Context()
            # Signals stay with the program that this runs in.
            rclpy.init(args=arguments, context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        try:
            self.node = rclpy.create_node(
                name,
                context=self.context,
                namespace=namespace or None,
                # A launch file that renames the process's node means the other one.
                cli_args=["--ros-args", "-r", f"__node:={name}"] if beside is not None else None,
                enable_rosout=False,
                start_parameter_services=False,
                parameter_overrides=[Parameter("use_sim_time", Parameter.Type.BOOL, use_sim_time)],
            )
            self._executor = SingleThreadedExecutor(context=self.context)
            self._executor.add_node(self.node)
        except Exception as error:
            if self._own_context:
                self.context.try_shutdown()
            raise RobotError(f"no ROS node: {' '.join(str(error).split())}") from error
        self._thread = threading.Thread(target=self._spin, name=f"{name}-spin", daemon=True)
        self._thread.start()

        atexit.register(self.close)  # a node that still spins when Python goes aborts the process

    def _spin(self) -> None:
        # Not executor.spin(): that one can wait forever when the context shuts down.
        while self.context.ok() and not self._closed:
            try:
                self._executor.spin_once(timeout_sec=SPIN)
            except ExternalShutdownException:
                return
            except Exception as error:
                # One message that cannot be handled must not make the arm deaf for good.
                if self._closed or not self.context.ok():
                    return
                self.failures += 1
                self.failure = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                if self.failures in (1, 10, 100, 1000):
                    self.node.get_logger().error(f"a callback failed ({self.failures} so far): {self.failure}")
                time.sleep(FAILED)

    @property
    def alive(self) -> bool:
        """Whether messages can still come."""
        return not self._closed and bool(self.context.ok())

    def now(self) -> float:
        """ROS time of the node [s]."""
        return float(self.node.get_clock().now().nanoseconds) * 1e-9

    @property
    def simulated_time(self) -> bool:
        """Whether time comes from /clock."""
        return bool(getattr(self.node.get_clock(), "ros_time_is_active", False))

    def deadline(self, seconds: float, silence: float) -> Deadline:
        """Patience of so many seconds, of simulated time where time is simulated; see Deadline."""
        return Deadline(self.now, seconds, silence if self.simulated_time else 0.0)

    def close(self) -> None:
        """End the node, if it is this session's own; twice is allowed."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        if self._thread is not threading.current_thread():
            self._executor.wake()
            self._thread.join(JOIN)
        self._executor.shutdown(timeout_sec=JOIN)
        with contextlib.suppress(Exception):  # a context that was shut down from outside took the node along
            self.node.destroy_node()
        if self._own_context:
            self.context.try_shutdown()
