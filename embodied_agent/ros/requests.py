"""What clients send, judged before anything is done with it; and what comes back of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from embodied_agent import account
from embodied_agent.agent import checked_command
from embodied_agent.errors import (
    BadInput,
    Cancelled,
    CommandRefused,
    EmbodiedAgentError,
    PlannerError,
    ProgramError,
    RobotError,
    SafetyStop,
)
from embodied_agent.types import Command
from embodied_agent_interfaces.action import ExecuteTask

Result = ExecuteTask.Result
Goal = ExecuteTask.Goal
MODES = {Goal.PLAN_ONLY: "plan only", Goal.CONFIRM: "confirm", Goal.RUN: "run"}
MOST_POINTS = 4  # that words of a program can point at
OUTCOMES = {
    Result.DONE: "done",
    Result.FAILED: "failed",
    Result.REFUSED: "refused",
    Result.ASKED: "asked",
    Result.PLANNED: "planned",
    Result.DECLINED: "declined",
    Result.CANCELLED: "cancelled",
    Result.STOPPED: "stopped",
    Result.INVALID: "invalid",
    Result.NO_PROGRAM: "no program",
    Result.ROBOT_FAULT: "robot fault",
}
OUTCOME_OF_VERDICT: Mapping[str, int] = {
    account.DONE: Result.DONE,
    account.FAILED: Result.FAILED,
    account.REFUSED: Result.REFUSED,
    account.ASKED: Result.ASKED,
    account.CANCELLED: Result.CANCELLED,
    account.STOPPED: Result.STOPPED,
}
# The first class that an error is an instance of decides.
OUTCOME_OF_ERROR: tuple[tuple[type[EmbodiedAgentError], int], ...] = (
    (CommandRefused, Result.INVALID),
    (PlannerError, Result.NO_PROGRAM),
    (ProgramError, Result.NO_PROGRAM),
    (SafetyStop, Result.STOPPED),
    (Cancelled, Result.CANCELLED),
    (RobotError, Result.ROBOT_FAULT),
    (BadInput, Result.INVALID),
)


def command_of(instruction: str, points: Any) -> Command:
    """The command in a goal or a plan request.

    Args:
        instruction: As it came.
        points: embodied_agent_interfaces/Pixel[].

    Raises:
        CommandRefused: Text or points cannot be used.
    """
    if len(points) > MOST_POINTS:
        raise CommandRefused(f"{len(points)} points; at most {MOST_POINTS} can be pointed at")
    pixels = tuple((float(point.x), float(point.y)) for point in points)
    for number, (x, y) in enumerate(pixels, start=1):
        if not (math.isfinite(x) and math.isfinite(y)):
            raise CommandRefused(f"point {number} is ({x}, {y}), which is no pixel")
        if x < -0.5 or y < -0.5:
            raise CommandRefused(f"point {number} is ({x:g}, {y:g}), outside the image")
    return checked_command(Command(instruction, pixels))


def time_limit_of(seconds: float, longest: float) -> float:
    """The time that a goal may take [s].

    Raises:
        CommandRefused: Negative, not a number, or longer than the node allows.
    """
    if not math.isfinite(seconds) or seconds < 0:
        raise CommandRefused(f"time_limit is {seconds} s; give a positive number, or 0 for the node's own")
    if seconds > longest:
        raise CommandRefused(f"time_limit is {seconds:g} s; the node allows {longest:g} s (parameter time_limit)")
    return seconds or longest


def check_inside(command: Command, width: int, height: int) -> None:
    """Raises:
    CommandRefused: A point lies outside the image of (width, height) [px].
    """
    for number, (x, y) in enumerate(command.points, start=1):
        if x > width - 0.5 or y > height - 0.5:
            raise CommandRefused(f"point {number} is ({x:g}, {y:g}), outside the image of {width}x{height} pixels")


def outcome_of(error: Exception) -> int:
    """The outcome of a run that an error ended; what is not of this project counts as a failure."""
    return next((outcome for kind, outcome in OUTCOME_OF_ERROR if isinstance(error, kind)), int(Result.FAILED))


def sentence_of(error: Exception) -> str:
    """The reason for a person."""
    if isinstance(error, EmbodiedAgentError):
        return str(error)
    return f"internal error: {type(error).__name__}: {error}"
