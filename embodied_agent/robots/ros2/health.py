"""Whether everything that the robot is reached by is there, fresh, and fits together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from embodied_agent.errors import RobotError
from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.ros2.cameras import COLOR, DEPTH, INFO, CameraStream
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.ros2.sensors import Meter, Sensors
from embodied_agent.robots.ros2.session import Session

LOOK = 0.05  # [s] between two looks
IMAGE_AGE = 1.0  # [s]
BASE_SHIFT, BASE_TURN = 0.005, 0.01  # [m], [rad] that the base may stand off the world's origin


@dataclass(frozen=True)
class StreamReading:
    """How a topic or a transform comes in.

    Attributes:
        name: Topic or frame.
        age: Of the newest [s]; None = none came yet.
        rate: Messages a second; None = not known, or not counted.
        limit: Age that is allowed [s].
        needed: Commands fail without it.
    """

    name: str
    age: float | None
    rate: float | None
    limit: float
    needed: bool = True


class Health:
    """Answers for one back end."""

    def __init__(
        self,
        description: RobotDescription,
        interface: Ros2Interface,
        session: Session,
        sensors: Sensors,
        cameras: Mapping[str, CameraStream],
        controllers: Callable[[], dict[str, str]],
    ) -> None:
        self._description, self._interface, self._session = description, interface, session
        self._sensors, self._cameras, self._controllers = sensors, cameras, controllers

    def await_ready(self, timeout: float) -> tuple[str, ...]:
        """The problems that are left when there are none, or time is up."""
        deadline = time.monotonic() + timeout
        while (problems := self.problems()) and time.monotonic() < deadline:
            time.sleep(LOOK)
        return problems

    def problems(self) -> tuple[str, ...]:
        """What is wrong, a sentence each; empty = the robot can be commanded."""
        found = []
        if silence := self._sensors.silence():
            found.append(f"{self._topic(self._interface.joint_states)}: {self._sensors.problem or silence}")
        if self._session.simulated_time and self._session.now() == 0.0:
            found.append("/clock: no simulated time came")
        found += [problem for problem in self._controllers().values() if problem]
        for camera in self._cameras.values():
            found += self._camera_problems(camera)
        found += self._base_problem()
        return tuple(found)

    def _camera_problems(self, camera: CameraStream) -> list[str]:
        for part in (COLOR, DEPTH, INFO):
            age = self._age(camera.meters[part])
            if age is None:
                return [f"{camera.topics[part]}: nothing came yet"]
            if not -IMAGE_AGE < age < IMAGE_AGE:
                return [f"{camera.topics[part]}: the newest is {age:.2f} s old; {IMAGE_AGE:.1f} s are allowed"]
        try:
            self._sensors.transforms.lookup(self._interface.world_frame, camera.frame)
        except RobotError as error:
            return [f"camera '{camera.name}': {error}"]
        return []

    def _base_problem(self) -> list[str]:
        world, base = self._interface.world_frame, self._description.base_link
        if world == base:
            return []
        try:
            pose = self._sensors.transforms.lookup(world, base)
        except RobotError as error:
            return [f"base link: {error}"]
        shift = float(np.linalg.norm(pose.position))
        turn = 2 * float(np.arccos(np.clip(abs(pose.quaternion[0]), 0.0, 1.0)))
        if shift > BASE_SHIFT or turn > BASE_TURN:
            return [
                f"'{base}' stands {shift * 1000:.0f} mm and {turn:.3f} rad from '{world}'; programs need the base "
                f"at the origin of their world: set world_frame to '{base}', or mend the transform"
            ]
        return []

    def streams(self) -> tuple[StreamReading, ...]:
        """Age and rate of everything that comes in."""
        stale = self._description.safety.stale_after
        joints, wrench = self._sensors.joints, self._sensors.wrench
        rows = [StreamReading(self._topic(self._interface.joint_states), self._age(joints), joints.rate, stale)]
        if self._interface.wrench:
            name = self._topic(self._interface.wrench)
            rows.append(StreamReading(name, self._age(wrench), wrench.rate, max(stale, 0.5), needed=False))
        for camera in self._cameras.values():
            for part in (COLOR, DEPTH):
                meter = camera.meters[part]
                rows.append(StreamReading(camera.topics[part], self._age(meter), meter.rate, IMAGE_AGE))
        world, now = self._interface.world_frame, self._session.now()
        for frame in (self._description.base_link, *(camera.frame for camera in self._cameras.values())):
            age = self._sensors.transforms.age(world, frame, now) if frame != world else 0.0
            if age:  # something on the way moves
                age = max(age, self._age(self._sensors.tf) or 0.0)
            rows.append(StreamReading(f"transform {world} to {frame}", age, None, IMAGE_AGE))
        return tuple(rows)

    def remarks(self) -> tuple[str, ...]:
        """What a person should know, though the robot can be commanded."""
        found = []
        if not self._interface.wrench:
            found.append("no force sensor is configured: force limits rest with the controller")
        elif self._sensors.wrench.stamp is None:
            topic = self._topic(self._interface.wrench)
            found.append(f"no force is felt: nothing came on {topic}; force limits rest with the controller")
        elif self._sensors.force_problem:
            found.append(f"force: {self._sensors.force_problem}")
        if self._session.failures:
            found.append(f"{self._session.failures} callbacks failed, the last one with {self._session.failure}")
        found += [f"transform of '{child}': {why}" for child, why in self._sensors.transforms.refused.items()]
        return tuple(found)

    def _topic(self, name: str) -> str:
        return str(self._session.node.resolve_topic_name(name))

    def _age(self, meter: Meter) -> float | None:
        if meter.stamp is None:
            return None
        silence = meter.silence or 0.0
        if self._session.simulated_time and silence > self._interface.clock_timeout:
            return silence  # the simulated clock stopped with its driver
        return self._session.now() - meter.stamp
