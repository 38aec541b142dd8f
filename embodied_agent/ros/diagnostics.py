"""/diagnostics, once a second: model, cameras, transforms, joints, controllers, supervisor, and the goal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from embodied_agent.robots.ros2.controller_state import ControllerReading
from embodied_agent.ros.minds import ModelReading
from embodied_agent.ros.tasks import Tasks, Told

OK, WARN, ERROR, STALE = "ok", "warn", "error", "stale"
LEVELS = {
    OK: DiagnosticStatus.OK,
    WARN: DiagnosticStatus.WARN,
    ERROR: DiagnosticStatus.ERROR,
    STALE: DiagnosticStatus.STALE,
}
CONTROLLERS = "controllers"
RECENT = 60.0  # [s] that a refusal or a slow stop is worth a warning
MODEL_SILENT = 3.0  # periods without an answer


@dataclass(frozen=True)
class Check:
    """One row of /diagnostics.

    Attributes:
        name: What is checked.
        level: OK, WARN, ERROR or STALE.
        sentence: For a person, with numbers.
        values: Numbers behind it.
    """

    name: str
    level: str
    sentence: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """How a topic or a transform comes in.

    Attributes:
        name: Camera, frame, or "joint states".
        age: Of the newest message [s]; None = none came yet.
        rate: Messages a second; None = not known, or not counted.
        limit: Age that is allowed [s].
    """

    name: str
    age: float | None
    rate: float | None
    limit: float


def stream_check(name: str, stream: Stream) -> Check:
    """OK while it is fresh, ERROR before the first message, STALE once it stopped."""
    limit = f"{stream.limit:.2g} s are allowed"
    if stream.age is None:
        return Check(name, ERROR, f"{stream.name}: nothing came yet")
    values: dict[str, Any] = {"age_s": round(stream.age, 3)}
    if stream.rate is not None:
        values["rate_hz"] = round(stream.rate, 1)
    if stream.age > stream.limit:
        return Check(name, STALE, f"{stream.name}: the newest is {stream.age:.2f} s old; {limit}", values)
    if stream.age < -stream.limit:
        sentence = f"{stream.name}: the newest is {-stream.age:.2f} s in the future; clocks differ"
        return Check(name, ERROR, sentence, values)
    rate = "" if stream.rate is None else f", {stream.rate:.1f} Hz"
    return Check(name, OK, f"{stream.name}: {stream.age:.2f} s old{rate}", values)


def controller_check(controllers: Mapping[str, str], arm: ControllerReading | None = None) -> Check:
    """OK where every controller is there.

    Args:
        controllers: Name of each -> what is wrong with it; "" = nothing.
        arm: What the arm's controller says of itself; None = nothing.
    """
    wrong = [f"{name}: {problem}" for name, problem in controllers.items() if problem]
    values: dict[str, Any] = {name: problem or "ready" for name, problem in controllers.items()}
    told = "ready"
    if arm is not None:
        values |= {"farthest_joint": arm.joint, "error_rad": round(arm.error, 4)}
        told += f"; '{arm.joint}' is {arm.error:.3f} rad from its set point"
        if arm.speed_scaling is not None:
            values["speed_scaling"] = round(arm.speed_scaling, 3)
            told += f", executing at {arm.speed_scaling:.0%} speed" if arm.speed_scaling < 1.0 else ""
    return Check(CONTROLLERS, ERROR if wrong else OK, "; ".join(wrong) or told, values)


def model_check(reading: ModelReading | None, period: float) -> Check:
    """OK where the servers answered the last question."""
    if reading is None:
        return Check("model", STALE, "not asked: the node is unconfigured")
    age = time.monotonic() - reading.at
    values = {"answered_in_s": round(reading.took, 3), "asked_s_ago": round(age, 1)}
    if reading.problem:
        return Check("model", ERROR, reading.problem, values)
    if age > MODEL_SILENT * period + 10.0:
        return Check("model", STALE, f"asked {age:.0f} s ago for the last time", values)
    return Check("model", OK, f"answers in {reading.took * 1000:.0f} ms", values)


def supervisor_check(held: str | None, speed_scale: float = 1.0) -> Check:
    """ERROR while the arm is held.

    Args:
        held: Why; "" = it is free; None = there is no supervisor.
        speed_scale: Share of its speed limits that the next goal gets.
    """
    if held is None:
        return Check("supervisor", STALE, "none: the node is unconfigured")
    values = {"speed_scale": speed_scale}
    if held:
        sentence = f"the arm is held since: {held}; call ~/reset after looking at the robot"
        return Check("supervisor", ERROR, sentence, values)
    slowed = "" if speed_scale == 1.0 else f", at {speed_scale:g} of its speed"
    return Check("supervisor", OK, f"the arm may move{slowed}", values)


def task_check(tasks: Tasks, state: str, problem: str) -> Check:
    """What the node does, and what it last refused.

    Args:
        tasks: The action server.
        state: Of the lifecycle.
        problem: Why the last transition failed; "" = it did not.
    """
    run = tasks.run
    doing = f"{state}, idle" if run is None else f"{state}, {run.phase}: {run.tree.instruction[:80]!r}"
    if waiting := tasks.consent.waiting:
        doing += f", {waiting}"
    values = {
        "state": state,
        "goals": tasks.goals,
        "last_goal": tasks.ended.sentence,
        "last_refused": tasks.refused.sentence,
        "waits_for_consent": waiting,
    }
    if tasks.stop_took is not None:
        values["last_stop_ms"] = round(tasks.stop_took * 1000)
    if problem:
        return Check("task", ERROR, f"{state}: {problem}", values)
    recent = [told.sentence for told in (tasks.trouble, tasks.refused, tasks.slow_stop) if _recent(told)]
    return Check("task", WARN if recent else OK, "; ".join([doing, *recent]), values)


def message(checks: Iterable[Check], node: str, hardware: str, stamp: Any) -> Any:
    """The DiagnosticArray."""
    array = DiagnosticArray()
    array.header.stamp = stamp
    array.status = [
        DiagnosticStatus(
            level=LEVELS[check.level],
            name=f"{node}: {check.name}",
            message=check.sentence,
            hardware_id=hardware,
            values=[KeyValue(key=key, value=str(value)) for key, value in check.values.items()],
        )
        for check in checks
    ]
    return array


def worst(checks: Sequence[Check]) -> Check | None:
    """The first of the most serious."""
    order = (OK, WARN, STALE, ERROR)
    return max(checks, key=lambda check: order.index(check.level), default=None)


def _recent(told: Told) -> bool:
    return bool(told.sentence) and time.monotonic() - told.at < RECENT
