"""The back end contract as a function: run it on any robot, simulated or real.

The checks move the arm by at most 0.1 rad per joint from where it is, and open and close the
gripper once: leave that much room around a real one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embodied_agent.errors import CameraError, RobotError
from embodied_agent.robots.backend import Backend
from embodied_agent.types import Array, Camera, JointTrajectory, RobotState

REACH = 0.1  # [rad] that the checks move a joint by
TICK_LIMIT = 0.1  # [s] within which a watch must stop the arm and readings must renew


class ContractError(AssertionError):
    """A back end breaks the contract; the message says where and how."""


@dataclass(frozen=True)
class Finding:
    """One check that ran: its name, and what it measured."""

    name: str
    measured: str


def check_backend(backend: Backend, *, close: bool = True) -> tuple[Finding, ...]:
    """Verify that a back end keeps the contract.

    Args:
        backend: Freshly made, at rest, with room to move 0.1 rad.
        close: Also check that closing works, and twice; the back end is unusable afterwards.

    Returns:
        What was checked, with measurements.

    Raises:
        ContractError: The first broken clause, with numbers.
    """
    checks: list[Callable[[Backend], str]] = [
        _description,
        _state,
        _cameras,
        _follow,
        _clock,
        _watch,
        _refusals,
        _stop,
        _grip,
        _wait,
    ]
    findings = [Finding(check.__name__.strip("_"), check(backend)) for check in checks]
    if close:
        backend.close()
        backend.close()
        findings.append(Finding("close", "twice"))
    return tuple(findings)


def _demand(condition: bool, message: str) -> None:
    if not condition:
        raise ContractError(message)


def _description(backend: Backend) -> str:
    count = len(backend.description.joints)
    _demand(count > 0, "description.joints is empty")
    _demand(len(backend.cameras) > 0, "cameras is empty: a planner needs to see")
    _demand(len(set(backend.cameras)) == len(backend.cameras), f"cameras {backend.cameras} are not unique")
    return f"{backend.description.name}, {count} joints, cameras {', '.join(backend.cameras)}"


def _state(backend: Backend) -> str:
    state, count = backend.state(), len(backend.description.joints)
    for name in ("positions", "velocities", "efforts"):
        value = getattr(state, name)
        _demand(isinstance(value, np.ndarray), f"state().{name} is {type(value).__name__}, not an array")
        _demand(value.shape == (count,), f"state().{name} has shape {value.shape}, expected ({count},)")
        _demand(bool(np.isfinite(value).all()), f"state().{name} is not finite: {value}")
    description = backend.description
    low, high = description.lower - 0.05, description.upper + 0.05
    inside = (state.positions >= low) & (state.positions <= high)
    _demand(bool(inside.all()), f"positions {state.positions} lie outside the limits: radians?")
    widest = description.gripper.max_width + 0.01
    _demand(-0.01 <= state.gripper_width <= widest, f"gripper_width {state.gripper_width} is not 0 to {widest} m")
    _demand(state.external_force.shape == (3,), f"external_force has shape {state.external_force.shape}")
    kept = state.positions.copy()
    state.positions[:] = 99.0
    _demand(np.allclose(backend.state().positions, kept, atol=0.02), "a caller can change the state it was given")
    return f"width {state.gripper_width:.3f} m"


def _cameras(backend: Backend) -> str:
    seen = []
    for name in backend.cameras:
        frame = backend.capture(name)
        camera, shape = frame.camera, frame.depth.shape
        _demand(frame.rgb.dtype == np.uint8, f"{name}: rgb is {frame.rgb.dtype}, not uint8")
        _demand(frame.rgb.shape == (*shape, 3), f"{name}: rgb {frame.rgb.shape} does not fit depth {shape}")
        _demand(frame.depth.dtype == np.float32, f"{name}: depth is {frame.depth.dtype}, not float32")
        _demand(shape == (camera.height, camera.width), f"{name}: image {shape} is not the camera's size")
        _demand(bool(np.isfinite(frame.depth).all()), f"{name}: depth holds nan or inf; 0 means no reading")
        _demand(float(frame.depth.min()) >= 0, f"{name}: negative depth")
        _demand(frame.depth.max() < 100, f"{name}: depth up to {frame.depth.max():.0f}: millimetres?")
        _demand(min(camera.fx, camera.fy) > 0, f"{name}: focal length {camera.fx}, {camera.fy}")
        middle = abs(camera.cx - (camera.width - 1) / 2) < camera.width / 4
        _demand(middle, f"{name}: principal point {camera.cx}, {camera.cy} is far from the middle")
        _demand(camera.name == name, f"{name}: the frame's camera is called '{camera.name}'")
        _demand(abs(frame.stamp - backend.now()) < 1.0, f"{name}: stamp {frame.stamp} is not the back end's time")
        _demand_consistent(name, frame.depth, camera)
        seen.append(f"{name} {camera.width}x{camera.height}")
    _demand_raises(lambda: backend.capture("no such camera"), CameraError, "capture of an unknown camera")
    return ", ".join(seen)


def _demand_consistent(name: str, depth: NDArray[np.float32], camera: Camera) -> None:
    """Points made from depth must fall back on their own pixels."""
    points = camera.unproject(depth)
    rows, columns = np.nonzero(depth > 0)
    _demand(len(rows) > 0.05 * depth.size, f"{name}: only {len(rows)} pixels have depth")
    pick = np.linspace(0, len(rows) - 1, 200).astype(int)
    pixels = camera.project(points[rows[pick], columns[pick]])
    error = float(np.abs(pixels - np.stack([columns[pick], rows[pick]], axis=1)).max())
    _demand(error < 0.01, f"{name}: intrinsics and pose disagree with depth by {error:.3f} px")


def _nudge(backend: Backend, seconds: float = 1.0, size: float = REACH) -> tuple[JointTrajectory, Array]:
    """A smooth motion of every joint, away from its nearer limit."""
    description, start = backend.description, backend.state().positions.copy()
    middle = (description.lower + description.upper) / 2
    goal = start + size * np.where(start < middle, 1.0, -1.0)
    times = np.linspace(0.0, seconds, 51)
    s = (times / seconds)[:, None]
    path = start + (10 * s**3 - 15 * s**4 + 6 * s**5) * (goal - start)
    speed = (30 * s**2 - 60 * s**3 + 30 * s**4) / seconds * (goal - start)
    return JointTrajectory(times, path, speed), goal


def _follow(backend: Backend) -> str:
    trajectory, goal = _nudge(backend)
    began, readings = backend.now(), []

    def watch(state: RobotState) -> str:
        readings.append(state)
        return ""

    motion = backend.follow(trajectory, watch)
    _demand(motion.completed and not motion.reason, f"follow did not complete: {motion.reason}")
    error = float(np.abs(backend.state().positions - goal).max())
    _demand(error < 0.03, f"follow ended {error:.3f} rad from its goal")
    took = backend.now() - began
    _demand(took > 0.9, f"a motion of 1 s took {took:.2f} s of the back end's clock")
    _demand(
        abs(motion.duration - took) < 0.2, f"Motion.duration {motion.duration:.2f} s, the clock says {took:.2f}"
    )
    _demand(len(readings) >= 10, f"watch was called {len(readings)} times in 1 s")
    gaps = np.diff([state.stamp for state in readings])
    _demand(bool((gaps > 0).all()), "stamps of the readings do not increase")
    _demand(float(gaps.max()) <= TICK_LIMIT, f"readings are up to {gaps.max():.2f} s apart")
    moved = np.ptp([state.positions for state in readings], axis=0)
    _demand(bool((moved > 0.5 * REACH).all()), f"readings during the motion barely change: {moved}")
    return f"error {error:.4f} rad, {len(readings)} readings"


def _clock(backend: Backend) -> str:
    times = [backend.now()]
    for _ in range(3):
        backend.wait(0.05)
        times.append(backend.now())
    _demand(bool((np.diff(times) > 0).all()), f"now() does not increase: {times}")
    return f"{times[-1] - times[0]:.2f} s"


def _watch(backend: Backend) -> str:
    trajectory, _ = _nudge(backend, seconds=2.0)
    limit = backend.now() + 0.5
    calls_after = 0

    def watch(state: RobotState) -> str:
        nonlocal calls_after
        if state.stamp < limit:
            return ""
        calls_after += 1
        return "far enough"

    motion = backend.follow(trajectory, watch)
    _demand(not motion.completed, "a motion that its watch stopped says completed")
    _demand(motion.reason == "far enough", f"Motion.reason is '{motion.reason}', not the watch's sentence")
    _demand(calls_after == 1, f"the motion went on for {calls_after - 1} ticks after its watch stopped it")
    late = motion.state.stamp - limit
    _demand(late <= TICK_LIMIT, f"the motion stopped {late:.2f} s late")
    before = motion.state.positions
    backend.wait(0.3)
    drift = float(np.abs(backend.state().positions - before).max())
    _demand(drift < 0.05, f"after a stop the arm moved another {drift:.3f} rad")
    _demand(float(np.abs(backend.state().velocities).max()) < 0.05, "after a stop the arm still moves")
    return f"drift {drift:.4f} rad"


def _refusals(backend: Backend) -> str:
    start = backend.state().positions.copy()
    count = len(start)
    ends = np.stack([start, start])
    cases = {
        "another number of joints": JointTrajectory(
            np.array([0.0, 1.0]), np.zeros((2, count + 1)), np.zeros((2, count + 1))
        ),
        "a start elsewhere": JointTrajectory(np.array([0.0, 1.0]), ends + 0.2, np.zeros((2, count))),
        "times that do not increase": JointTrajectory(np.array([0.0, 0.0]), ends, np.zeros((2, count))),
        "positions that are not finite": JointTrajectory(
            np.array([0.0, 1.0]), ends * np.nan, np.zeros((2, count))
        ),
    }
    for what, trajectory in cases.items():
        _demand_raises(lambda t=trajectory: backend.follow(t), RobotError, f"a trajectory with {what}")  # type: ignore[misc]
    _demand_raises(lambda: backend.drive("no such place"), RobotError, "a drive to a place that it does not know")
    moved = float(np.abs(backend.state().positions - start).max())
    _demand(moved < 0.01, f"a refused trajectory moved the arm by {moved:.3f} rad")
    return f"{len(cases) + 1} refused"


def _stop(backend: Backend) -> str:
    backend.stop()  # at rest: nothing happens, and the next command runs
    trajectory, _ = _nudge(backend, seconds=2.0, size=REACH / 2)
    limit = backend.now() + 0.4

    def watch(state: RobotState) -> str:
        if state.stamp >= limit:
            backend.stop()  # as a signal handler would
        return ""

    motion = backend.follow(trajectory, watch)
    _demand(not motion.completed and motion.reason != "", "stop() during a motion did not end it")
    late = motion.state.stamp - limit
    _demand(late <= TICK_LIMIT, f"stop() took {late:.2f} s")
    before = backend.state().positions
    backend.wait(0.3)
    drift = float(np.abs(backend.state().positions - before).max())
    _demand(drift < 0.05, f"after stop() the arm moved another {drift:.3f} rad")
    return f"drift {drift:.4f} rad"


def _grip(backend: Backend) -> str:
    gripper = backend.description.gripper
    limit = gripper.max_force * 1.5
    half = (gripper.min_width + gripper.max_width) / 2
    motion = backend.grip(half, gripper.max_force / 4)
    _demand(motion.completed, f"grip did not complete: {motion.reason}")
    width = backend.state().gripper_width
    _demand(width >= half - 0.01, f"asked for {half:.3f} m, the fingers are at {width:.3f} m")
    force = backend.state().gripper_force
    _demand(0 <= force <= limit, f"gripper_force {force:.1f} N is not 0 to {limit:.0f} N")
    stopped = backend.grip(gripper.min_width, gripper.max_force / 4, lambda state: "enough")
    _demand(not stopped.completed and stopped.reason == "enough", "grip does not obey its watch")
    _demand_raises(lambda: backend.grip(float("nan"), 10.0), RobotError, "a gripper width that is not finite")
    motion = backend.grip(gripper.max_width, gripper.max_force / 4)
    opened = backend.state().gripper_width
    _demand(opened > 0.8 * gripper.max_width, f"the gripper opened to {opened:.3f} of {gripper.max_width:.3f} m")
    return f"{width:.3f} m at half, {opened:.3f} m open"


def _wait(backend: Backend) -> str:
    began, real = backend.now(), time.monotonic()
    motion = backend.wait(0.2)
    took = backend.now() - began
    _demand(motion.completed and 0.19 <= took <= 0.5, f"wait(0.2) took {took:.2f} s")
    stopped = backend.wait(5.0, lambda state: "enough")
    _demand(not stopped.completed and backend.now() - began < 2.0, "wait does not obey its watch")
    return f"{took:.2f} s in {time.monotonic() - real:.2f} s"


def _demand_raises(act: Callable[[], object], kind: type[Exception], what: str) -> None:
    try:
        act()
    except kind:
        return
    except Exception as error:
        raise ContractError(f"{what} raises {type(error).__name__}, expected {kind.__name__}") from error
    raise ContractError(f"{what} is accepted, expected {kind.__name__}")
