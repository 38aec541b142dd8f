"""Camera topics: a thread that owns the graphics context draws what is due and asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from embodied_agent.errors import EmbodiedAgentError
from embodied_agent.robots.mujoco import WRIST
from embodied_agent.robots.ros2.messages import to_camera_info, to_depth, to_image
from embodied_agent.robots.shutter import Shutter
from embodied_agent.ros.driver.frames import optical_frame
from embodied_agent.ros.driver.world import World
from embodied_agent.types import RobotState

LOCKSTEP_WAIT = 2.0  # [s] that time as fast as it goes waits for one picture


@dataclass
class CameraTopics:
    """One camera: its publishers, its period [s], and when it is due next [s, ROS time]."""

    name: str
    period: float
    color: Any
    depth: Any
    info: Any
    due: float = 0.0

    @property
    def wanted(self) -> bool:
        """Whether anybody listens."""
        return any(publisher.get_subscription_count() > 0 for publisher in (self.color, self.depth, self.info))


class CameraPublisher:
    """Publishes colour, aligned depth and camera info of every camera.

    Drawing takes longer than a tick; time goes on meanwhile, and pictures that cannot be drawn
    in time are left out. Only where time has no factor does it wait for a picture that is due.

    Args:
        node: Whose topics.
        world: What is seen.
        rates: Camera name -> images per second of simulated time.
        encoding: Of depth images.
        silent: Whether the cameras pretend to have failed.
        seed: Of the depth noise.
    """

    def __init__(
        self,
        node: Any,
        world: World,
        rates: dict[str, float],
        encoding: str,
        silent: Callable[[], bool],
        seed: int,
    ) -> None:
        self._node, self._world, self._encoding, self._silent, self._seed = node, world, encoding, silent, seed
        self._cameras = [self._topics(name, rate) for name, rate in rates.items()]
        self._wake, self._idle, self._stopping = threading.Event(), threading.Event(), threading.Event()
        self._idle.set()
        self._now = 0.0
        self.failure = ""
        self._thread = threading.Thread(target=self._run, name="cameras", daemon=True)
        world.listen(self._tick)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def close(self) -> None:
        """End, and free the graphics context in the thread that owns it."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)

    def _topics(self, name: str, rate: float) -> CameraTopics:
        make = self._node.create_publisher
        return CameraTopics(
            name,
            1.0 / rate,
            make(Image, f"{name}/color/image_raw", qos_profile_sensor_data),
            make(Image, f"{name}/aligned_depth_to_color/image_raw", qos_profile_sensor_data),
            make(CameraInfo, f"{name}/color/camera_info", qos_profile_sensor_data),
        )

    def _tick(self, state: RobotState, now: float) -> None:
        """In the physics thread, after every tick."""
        self._now = now
        if self._stopping.is_set() or self.failure or not any(now >= camera.due for camera in self._cameras):
            return
        self._idle.clear()
        self._wake.set()
        if self._world.factor == 0:
            self._idle.wait(LOCKSTEP_WAIT)

    def _run(self) -> None:
        shutter: Shutter | None = None
        try:
            while not self._stopping.is_set():
                self._wake.wait(0.5)
                self._wake.clear()
                for camera in self._due():
                    shutter = self._publish(camera, shutter)
                self._idle.set()
        except EmbodiedAgentError as error:
            self.failure = str(error)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            self._idle.set()
            if shutter is not None:
                shutter.close()

    def _due(self) -> list[CameraTopics]:
        """Cameras to draw now, the longest waiting first; those that nobody watches are skipped."""
        now, found = self._now, []
        for camera in sorted(self._cameras, key=lambda each: each.due):
            if now < camera.due or self._stopping.is_set():
                continue
            # The grid of due times is kept, so that the mean rate is the one that was asked for.
            camera.due = max(camera.due + camera.period, now - camera.period)
            if camera.wanted and not self._silent():
                found.append(camera)
        return found

    def _publish(self, camera: CameraTopics, shutter: Shutter | None) -> Shutter:
        with self._world.still():
            if shutter is None or shutter.model is not self._world.backend.model:
                if shutter is not None:
                    shutter.close()
                shutter = Shutter(self._world.backend, self._seed)
            shutter.expose()
            offset = self._world.offset
        frame = shutter.develop(camera.name)
        stamp, name = frame.stamp + offset, optical_frame(camera.name)
        camera.info.publish(to_camera_info(frame.camera, stamp, name))
        camera.color.publish(to_image(frame.rgb, stamp, name))
        camera.depth.publish(to_depth(frame.depth, stamp, name, self._encoding))
        return shutter


def camera_rates(fixed: tuple[str, ...], fixed_rate: float, wrist_rate: float) -> dict[str, float]:
    """Images per second of each camera."""
    return {**dict.fromkeys(fixed, fixed_rate), WRIST: wrist_rate}
