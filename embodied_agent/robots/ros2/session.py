"""A node that spins in a thread of its own, or somebody else's node that spins already."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from embodied_agent.errors import MissingDependency, RobotError

try:
    import rclpy
    from rclpy.context import Context
    from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
    from rclpy.parameter import Parameter
    from rclpy.signals import SignalHandlerOptions
except ImportError as error:  # also where a library of it is missing
    raise MissingDependency(
        f"rclpy cannot be imported ({error}); source ROS 2 first: . /opt/ros/$ROS_DISTRO/setup.sh, "
        "in a venv made with --system-site-packages"
    ) from None

SPIN = 0.1  # [s]; how long a shutdown waits at most for the spinning thread to look up
JOIN = 5.0  # [s]


class Session:
    """Where subscriptions and clients live.

    Args:
        name: Of the node.
        namespace: Of the node; every topic of the interface moves with it.
        use_sim_time: Take the time from /clock.
        node: A node that its owner spins, with several threads or with none that blocks; None makes one.
        arguments: ROS arguments, as on a command line: ["--ros-args", "-r", "joint_states:=arm/joint_states"].
    """

    def __init__(
        self,
        name: str = "embodied_agent_backend",
        *,
        namespace: str = "",
        use_sim_time: bool = False,
        node: Any = None,
        arguments: list[str] | None = None,
    ) -> None:
        self._own = node is None
        self._executor: Any = None
        self._thread: threading.Thread | None = None
        self._closed = False
        if node is not None:
            self.node = node
            self.context = node.context
            return
        self.context = Context()
        # Signals stay with the program that this runs in.
        rclpy.init(args=arguments, context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        try:
            self.node = rclpy.create_node(
                name,
                context=self.context,
                namespace=namespace or None,
                enable_rosout=False,
                parameter_overrides=[Parameter("use_sim_time", Parameter.Type.BOOL, use_sim_time)],
            )
            # Two threads: a large image that is taken off the wire must not hold up the joints.
            self._executor = MultiThreadedExecutor(num_threads=2, context=self.context)
            self._executor.add_node(self.node)
        except Exception as error:
            self.context.try_shutdown()
            raise RobotError(f"no ROS node: {' '.join(str(error).split())}") from error
        self._thread = threading.Thread(target=self._spin, name=f"{name}-spin", daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        # Not executor.spin(): that one can wait forever when the context shuts down.
        while self.context.ok() and not self._closed:
            with contextlib.suppress(ExternalShutdownException):
                self._executor.spin_once(timeout_sec=SPIN)

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

    def close(self) -> None:
        """End the node, if it is this session's own; twice is allowed."""
        if self._closed:
            return
        self._closed = True
        if not self._own:
            return
        if self._thread is not None and self._thread is not threading.current_thread():
            self._executor.wake()
            self._thread.join(JOIN)
        self._executor.shutdown(timeout_sec=JOIN)
        with contextlib.suppress(Exception):  # a context that was shut down from outside took the node along
            self.node.destroy_node()
        self.context.try_shutdown()
