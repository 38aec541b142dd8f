"""Joint paths to timed trajectories within velocity, acceleration and jerk limits.

The path's corners are rounded, TOPP-RA finds the fastest timing under velocity and
acceleration limits, and a moving average over a few milliseconds bounds the jerk: averaging
an acceleration of at most a over a window T leaves a jerk of at most 2 a / T, keeps every
other limit, and keeps straight paths straight.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from embodied_agent.control.kinematics import Kinematics
from embodied_agent.errors import MissingDependency
from embodied_agent.robots.description import RobotDescription
from embodied_agent.types import Array, JointTrajectory

PERIOD = 0.01  # [s] between samples of the result
TICK = 0.001  # [s] inside
ROUNDING = 0.15  # [rad], how far from a corner its rounding begins, at most
SMOOTHING = 0.03  # [s], window of the moving average, at least
COMFORT = 0.5  # share of the acceleration limit used at full speed: a held thing must not slip
SHORTEST = 1e-3  # [rad] between points at which the timing is solved
SAME = 1e-6  # [rad], a motion shorter than this is none
STANDING = 1e-6  # [rad/s] on the way, below which the solver found no motion
NEAR = 2e-3  # [rad], waypoints nearer than this are one


@dataclass(frozen=True)
class RoundedPath:
    """Straight joint segments whose corners are quadratic arcs, parameterised by length.

    The tangent is continuous: each arc through the control points a, b, c counts as
    2 |b - a| long, so that its derivative has unit length at both ends.

    Attributes:
        controls: Control points of each piece, (P, 3, n); a line has them evenly spread.
        starts: Path length at which each piece begins, (P + 1,).
    """

    controls: Array
    starts: Array

    @property
    def length(self) -> float:
        """[rad]."""
        return float(self.starts[-1])

    def __call__(self, lengths: Array, order: int = 0) -> Array:
        """Joints, or their first or second derivative by length, at lengths (k,); (k, n)."""
        lengths = np.atleast_1d(np.asarray(lengths, dtype=np.float64))
        piece = np.clip(np.searchsorted(self.starts, lengths, "right") - 1, 0, len(self.controls) - 1)
        size = (self.starts[1:] - self.starts[:-1])[piece][:, None]
        u = np.clip((lengths - self.starts[piece])[:, None] / size, 0.0, 1.0)
        a, b, c = (self.controls[piece, k] for k in range(3))
        if order == 0:
            value: Array = (1 - u) ** 2 * a + 2 * u * (1 - u) * b + u**2 * c
        elif order == 1:
            value = 2 * ((1 - u) * (b - a) + u * (c - b)) / size
        else:
            value = 2 * (a - 2 * b + c) / size**2
        return value


def round_corners(path: Array, rounding: float = ROUNDING) -> RoundedPath:
    """A smooth path near the waypoints (T, n); the first and last are met exactly."""
    path = _distinct(path)
    steps = np.diff(path, axis=0)
    sizes = np.linalg.norm(steps, axis=1)
    units = steps / sizes[:, None]
    # An arc takes at most half of either neighbouring segment.
    radius = np.minimum(rounding, np.minimum(sizes[:-1], sizes[1:]) / 2)
    bends = np.concatenate([[0.0], radius, [0.0]])
    controls, lengths = [], []
    for k in range(len(steps)):
        first = path[k] + units[k] * bends[k]
        last = path[k + 1] - units[k] * bends[k + 1]
        if (straight := sizes[k] - bends[k] - bends[k + 1]) > 1e-9:
            controls.append([first, (first + last) / 2, last])
            lengths.append(straight)
        if k + 1 < len(steps):
            corner = path[k + 1]
            controls.append([last, corner, corner + units[k + 1] * bends[k + 1]])
            lengths.append(2 * bends[k + 1])
    return RoundedPath(np.array(controls), np.concatenate([[0.0], np.cumsum(lengths)]))


def rounded_waypoints(path: Array, step: float = 0.02, rounding: float = ROUNDING) -> Array:
    """Joints (T, n) along the rounded path, for checking it against collisions."""
    path = np.asarray(path, dtype=np.float64)
    if len(_distinct(path)) < 2:
        return path[:1]
    smooth = round_corners(path, rounding)
    return smooth(np.linspace(0.0, smooth.length, max(2, int(np.ceil(smooth.length / step)) + 1)))


def parameterize(
    description: RobotDescription,
    path: Array,
    speed: float = 0.5,
    kinematics: Kinematics | None = None,
) -> JointTrajectory:
    """Time a joint path.

    Args:
        description: Velocity, acceleration and jerk limits.
        path: Waypoints (T, n) [rad].
        speed: Share of the limits to use, in (0, 1].
        kinematics: With it, the tool too keeps its speed limit.

    Returns:
        Samples every 10 ms, at rest at both ends.

    Raises:
        ValueError: The path is not finite, of the wrong size, or `speed` is out of range.
    """
    path = np.atleast_2d(np.asarray(path, dtype=np.float64))
    count = len(description.joints)
    if path.shape[1] != count or not len(path) or not np.isfinite(path).all():
        raise ValueError(f"a path of {count} finite joint angles is needed, not an array {path.shape}")
    if not 0.0 < speed <= 1.0:
        raise ValueError(f"speed must lie in (0, 1], not {speed}")
    if len(_distinct(path)) < 2:
        # A motion to where the arm is: one period of standing still.
        still = np.stack([path[0], path[-1]])
        return JointTrajectory(np.array([0.0, PERIOD]), still, np.zeros_like(still))
    smooth = round_corners(path)
    velocity = description.velocity_limits * speed * 0.98
    acceleration = description.acceleration_limits * speed * COMFORT
    lengths = _timing(smooth, velocity, acceleration)
    window = max(SMOOTHING, float((2 * acceleration / description.jerk_limits).max()))
    return _sampled(smooth(lengths), window, description, speed, kinematics)


def _timing(smooth: RoundedPath, velocity: Array, acceleration: Array) -> Array:
    """Path length at every `TICK` of the fastest motion from rest to rest, (k,)."""
    for grid in (_grid(smooth), np.linspace(0.0, smooth.length, 301)):
        speeds = _fastest(smooth, grid, velocity, acceleration)
        if speeds is not None:
            break
    else:
        grid, speeds = _cautious(smooth, velocity, acceleration)
    points = grid
    steps = np.diff(points)
    sums = speeds[:-1] + speeds[1:]
    # Constant path acceleration between grid points.
    times = np.concatenate([[0.0], np.cumsum(2 * steps / np.maximum(sums, 1e-9))])
    moments = np.arange(0.0, times[-1] + TICK, TICK)
    k = np.clip(np.searchsorted(times, moments, "right") - 1, 0, len(steps) - 1)
    tau = np.minimum(moments - times[k], times[k + 1] - times[k])
    gain = (speeds[k + 1] - speeds[k]) / (times[k + 1] - times[k])
    lengths: Array = np.clip(points[k] + speeds[k] * tau + gain * tau**2 / 2, 0.0, smooth.length)
    return lengths


def _grid(smooth: RoundedPath) -> Array:
    """Path lengths to solve at: ends of pieces, so that no step straddles a jump of curvature."""
    grid = [0.0]
    for start, end in zip(smooth.starts[:-1], smooth.starts[1:], strict=True):
        count = int(np.clip(np.ceil((end - start) / 0.02), 4, 120)) if len(smooth.controls) < 60 else 2
        grid.extend(np.linspace(start, end, count + 1)[1:])
    points = np.array(grid)
    # Steps of micrometres, between rounded corners that almost meet, are numerical noise.
    keep, last = [0], 0.0
    for k in range(1, len(points) - 1):
        if points[k] - last >= SHORTEST and points[-1] - points[k] >= SHORTEST:
            keep.append(k)
            last = points[k]
    kept: Array = points[[*keep, len(points) - 1]]
    return kept


def _fastest(smooth: RoundedPath, grid: Array, velocity: Array, acceleration: Array) -> Array | None:
    """Path speeds at the grid points by TOPP-RA, or None where its numbers fail."""
    algorithm, constraint = _toppra()
    limits = [
        constraint.JointVelocityConstraint(np.stack([-velocity, velocity], axis=1)),
        constraint.JointAccelerationConstraint(np.stack([-acceleration, acceleration], axis=1)),
    ]
    solver = algorithm.TOPPRA(limits, _Geometry(smooth), gridpoints=grid, solver_wrapper="seidel")
    _, speeds, _ = solver.compute_parameterization(0.0, 0.0)
    if speeds is None or not np.isfinite(speeds).all() or len(speeds) < 3 or (speeds[1:-1] < STANDING).any():
        return None  # at rest all the way: such a motion would never end
    fastest: Array = np.asarray(speeds, dtype=np.float64)
    return fastest


def _cautious(smooth: RoundedPath, velocity: Array, acceleration: Array) -> tuple[Array, Array]:
    """Grid and path speeds by one pass forwards and one back: slower than need be, never without an answer.

    Half of the acceleration goes to the curvature, half to the change of speed.
    """
    grid = np.unique(np.concatenate([np.linspace(0.0, smooth.length, 2001), smooth.starts]))
    slopes = np.maximum(np.abs(smooth(grid, 1)), 1e-9)
    # On the grid's own points and between them, so that no short corner is missed.
    middles = np.minimum(grid + 1e-9, smooth.length)
    bends = np.maximum(np.abs(smooth(grid, 2)), np.abs(smooth(middles, 2)))
    bends = np.maximum(bends, np.roll(bends, 1, axis=0))
    caps = np.minimum(
        (velocity / slopes).min(axis=1) ** 2, (0.5 * acceleration / np.maximum(bends, 1e-9)).min(axis=1)
    )
    ramp = float((0.5 * acceleration / slopes.max(axis=0)).min())
    squares, gains = caps.copy(), 2 * ramp * np.diff(grid)
    squares[0] = squares[-1] = 0.0
    for k in range(len(gains)):
        squares[k + 1] = min(squares[k + 1], squares[k] + gains[k])
    for k in range(len(gains) - 1, -1, -1):
        squares[k] = min(squares[k], squares[k + 1] + gains[k])
    return grid, np.sqrt(squares)


def _sampled(
    positions: Array,
    window: float,
    description: RobotDescription,
    speed: float,
    kinematics: Kinematics | None,
) -> JointTrajectory:
    """Average over `window` [s], stretch if a limit is still passed, and sample."""
    half = int(np.ceil(window / TICK))
    padded = np.pad(positions, ((half, half), (0, 0)), mode="edge")
    total = np.cumsum(np.concatenate([np.zeros((1, padded.shape[1])), padded]), axis=0)
    averaged = (total[half:] - total[:-half]) / half
    averaged[0], averaged[-1] = positions[0], positions[-1]
    stretch = _stretch(averaged, description, speed)
    if kinematics is not None:
        stretch = max(stretch, _tool_stretch(averaged, kinematics))
    ticks = np.arange(len(averaged)) * TICK * stretch
    count = max(2, int(np.ceil(ticks[-1] / PERIOD)) + 1)
    # A whole number of periods: the last sample is the goal, at rest.
    ticks *= (count - 1) * PERIOD / ticks[-1]
    times = np.arange(count) * PERIOD
    velocities: Array = np.asarray(np.gradient(averaged, ticks, axis=0), dtype=np.float64)
    velocities[0] = velocities[-1] = 0.0
    columns = range(averaged.shape[1])
    samples = np.stack([np.interp(times, ticks, averaged[:, k]) for k in columns], axis=1)
    rates = np.stack([np.interp(times, ticks, velocities[:, k]) for k in columns], axis=1)
    # Exactly at both ends, and exactly at rest there.
    samples[0], samples[-1] = positions[0], positions[-1]
    rates[0] = rates[-1] = 0.0
    return JointTrajectory(np.asarray(times, dtype=np.float64), samples, rates)


def _stretch(positions: Array, description: RobotDescription, speed: float) -> float:
    """By how much to slow down so that no limit is passed between samples of `TICK`; at least 1."""
    ratios = [1.0]
    # Differences over 10 ticks: what the controller, which reads every 10 ms, can feel.
    stride = round(PERIOD / TICK)
    share = speed * 0.96  # sampling and interpolation take the rest
    limits = (
        description.velocity_limits * speed,
        description.acceleration_limits * share,
        description.jerk_limits * 0.96,
    )
    values = positions
    for order, limit in enumerate(limits, start=1):
        values = (values[stride:] - values[:-stride]) / PERIOD
        if len(values):
            worst = float((np.abs(values) / limit).max())
            ratios.append(worst ** (1.0 / order))
    return max(ratios)


def _tool_stretch(positions: Array, kinematics: Kinematics) -> float:
    """By how much to slow down for the tool's speed limit; at least 1."""
    points = kinematics.tool_points(positions[:: round(PERIOD / TICK)])
    if len(points) < 2:
        return 1.0
    fastest = float(np.linalg.norm(np.diff(points, axis=0), axis=1).max()) / PERIOD
    return max(1.0, fastest / kinematics.description.safety.tool_speed)


def _distinct(path: Array) -> Array:
    """Waypoints without those next to the one before, which leave no room for a corner."""
    if np.linalg.norm(path - path[0], axis=1).max() < SAME:
        return path[:1]
    keep = [0]
    for k in range(1, len(path) - 1):
        if np.linalg.norm(path[k] - path[keep[-1]]) > NEAR:
            keep.append(k)
    if len(keep) > 1 and np.linalg.norm(path[-1] - path[keep[-1]]) <= NEAR:
        keep.pop()
    if np.linalg.norm(path[-1] - path[keep[-1]]) < SAME:
        return path[keep]
    distinct: Array = path[[*keep, len(path) - 1]]
    return distinct


class _Geometry:
    """The path as TOPP-RA asks for it."""

    def __init__(self, smooth: RoundedPath) -> None:
        self.smooth = smooth

    def __call__(self, lengths: Any, order: int = 0) -> Array:
        value = self.smooth(lengths, order)
        return value[0] if np.isscalar(lengths) else value

    @property
    def dof(self) -> int:
        return int(self.smooth.controls.shape[2])

    @property
    def path_interval(self) -> Array:
        return np.array([0.0, self.smooth.length])

    @property
    def waypoints(self) -> tuple[Array, Array]:
        return self.smooth.starts, self.smooth(self.smooth.starts)


def warm_up() -> None:
    """Import what the first trajectory needs (most of a second), so that no motion waits for it."""
    _toppra()


def _toppra() -> tuple[Any, Any]:
    try:
        logging.getLogger("toppra").setLevel(logging.ERROR)
        from toppra import algorithm, constraint
    except ImportError:
        raise MissingDependency("timing needs toppra: pip install 'embodied-agent[mujoco]'") from None
    return algorithm, constraint
