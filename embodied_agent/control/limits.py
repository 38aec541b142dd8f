"""What a command must satisfy before the arm may begin it, each rule with its numbers."""

from __future__ import annotations

import numpy as np

from embodied_agent.control.kinematics import Kinematics
from embodied_agent.robots.description import RobotDescription
from embodied_agent.types import Array, JointTrajectory

MAX_DURATION = 120.0  # [s] at full speed
MAX_SAMPLES = 100_000
AT_START = 0.05  # [rad] between the arm and the first sample
POSITION_SLACK = 1e-3  # [rad]
RATE_SLACK = 1.05  # sampled differences exceed the true ones by a little
TOOL_STEPS = 200  # tool positions looked at on one trajectory


def trajectory_problem(
    kinematics: Kinematics, trajectory: JointTrajectory, positions: Array, speed_scale: float = 1.0
) -> str:
    """Why a trajectory must not be followed; "" if it may.

    Args:
        kinematics: Of the arm.
        trajectory: What it is to follow.
        positions: Where its joints are, (n,) [rad].
        speed_scale: Share of every speed limit that is allowed, (0, 1].
    """
    description = kinematics.description.slowed(speed_scale)
    # Each rule relies on what the earlier ones have established.
    return (
        _shape_problem(description, trajectory, MAX_DURATION / speed_scale)
        or _position_problem(description, trajectory, positions)
        or _rate_problem(description, trajectory)
        or _tool_problem(kinematics, trajectory, positions, description.safety.tool_speed)
    )


def force_problem(description: RobotDescription, max_force: float | None, until_contact: float | None) -> str:
    """Why a motion must not have such force limits [N]; "" if it may."""
    most = description.safety.max_force
    if max_force is not None and not max_force > 0:
        return f"a force limit of {max_force} N is not positive"
    if until_contact is not None and not 0 < until_contact < most:
        return f"a contact of {until_contact} N is outside 0 to {most:.0f} N"
    return ""


def grip_problem(description: RobotDescription, width: float, force: float) -> str:
    """Why the gripper must not be moved so; "" if it may."""
    gripper = description.gripper
    if not (np.isfinite(width) and np.isfinite(force)):
        return f"width {width} m and force {force} N must be finite"
    if not -1e-3 <= width <= gripper.max_width + 1e-3:
        return f"width {width:.3f} m is outside 0 to {gripper.max_width:.3f} m"
    if not 0 < force <= gripper.max_force + 1e-6:
        return f"force {force:.1f} N is outside 0 to {gripper.max_force:.1f} N"
    return ""


def outside_workspace(description: RobotDescription, points: Array) -> Array:
    """How far tool positions (T, 3) lie outside the allowed box [m], (T,); 0 = inside."""
    low, high = np.array(description.safety.low), np.array(description.safety.high)
    beyond = np.maximum(low - points, points - high)
    distance: Array = np.maximum(beyond.max(axis=-1), 0.0)
    return distance


def _shape_problem(description: RobotDescription, trajectory: JointTrajectory, longest: float) -> str:
    times = np.asarray(trajectory.times, dtype=np.float64)
    count = len(description.joints)
    if times.ndim != 1 or not 2 <= len(times) <= MAX_SAMPLES:
        return f"a trajectory needs 2 to {MAX_SAMPLES} samples, not {times.shape}"
    for name, values in (("positions", trajectory.positions), ("velocities", trajectory.velocities)):
        shape = np.shape(values)
        if shape != (len(times), count):
            return f"{name} are {shape}, expected {(len(times), count)}"
        if not np.isfinite(values).all():
            return f"{name} are not finite"
    if not np.isfinite(times).all() or times[0] != 0.0 or (np.diff(times) <= 0).any():
        return "times must start at 0 and increase"
    if times[-1] > longest:
        return f"it takes {times[-1]:.0f} s; {longest:.0f} s are allowed"
    return ""


def _position_problem(description: RobotDescription, trajectory: JointTrajectory, here: Array) -> str:
    path = trajectory.positions
    away = np.abs(path[0] - here)
    k = int(np.argmax(away))
    if away[k] > AT_START:
        name = description.joint_names[k]
        return f"it starts {away[k]:.3f} rad from where '{name}' is; {AT_START} rad are allowed"
    beyond = np.maximum(description.lower - path, path - description.upper)
    # An arm that stands outside may come back in.
    allowed = np.maximum(beyond[0], 0.0) + POSITION_SLACK
    over = (beyond - allowed).max(axis=0)
    k = int(np.argmax(over))
    if over[k] > 0:
        worst = float(beyond[:, k].max())
        return f"'{description.joint_names[k]}' would pass its limit by {worst:.3f} rad"
    return ""


def _rate_problem(description: RobotDescription, trajectory: JointTrajectory) -> str:
    steps = np.diff(trajectory.times)[:, None]
    moves = np.diff(trajectory.positions, axis=0)
    means = moves / steps
    for values in (means, trajectory.velocities):
        reason = _over(description, np.abs(values), description.velocity_limits, "rad/s")
        if reason:
            return reason
    changes = np.abs(np.diff(trajectory.velocities, axis=0)) / steps
    if reason := _over(description, changes, description.acceleration_limits, "rad/s^2"):
        return reason
    # The velocities are fed forward, so they must be those of the positions.
    expected = (trajectory.velocities[1:] + trajectory.velocities[:-1]) / 2
    slack = np.maximum(description.acceleration_limits * steps / 2, 0.02)
    gap = np.abs(means - expected)
    if (gap > slack).any():
        return f"its velocities differ from those of its positions by {gap.max():.2f} rad/s"
    ends = np.abs(trajectory.velocities[[0, -1]])
    allowed = np.maximum(description.acceleration_limits * 0.01, 0.02)
    if (ends > allowed).any():
        return f"it must begin and end at rest, not at {ends.max():.2f} rad/s"
    return ""


def _over(description: RobotDescription, values: Array, limits: Array, unit: str) -> str:
    ratio = values.max(axis=0) / limits
    k = int(np.argmax(ratio))
    if ratio[k] <= RATE_SLACK:
        return ""
    worst, name = float(values[:, k].max()), description.joint_names[k]
    return f"'{name}' would reach {worst:.2f} {unit}; {limits[k]:.2f} {unit} are allowed"


def _tool_problem(kinematics: Kinematics, trajectory: JointTrajectory, here: Array, limit: float) -> str:
    description = kinematics.description
    count = len(trajectory.times)
    picks = np.unique(np.linspace(0, count - 1, min(count, TOOL_STEPS)).astype(int))
    points = kinematics.tool_points(trajectory.positions[picks])
    outside = outside_workspace(description, points)
    start = outside_workspace(description, kinematics.tool_points(here[None]))[0]
    k = int(np.argmax(outside))
    if outside[k] > start + 1e-3:
        x, y, z = points[k]
        return f"the tool would leave its workspace by {outside[k] * 1000:.0f} mm at ({x:.2f}, {y:.2f}, {z:.2f})"
    speeds = np.linalg.norm(np.diff(points, axis=0), axis=1) / np.diff(trajectory.times[picks])
    if len(speeds) and speeds.max() > limit * RATE_SLACK:
        return f"the tool would move at {speeds.max():.2f} m/s; {limit:.2f} m/s are allowed"
    return ""
