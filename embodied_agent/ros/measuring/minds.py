"""The minds of a direct episode behind HTTP, for a node that runs the same episode.

The scripted planner needs an episode's goal, which no command carries: it is drawn here from the
family and seed in a file that the benchmark writes before each goal. Everything else is as
`embodied-agent serve` does it.

    python -m embodied_agent.ros.measuring.minds --port 8123 --planner scripted --episode FILE
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from embodied_agent.benchmark.suites import episode
from embodied_agent.errors import EmbodiedAgentError, PlannerError
from embodied_agent.library import library
from embodied_agent.perception.grounder import Grounder
from embodied_agent.planners.catalog import make_planner
from embodied_agent.planners.planner import Plan, PlanRequest
from embodied_agent.planners.scripted import ScriptedPlanner
from embodied_agent.program.grammar import lark
from embodied_agent.ros.faults.model import ExerciseModel
from embodied_agent.serve import Served, serve
from embodied_agent.types import Detection, Frame, Grounding


class Oracle:
    """Plans from the goal of the episode that runs, and sees with somebody's eyes.

    Args:
        eyes: Names what the cameras show.
        file: JSON with "family" and "seed" of the episode.
    """

    name = "scripted"

    def __init__(self, eyes: Grounder, file: Path) -> None:
        self._eyes, self._file, self._planner = eyes, file, ScriptedPlanner()

    def plan(self, request: PlanRequest) -> Plan:
        """The scripted program.

        Raises:
            PlannerError: No episode runs, or the failure cannot be repaired.
        """
        try:
            drawn = json.loads(self._file.read_text(encoding="utf-8"))
            goal = episode(drawn["family"], int(drawn["seed"])).goal
        except (OSError, ValueError, KeyError) as error:
            raise PlannerError(f"{self._file}: names no episode ({error})") from None
        return self._planner.plan(replace(request, goal=goal))

    def detect(self, frame: Frame) -> list[Detection]:
        """Every thing seen."""
        return self._eyes.detect(frame)

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        """Which detections a phrase means."""
        return self._eyes.ground(frame, phrase, points)


def minds(planner: str, model: str, eyes: str, file: Path) -> Served:
    """What is served.

    Args:
        planner: "scripted"; else the built-in model, as a direct run takes it for what it does not plan itself.
        model: Folder of the built-in model's weights; "" = those that come with the package.
        eyes: "" = the built-in model; else a kind, and every red area is one of those.
        file: See Oracle.

    Raises:
        WeightsError: The built-in model cannot be loaded.
    """
    seeing: Served = ExerciseModel(eyes) if eyes else make_planner("builtin", model=model)  # type: ignore[assignment]
    return Oracle(seeing, file) if planner == "scripted" else seeing


def main() -> int:
    """Serve until interrupted; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--planner", default="scripted")
    parser.add_argument("--model", default="")
    parser.add_argument("--eyes", default="")
    parser.add_argument("--episode", type=Path, required=True)
    given = parser.parse_args()
    try:
        served = minds(given.planner, given.model, given.eyes, given.episode)
        serve(served, given.host, given.port, grammar=lark(library().for_planner))
    except EmbodiedAgentError as error:
        print(f"minds: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
