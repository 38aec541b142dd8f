"""The whole error tree, and the exit code each branch ends the command line with.

A failed skill is not an error: it is a `Result` with `ok=False`. Errors are for input that
cannot be used, for machines that are missing something, and for unsafe states.
"""

from __future__ import annotations

from dataclasses import dataclass


class EmbodiedAgentError(Exception):
    """Base of every error this package raises on purpose; `str()` is one line for a person."""

    exit_code = 1


class BadInput(EmbodiedAgentError):
    """A command, argument or file of the user's cannot be used."""

    exit_code = 2


class ConfigError(BadInput):
    """A YAML file is unreadable or says something unknown; the message names file and key."""


class CommandRefused(BadInput):
    """The text of the command is empty, too long, or not text."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a program. `line` and `column` count from 1."""

    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}"


class ProgramError(EmbodiedAgentError):
    """A program is not in the language, or fails the checks; carries every problem found."""

    exit_code = 3

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))


class PlannerError(EmbodiedAgentError):
    """No usable program came: server down, slow, or answering nonsense; weights unreadable."""

    exit_code = 4


class WeightsError(PlannerError):
    """Model weights are missing, truncated, or of another version."""


class RobotError(EmbodiedAgentError):
    """The robot or simulator cannot be used: model, controller, camera, or rendering missing."""

    exit_code = 5


class CameraError(RobotError):
    """No image, or no off-screen rendering on this machine."""


class SafetyStop(EmbodiedAgentError):
    """The supervisor stopped the robot and holds it; needs a reset by a person."""

    exit_code = 6


class Cancelled(EmbodiedAgentError):
    """A person or a deadline ended the run; the robot was stopped."""

    exit_code = 130


class MissingDependency(EmbodiedAgentError):
    """An optional package is needed; the message names the extra to install."""

    exit_code = 7
