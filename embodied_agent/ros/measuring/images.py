"""Listens to one camera of a running driver, as a second subscriber beside the node."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from embodied_agent.errors import RobotError
from embodied_agent.robots.ros2.messages import seconds
from embodied_agent.ros.measuring.stream import StreamFigures, stream_figures

PATIENCE = 120.0  # [s] for the first image; machines are busy sometimes


class ImageWatch:
    """Subscribes to a camera's topics in a thread of its own. A context manager.

    Args:
        domain: ROS domain.
        camera: Its name.
    """

    def __init__(self, domain: int, camera: str) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node("image_watch", context=self._context, start_parameter_services=False)
        self.arrivals: list[tuple[float, float]] = []
        self.size = (0, 0)
        self._others: set[float] = set()
        self._now = 0.0
        self._closing = False
        make = self._node.create_subscription
        make(Clock, "/clock", self._ticked, qos_profile_sensor_data)
        make(Image, f"{camera}/color/image_raw", self._came, qos_profile_sensor_data)
        make(Image, f"{camera}/aligned_depth_to_color/image_raw", self._beside, qos_profile_sensor_data)
        make(CameraInfo, f"{camera}/color/camera_info", self._beside, qos_profile_sensor_data)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="image watch", daemon=True)

    def __enter__(self) -> ImageWatch:
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._closing = True
        self._thread.join(5.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        self._context.try_shutdown()

    def watch(self, span: float, asked: float, told: Callable[[int], None]) -> StreamFigures:
        """Watch for some seconds of the wall's clock, from the first image on.

        Args:
            span: How long [s].
            asked: Images per second that the driver was asked for.
            told: Called with the whole seconds that have passed.

        Raises:
            RobotError: No image comes.
        """
        until = time.monotonic() + PATIENCE
        while not self.arrivals:
            if time.monotonic() > until:
                raise RobotError(f"no image came within {PATIENCE:g} s")
            time.sleep(0.02)
        began = time.monotonic()
        while (passed := time.monotonic() - began) < span:
            told(int(passed))
            time.sleep(min(0.2, span - passed))
        arrivals, others = list(self.arrivals), set(self._others)
        return stream_figures(arrivals, others, asked)

    def _ticked(self, message: Any) -> None:
        self._now = seconds(message.clock)

    def _came(self, message: Any) -> None:
        if self._now:
            self.size = (message.width, message.height)
            self.arrivals.append((seconds(message.header.stamp), self._now))

    def _beside(self, message: Any) -> None:
        self._others.add(seconds(message.header.stamp))

    def _spin(self) -> None:
        while self._context.ok() and not self._closing:
            try:
                self._executor.spin_once(timeout_sec=0.1)
            except ExternalShutdownException:
                return
