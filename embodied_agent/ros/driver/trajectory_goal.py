"""Reading a FollowJointTrajectory goal, and refusing one that no controller could follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embodied_agent.errors import BadInput
from embodied_agent.robots.ros2.messages import seconds
from embodied_agent.types import Array

UNLIMITED = -1.0  # a tolerance in a goal: none; 0 means the controller's own


@dataclass(frozen=True)
class Tolerances:
    """How far the arm may be from what it should do; inf = as far as it likes.

    Attributes:
        path, goal: Position error on the way and at the end [rad], (n,).
        path_speed, goal_speed: Velocity error, the same [rad/s], (n,).
        goal_time: Time after the last point within which the end must be reached [s].
        start: Jump from where the arm is to the first point [rad].
    """

    path: Array
    goal: Array
    path_speed: Array
    goal_speed: Array
    goal_time: float
    start: float


@dataclass(frozen=True)
class TrajectoryGoal:
    """A goal in the arm's own order of joints.

    Attributes:
        start: ROS time at which it begins [s]; 0 = at once.
        times: [s] from the start, (T,).
        positions: (T, n) [rad].
        velocities, accelerations: (T, n), or None.
        tolerances: The goal's own, else the controller's.
    """

    start: float
    times: Array
    positions: Array
    velocities: Array | None
    accelerations: Array | None
    tolerances: Tolerances


def default_tolerances(
    count: int, path: float, goal: float, stopped: float, time: float, start: float
) -> Tolerances:
    """The controller's own, for `count` joints; 0 = unlimited, as in its parameters."""

    def each(value: float) -> Array:
        return np.full(count, value if value > 0 else np.inf)

    return Tolerances(
        each(path),
        each(goal),
        each(0.0),
        each(stopped),
        time if time > 0 else np.inf,
        start if start > 0 else np.inf,
    )


def goal_of(message: Any, names: Sequence[str], defaults: Tolerances) -> TrajectoryGoal:
    """A FollowJointTrajectory goal.

    Raises:
        BadInput: It cannot be followed; says which joint, point and number.
    """
    if message.multi_dof_trajectory.points:
        raise BadInput("multi_dof_trajectory has points; this arm has single joints only")
    if message.component_path_tolerance or message.component_goal_tolerance:
        raise BadInput("tolerances of components are given; this arm has single joints only")
    goal = trajectory_of(message.trajectory, names, defaults)
    path, path_speed = _tolerance(message.path_tolerance, names, defaults.path, defaults.path_speed, "path")
    end, end_speed = _tolerance(message.goal_tolerance, names, defaults.goal, defaults.goal_speed, "goal")
    time = seconds(message.goal_time_tolerance)
    time = defaults.goal_time if time == 0 else (np.inf if time < 0 else time)
    return replace(goal, tolerances=Tolerances(path, end, path_speed, end_speed, time, defaults.start))


def trajectory_of(message: Any, names: Sequence[str], tolerances: Tolerances) -> TrajectoryGoal:
    """A trajectory_msgs/JointTrajectory, with the controller's own tolerances.

    Raises:
        BadInput: As `goal_of`.
    """
    given = list(message.joint_names)
    if sorted(given) != sorted(names):
        raise BadInput(f"joint names are {', '.join(given) or 'missing'}; the arm has {', '.join(names)}")
    if not message.points:
        raise BadInput("the trajectory has no points")
    order = [given.index(name) for name in names]
    times = np.array([seconds(point.time_from_start) for point in message.points])
    if times[0] < 0:
        raise BadInput(f"time_from_start of the first point is {times[0]:g} s")
    late = np.flatnonzero(np.diff(times) <= 0)
    if len(late):
        k = int(late[0]) + 1
        raise BadInput(
            f"time_from_start of point {k} is {times[k]:g} s, not after {times[k - 1]:g} s of the one before"
        )
    positions = _column(message.points, "positions", order)
    velocities, accelerations = (
        _column(message.points, what, order) if any(len(getattr(p, what)) for p in message.points) else None
        for what in ("velocities", "accelerations")
    )
    assert positions is not None
    if velocities is not None and np.abs(velocities[-1]).max() > 1e-6:
        k = int(np.abs(velocities[-1]).argmax())
        raise BadInput(f"the last point leaves '{names[k]}' moving at {velocities[-1][k]:.3g} rad/s")
    if velocities is None and accelerations is not None:
        raise BadInput("accelerations are given without velocities")
    return TrajectoryGoal(seconds(message.header.stamp), times, positions, velocities, accelerations, tolerances)


def _column(points: Sequence[Any], what: str, order: Sequence[int]) -> Array:
    """One field of all points in the arm's order, (T, n)."""
    rows = []
    for index, point in enumerate(points):
        values = np.asarray(getattr(point, what), dtype=np.float64)
        if len(values) != len(order):
            raise BadInput(f"point {index} has {len(values)} {what} for {len(order)} joints")
        if not np.isfinite(values).all():
            raise BadInput(f"point {index} has {what} that are not finite")
        rows.append(values[order])
    return np.stack(rows)


def _tolerance(
    given: Sequence[Any], names: Sequence[str], positions: Array, speeds: Array, what: str
) -> tuple[Array, Array]:
    """Position and velocity tolerances, (n,) each: the goal's where it names a joint."""
    position, speed = positions.copy(), speeds.copy()
    for item in given:
        if item.name not in names:
            raise BadInput(f"{what}_tolerance names '{item.name}'; the arm has {', '.join(names)}")
        k = list(names).index(item.name)
        for array, value in ((position, item.position), (speed, item.velocity)):
            if value == UNLIMITED:
                array[k] = np.inf
            elif value < 0 or not np.isfinite(value):
                raise BadInput(
                    f"{what}_tolerance of '{item.name}' is {value:g}; it is positive, 0, or -1 for none"
                )
            elif value > 0:
                array[k] = value
    return position, speed
