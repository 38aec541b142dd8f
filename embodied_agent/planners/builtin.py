"""The built-in model as a planner and as a grounder: one network plans and points."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embodied_agent.errors import MissingDependency, PlannerError
from embodied_agent.planners.planner import Failure, Plan, PlanRequest
from embodied_agent.program.parse import parse
from embodied_agent.program.render import render
from embodied_agent.program.repair import beginning_with, begins_at_home, gives_up
from embodied_agent.types import Command, Detection, Frame, Grounding

if TYPE_CHECKING:
    from embodied_agent.mllm.model import BuiltinModel


@dataclass(frozen=True)
class BuiltinSettings:
    """The file is `configs/planners/builtin.yaml`.

    Attributes:
        weights: Folder that `embodied-agent train` wrote; "" = those that come with the package.
    """

    weights: str = ""


class BuiltinPlanner:
    """Plans and grounds with the model that this project trained. Safe to share between threads."""

    name = "builtin"

    def __init__(self, settings: BuiltinSettings | None = None) -> None:
        folder = (settings or BuiltinSettings()).weights
        try:
            from embodied_agent.mllm.model import BuiltinModel
        except ImportError as error:
            raise MissingDependency(
                f"the built-in model needs {error.name}: pip install 'embodied_agent[mllm]', "
                "or plan elsewhere with --planner openai --planner-url http://host:port/v1"
            ) from None
        self._model: BuiltinModel = BuiltinModel.load(Path(folder).expanduser() if folder else None)
        self._lock = threading.Lock()

    @property
    def parameters(self) -> int:
        """Numbers in the network."""
        return sum(weight.numel() for weight in self._model.network.parameters())

    def plan(self, request: PlanRequest) -> Plan:
        """Write a program. After a failure the newest picture is planned on: what is left is what is seen.

        Raises:
            CommandRefused: The command is empty or too long for the model.
            PlannerError: The command's points are in no frame, or the program did not end.
        """
        frames = request.frames
        if request.command.points:
            frames = tuple(f for f in frames if f.camera.name == request.command.camera)
            if not frames:
                raise PlannerError(
                    f"points were clicked in camera {request.command.camera!r}, which gave no frame"
                )
        command = Command(request.command.text, request.command.points, request.command.camera)
        with self._lock:
            written = self._model.plan(command, frames, request.grammar, again=bool(request.failures))
        words = tuple(grounding.words for grounding in written.groundings)
        return Plan(_tried_again(written.text, request.failures), words, written.timings)

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        """Which detections a noun phrase means, given the person's clicked pixels (x, y)."""
        with self._lock:
            return self._model.ground(frame, phrase, points)

    def detect(self, frame: Frame) -> list[Detection]:
        """Every thing seen."""
        with self._lock:
            return self._model.detect(frame)


def _tried_again(program: str, failures: Sequence[Failure]) -> str:
    """A repair; one that gives up on what was begun gives way to the failed program, from home.

    The arm may hide just now what it was to handle.
    """
    if not failures or not failures[-1].line or not gives_up(parse(program)):
        return program
    failed = parse(failures[-1].program)
    if gives_up(failed):
        return program
    return render(failed if begins_at_home(failed) else beginning_with(failed, "home", 0))
