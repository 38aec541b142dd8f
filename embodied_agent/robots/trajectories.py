"""Reading a joint trajectory at any time, and refusing one that cannot be followed."""

from __future__ import annotations

import numpy as np

from embodied_agent.errors import RobotError
from embodied_agent.robots.description import RobotDescription
from embodied_agent.types import Array, JointTrajectory

START_TOLERANCE = 0.05  # [rad]


def check_trajectory(trajectory: JointTrajectory, description: RobotDescription, positions: Array) -> None:
    """Refuse a trajectory that this robot cannot follow from `positions` [rad], (n,).

    Raises:
        RobotError: Wrong shapes, times that do not increase from 0, numbers that are not
            finite, or a start more than 0.05 rad from where the arm is.
    """
    count = len(description.joints)
    times, path = np.asarray(trajectory.times), np.asarray(trajectory.positions)
    if times.ndim != 1 or len(times) < 1:
        raise RobotError("the trajectory has no points")
    if path.shape != (len(times), count) or np.shape(trajectory.velocities) != path.shape:
        raise RobotError(
            f"the trajectory has positions {path.shape} and velocities {np.shape(trajectory.velocities)} "
            f"for {len(times)} times; {description.name} has {count} joints"
        )
    if not all(np.isfinite(part).all() for part in (times, path, trajectory.velocities)):
        raise RobotError("the trajectory holds numbers that are not finite")
    if abs(float(times[0])) > 1e-9 or (np.diff(times) <= 0).any():
        raise RobotError("the times of a trajectory must start at 0 and increase")
    gap = np.abs(path[0] - positions)
    if gap.max() > START_TOLERANCE:
        joint = description.joint_names[int(gap.argmax())]
        raise RobotError(
            f"the trajectory starts {gap.max():.3f} rad from where '{joint}' is; allowed {START_TOLERANCE}"
        )


def sample(trajectory: JointTrajectory, times: Array) -> tuple[Array, Array]:
    """Positions and velocities (M, n) at times (M,); held before the start and after the end.

    Cubic between the points, so that both positions and velocities are met.
    """
    knots, path, speed = trajectory.times, trajectory.positions, trajectory.velocities
    if len(knots) == 1:
        return np.repeat(path, len(times), axis=0), np.zeros((len(times), path.shape[1]))
    at = np.clip(times, 0.0, knots[-1])
    index = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    span = (knots[index + 1] - knots[index])[:, None]
    s = (at - knots[index])[:, None] / span
    p0, p1, v0, v1 = path[index], path[index + 1], speed[index] * span, speed[index + 1] * span
    positions = (
        (2 * s**3 - 3 * s**2 + 1) * p0 + (s**3 - 2 * s**2 + s) * v0
        + (-2 * s**3 + 3 * s**2) * p1 + (s**3 - s**2) * v1
    )  # fmt: skip
    velocities = ((6 * s**2 - 6 * s) * (p0 - p1) + (3 * s**2 - 4 * s + 1) * v0 + (3 * s**2 - 2 * s) * v1) / span
    velocities[times > knots[-1]] = 0.0
    return positions, velocities
