"""`serve` and `train`: the built-in model on a port, and made anew."""

from __future__ import annotations

import sys
from pathlib import Path

from embodied_agent.errors import BadInput, Cancelled, MissingDependency
from embodied_agent.library import library
from embodied_agent.planners.builtin import BuiltinPlanner
from embodied_agent.planners.catalog import planner_config
from embodied_agent.program.grammar import lark
from embodied_agent.serve import serve


def serve_model(host: str, port: int, planner: str, model: str) -> None:
    """Load the model and serve it until interrupted.

    Raises:
        BadInput: The planner has no model of its own.
        WeightsError: Its weights are unusable.
        RobotError: The port is taken.
    """
    config = planner_config(planner, model=model)
    if config.planner != "builtin":
        raise BadInput(f"serve offers the built-in model; planner {config.planner} is somebody else's")
    served = BuiltinPlanner(config.builtin)
    print(f"serving {served.name} on http://{host}:{port}/v1 (Ctrl-C ends)", file=sys.stderr, flush=True)
    serve(served, host, port, grammar=lark(library().for_planner))


def train_model(preset: str, minutes: float | None, data: Path, out: Path | None) -> None:
    """Train, and say where the weights are.

    Raises:
        BadInput: Unknown preset.
        MissingDependency: torch is not installed.
    """
    try:
        from embodied_agent.training.train import train
    except ImportError as error:
        raise MissingDependency(
            f"training needs {error.name}: pip install 'embodied_agent[mujoco,mllm]'"
        ) from None
    try:
        folder = train(preset, minutes, data, out)
    except KeyboardInterrupt:
        raise Cancelled(f"cancelled; the same command goes on where this one was, in {data}") from None
    print(f"weights: {folder}")
    print(f'try them: embodied-agent run "..." --model {folder}', file=sys.stderr)
