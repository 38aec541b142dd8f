"""The contract between this project and any robot, simulated or real.

A back end executes and reports; it decides nothing. Limits, collision and consent live above
it (control/safety.py), which is the only caller. `check_backend` verifies an implementation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType

from embodied_agent.errors import RobotError
from embodied_agent.robots.description import RobotDescription
from embodied_agent.types import Frame, JointTrajectory, Motion, RobotState

# Called at every control tick with the newest reading. A returned sentence stops the motion
# within that tick and becomes `Motion.reason`; "" lets it go on.
Watch = Callable[[RobotState], str]


def never(state: RobotState) -> str:
    """The watch that stops nothing."""
    return ""


class Backend(ABC):
    """One robot with its cameras.

    Attributes:
        description: Joints, limits, gripper, frames and cameras.
    """

    description: RobotDescription

    @property
    @abstractmethod
    def cameras(self) -> tuple[str, ...]:
        """Names that `capture` accepts; the first is the one a planner sees."""

    @abstractmethod
    def now(self) -> float:
        """Time of the robot's clock [s]; simulated time in a simulator."""

    @abstractmethod
    def state(self) -> RobotState:
        """The newest reading of the robot's sensors."""

    @abstractmethod
    def capture(self, camera: str) -> Frame:
        """One RGB-D reading, 640x480 unless the camera is configured otherwise.

        Raises:
            CameraError: Unknown camera, no image, or no rendering on this machine.
        """

    @abstractmethod
    def follow(self, trajectory: JointTrajectory, watch: Watch = never) -> Motion:
        """Track a joint trajectory; return when it ends, settles, or `watch` stops it.

        Raises:
            RobotError: The trajectory has another number of joints, or does not start where
                the arm is (0.05 rad).
        """

    @abstractmethod
    def grip(self, width: float, force: float, watch: Watch = never) -> Motion:
        """Move the fingers to `width` [m] with at most `force` [N]; return once they are still.

        Stopping early on an object is a completed motion: `state` tells width and force.
        """

    @property
    def places(self) -> tuple[str, ...]:
        """Names of places that `drive` accepts; () = the robot stands where it is."""
        return ()

    def drive(self, place: str, watch: Watch = never) -> Motion:
        """Drive the whole robot to one of `places`; return when it is there, or `watch` stops it.

        Raises:
            RobotError: There is no such place.
        """
        known = f"it knows {', '.join(self.places)}" if self.places else "it stands where it is"
        raise RobotError(f"{self.description.name} cannot drive to '{place}': {known}")

    @abstractmethod
    def wait(self, seconds: float, watch: Watch = never) -> Motion:
        """Hold still and let time pass."""

    @abstractmethod
    def stop(self) -> None:
        """Halt at once and hold the measured position. Safe to call from a signal handler."""

    @abstractmethod
    def close(self) -> None:
        """Release everything; the robot holds. Calling it twice is allowed."""

    def __enter__(self) -> Backend:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
