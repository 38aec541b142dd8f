"""What a graph showed during a few seconds: plain values, so that the judging needs no live ROS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embodied_agent.robots.ros2.transforms import Transforms


@dataclass
class Stream:
    """Messages of one topic as they came.

    Attributes:
        topic: Full name.
        publishers: Nodes that publish it.
        best_effort: Whether any publisher may drop messages.
        arrivals: Wall-clock times of reception [s].
        stamps: Times in the headers [s]; 0 where a header was not filled in.
        lags: Robot's clock at reception minus stamp [s].
        last: The newest message, decoded; None where none came.
    """

    topic: str = ""
    publishers: list[str] = field(default_factory=list)
    best_effort: bool = False
    arrivals: list[float] = field(default_factory=list)
    stamps: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    last: Any = None

    @property
    def count(self) -> int:
        """Messages that came."""
        return len(self.arrivals)

    @property
    def stamped(self) -> bool:
        """Whether every header says when."""
        return bool(self.stamps) and min(self.stamps) > 0

    @property
    def rate(self) -> float:
        """Of those that came [Hz], by the robot's clock where it is known; 0 for fewer than two."""
        times = self.stamps if self.stamped else self.arrivals
        span = times[-1] - times[0] if len(times) > 1 else 0.0
        return (len(times) - 1) / span if span > 0 else 0.0

    @property
    def lag(self) -> float:
        """Median age of a message when it came [s]; nan where some had no stamp."""
        return float(np.median(self.lags)) if self.stamped else float("nan")

    @property
    def oldest(self) -> float:
        """How old the newest message was at worst [s], just before the next one came."""
        if len(self.arrivals) < 2:
            return 0.0
        if not self.stamped:
            return float(np.max(np.diff(self.arrivals)))
        came = np.array(self.stamps) + np.array(self.lags)
        return float(np.max(came[1:] - np.array(self.stamps)[:-1]))


@dataclass
class CameraStreams:
    """Topics of one RGB-D camera."""

    image: Stream = field(default_factory=Stream)
    depth: Stream = field(default_factory=Stream)
    info: Stream = field(default_factory=Stream)


@dataclass
class Observation:
    """All that was seen.

    Attributes:
        now: Robot's clock at the end [s].
        distribution, middleware, domain: ROS distribution, RMW, and domain id.
        packages: Message packages that are needed -> whether they are installed.
        nodes: Full names.
        topics: Full name -> type.
        actions: Full name of each action that has a server -> type.
        sim_time: Node -> its `use_sim_time`, for the nodes that answered.
        clock, joints, gripper, wrench, controller: Their topics; the last is the arm controller's own state.
        joint_log: (stamp [s], name -> position [rad] or [m]) of every reading.
        with_velocity, with_effort: Joints whose messages say so.
        cameras: By name.
        transforms: As the back end keeps them.
        parents: Child frame -> every parent that it was given.
        urdf: Text of robot_description; "" where nobody publishes it.
        agent_state: Lifecycle state of the agent node; "" where it does not answer.
    """

    now: float = 0.0
    distribution: str = ""
    middleware: str = ""
    domain: int = 0
    packages: dict[str, bool] = field(default_factory=dict)
    nodes: list[str] = field(default_factory=list)
    topics: dict[str, str] = field(default_factory=dict)
    actions: dict[str, str] = field(default_factory=dict)
    sim_time: dict[str, bool] = field(default_factory=dict)
    clock: Stream = field(default_factory=Stream)
    joints: Stream = field(default_factory=Stream)
    gripper: Stream = field(default_factory=Stream)
    wrench: Stream = field(default_factory=Stream)
    controller: Stream = field(default_factory=Stream)
    joint_log: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    with_velocity: set[str] = field(default_factory=set)
    with_effort: set[str] = field(default_factory=set)
    cameras: dict[str, CameraStreams] = field(default_factory=dict)
    transforms: Transforms = field(default_factory=Transforms)
    parents: dict[str, set[str]] = field(default_factory=dict)
    urdf: str = ""
    agent_state: str = ""

    @property
    def positions(self) -> dict[str, float]:
        """The newest position of every joint."""
        found: dict[str, float] = {}
        for _, positions in self.joint_log:
            found |= positions
        return found
