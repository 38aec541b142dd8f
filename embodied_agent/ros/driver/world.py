"""Simulated time: a thread of its own lets tick after tick pass, at its factor of real time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from embodied_agent.errors import EmbodiedAgentError
from embodied_agent.robots.mujoco import STEPS, TICK, MujocoBackend
from embodied_agent.ros.driver.gripper_controller import GripperController
from embodied_agent.ros.driver.trajectory_controller import TrajectoryController
from embodied_agent.types import RobotState
from sim.scene import Scene

DEBT = 0.05  # [s] of lateness that is made up for; what is beyond is lost, and time runs slower
MEMORY = 1.0  # [s] over which the real time factor is measured


class World:
    """The simulation behind a driver.

    Args:
        backend: The world.
        factor: Simulated time per time; 0 = as fast as it goes.
        wall: Gives the ROS time to stamp with; None = simulated time, which never jumps back.

    Attributes:
        arm, gripper: What aims the servos.
        factor: May be changed at any time.
        measured_factor: Simulated time per time over the last second or so.
        failure: Why it ended by itself; "" while it goes.
    """

    def __init__(self, backend: MujocoBackend, factor: float, wall: Callable[[], float] | None = None) -> None:
        self.backend = backend
        self._gate, self._lock = threading.Lock(), threading.Lock()
        self.factor = factor
        self.measured_factor = 0.0
        self.failure = ""
        self.arm = TrajectoryController(backend.description, backend.state())
        self.gripper = GripperController(backend.description.gripper, backend.state())
        self._wall = wall
        self._offset = 0.0 if wall is None else wall() - backend.now()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="physics", daemon=True)
        self._listeners: list[Callable[[RobotState, float], None]] = []

    @property
    def offset(self) -> float:
        """ROS time minus back end time [s]."""
        return self._offset

    @contextmanager
    def still(self) -> Iterator[None]:
        """The world stands still inside, at the latest one tick after it was asked."""
        # The gate is nearly always free. The lock alone never would be where time goes as fast as it can:
        # the physics thread takes it again before anybody who waits wakes up.
        with self._gate, self._lock:
            yield

    def listen(self, listener: Callable[[RobotState, float], None]) -> None:
        """Call `listener(state, ROS time)` after every tick, in the physics thread."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Let time begin."""
        self._thread.start()

    def close(self) -> None:
        """Let time end. The back end is left open."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=10.0)

    def replace(self, scene: Scene, seed: int) -> None:
        """Put another scene before the robot, at its home; goals under way end.

        Raises:
            BadInput, RobotError: The scene cannot be simulated; the old one stays.
        """
        with self.still():
            before = self._offset + self.backend.now()
            self.backend.reset(scene, seed)
            state = self.backend.state()
            self.arm.reset(state)
            self.gripper.reset(state)
            if self._wall is None:
                self._offset = before + TICK - state.stamp

    def _run(self) -> None:
        try:
            self._pass_time()
        except EmbodiedAgentError as error:
            self.failure = str(error)
        except Exception as error:
            # A listener's bug must not leave a driver that looks alive and stands still.
            self.failure = f"{type(error).__name__}: {error}"
        self.arm.drop("the simulation ended")
        self.gripper.drop("the simulation ended")

    def _pass_time(self) -> None:
        due = marked = time.monotonic()
        ticks = 0
        while not self._stopping.is_set():
            state = self._tick()
            for listener in self._listeners:
                listener(state, self._offset + state.stamp)
            ticks += 1
            now = time.monotonic()
            if now - marked >= MEMORY:
                self.measured_factor, marked, ticks = ticks * TICK / (now - marked), now, 0
            if self.factor > 0:
                due = max(due + TICK / self.factor, now - DEBT)
                if due > now:
                    self._stopping.wait(due - now)
            else:
                due = now

    def _tick(self) -> RobotState:
        with self._gate:
            pass  # whoever asked for stillness goes first
        with self._lock:
            now = self.backend.now()
            width, force = self.gripper.targets(now, TICK)
            state = self.backend.advance(self.arm.targets(now, TICK, STEPS), width=width, force=force)
            if self._wall is not None:
                self._offset = self._wall() - state.stamp
            self.arm.judge(state)
            self.gripper.judge(state)
            return state
