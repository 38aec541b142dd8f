"""Options that several commands share, each with its name and its help in one place."""

from __future__ import annotations

from typing import Annotated

import typer

EXIT_CODES = (
    "Exit codes: 0 done, 1 internal error, 2 bad input, 3 program not accepted, 4 planner or weights, "
    "5 robot, camera or rendering, 6 safety stop, 7 package missing, 10 ran but failed, 11 refused, "
    "12 asked back, 130 cancelled."
)

DOMAIN = 87  # nobody's default: what answers in 0 could be a real arm

Scene = Annotated[str, typer.Option("--scene", help="Scene file, name in configs/scenes, or tabletop.")]
Robot = Annotated[str, typer.Option("--robot", help="Name in configs/robots, or a YAML file.")]
Planner = Annotated[
    str, typer.Option("--planner", help="builtin, openai, transformers, scripted, or a YAML file.")
]
PlannerUrl = Annotated[str, typer.Option("--planner-url", help="Server of planner openai.")]
Model = Annotated[str, typer.Option("--model", help="Model name (openai) or folder (transformers, builtin).")]
Perception = Annotated[str, typer.Option("--perception", help="camera; or truth, for ablation only.")]
Points = Annotated[
    list[str] | None, typer.Option("--point", help="Clicked pixel x,y of the overhead image; repeatable.")
]
DepthNoise = Annotated[bool, typer.Option("--depth-noise", help="Depth as a real camera gives it.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="The same seed, the same run.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes side by side.")]
Json = Annotated[bool, typer.Option("--json", help="One line of JSON on stdout.")]
Domain = Annotated[
    int, typer.Option("--domain", min=0, max=101, help="ROS domain that nobody else is in; for ROS alone.")
]
