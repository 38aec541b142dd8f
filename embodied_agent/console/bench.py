"""The `bench` commands: what they take; what they do lies in `benching`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embodied_agent.console.options import (
    EXIT_CODES,
    DepthNoise,
    Json,
    Model,
    Perception,
    Planner,
    PlannerUrl,
    Robot,
    Seed,
    Workers,
)

bench = typer.Typer(
    help="Measure: success on the tabletop families, and speed.\n\n"
    "Example: embodied-agent bench tabletop --episodes 50 --families place_in,stack",
    no_args_is_help=True,
)


@bench.command("tabletop", epilog=EXIT_CODES)
def bench_tabletop(
    episodes: Annotated[int, typer.Option(min=1, max=10000, help="Episodes of each family.")] = 50,
    seed: Seed = 0,
    families: Annotated[str, typer.Option(help="Comma-separated; all if empty.")] = "",
    robot: Robot = "panda",
    planner: Planner = "builtin",
    planner_url: PlannerUrl = "",
    model: Model = "",
    perception: Perception = "camera",
    combinations: Annotated[
        bool, typer.Option("--combinations", help="All four of planner x perception, side by side.")
    ] = False,
    workers: Workers = 1,
    depth_noise: DepthNoise = False,
    videos: Annotated[int, typer.Option(min=0, max=50, help="Films in the report.")] = 6,
    deadline: Annotated[
        float, typer.Option(min=1.0, help="Give an episode up after this many seconds of the robot's clock.")
    ] = 180.0,
    out: Annotated[Path, typer.Option("--out", help="Folder; a second call goes on where one was.")] = Path(
        "runs/bench"
    ),
    as_json: Json = False,
) -> None:
    """Success by simulator truth, false success and speed, per family.

    Example: embodied-agent bench tabletop --episodes 10 --families place_in,open --workers 2
    """
    from embodied_agent.benchmark.runner import BenchOptions
    from embodied_agent.console.benching import bench_families

    options = BenchOptions(
        episodes=episodes, seed=seed, families=tuple(f.strip() for f in families.split(",") if f.strip()),
        robot=robot, planner=planner, planner_url=planner_url, model=model, perception=perception,
        depth_noise=depth_noise, deadline=deadline, videos=videos,
    )  # fmt: skip
    raise typer.Exit(bench_families(options, out, workers, combinations=combinations, as_json=as_json))


@bench.command("language")
def bench_language(
    count: Annotated[int, typer.Option(min=1, max=100000, help="Held-out commands of all kinds.")] = 300,
    seed: Seed = 0,
    robot: Robot = "panda",
    planner: Planner = "builtin",
    planner_url: PlannerUrl = "",
    model: Model = "",
    depth_noise: DepthNoise = False,
    workers: Workers = 1,
    out: Annotated[Path, typer.Option("--out", help="Folder for language.json.")] = Path("runs/bench"),
    as_json: Json = False,
) -> None:
    """How often held-out words become the right program, refusal or question; nothing moves.

    Example: embodied-agent bench language --count 300 --workers 2
    """
    from embodied_agent.benchmark.runner import BenchOptions
    from embodied_agent.console.benching import bench_words

    options = BenchOptions(
        seed=seed, robot=robot, planner=planner, planner_url=planner_url, model=model, depth_noise=depth_noise
    )
    bench_words(options, count, workers, out, as_json=as_json)


@bench.command("latency")
def bench_latency(
    repeats: Annotated[int, typer.Option(min=1, max=1000, help="Measurements of each figure.")] = 20,
    seed: Seed = 0,
    robot: Robot = "panda",
    planner: Planner = "builtin",
    planner_url: PlannerUrl = "",
    model: Model = "",
    perception: Perception = "camera",
    as_json: Json = False,
) -> None:
    """Planner, first motion, perception, motion planning, physics, memory: p50 and p95.

    Example: embodied-agent bench latency --repeats 20
    """
    from embodied_agent.console.benching import show_latency
    from embodied_agent.setup import Setup

    setup = Setup(
        seed=seed, robot=robot, planner=planner, planner_url=planner_url, model=model, perception=perception
    )
    show_latency(repeats, setup, as_json=as_json)
