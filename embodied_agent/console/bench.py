"""The `bench` commands: what they take; what they do lies in `benching`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embodied_agent.console.options import (
    DOMAIN,
    EXIT_CODES,
    DepthNoise,
    Domain,
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
    help="Measure: success on the tabletop families, speed, and the ROS path.\n\n"
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
    backend: Annotated[
        str,
        typer.Option(
            "--backend",
            help="mujoco: directly; ros2: through the simulated driver, the node and its action, in real "
            "time, without films; both: the same seeds on both, compared.",
        ),
    ] = "mujoco",
    domain: Domain = DOMAIN,
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
    Example: embodied-agent bench tabletop --episodes 8 --planner scripted --backend both
    """
    from embodied_agent.benchmark.runner import BenchOptions
    from embodied_agent.console.benching import Way, bench_families

    options = BenchOptions(
        episodes=episodes, seed=seed, families=tuple(f.strip() for f in families.split(",") if f.strip()),
        robot=robot, planner=planner, planner_url=planner_url, model=model, perception=perception,
        depth_noise=depth_noise, deadline=deadline, videos=videos,
    )  # fmt: skip
    way = Way(backend, workers, combinations, domain)
    raise typer.Exit(bench_families(options, out, way, as_json=as_json))


@bench.command("ros", epilog=EXIT_CODES)
def bench_ros_path(
    goals: Annotated[int, typer.Option(min=0, max=100000, help="Goals in a row.")] = 200,
    cancels: Annotated[int, typer.Option(min=0, max=10000, help="Cancels at random moments.")] = 50,
    stops: Annotated[int, typer.Option(min=0, max=10000, help="Stops at random moments.")] = 50,
    faults: Annotated[
        int,
        typer.Option(min=0, max=1000, help="Rounds of each fault: killed model and driver, silent sensors ..."),
    ] = 10,
    signals: Annotated[int, typer.Option(min=0, max=1000, help="Rounds of SIGINT and SIGTERM.")] = 2,
    seconds: Annotated[
        float, typer.Option(min=0.0, max=86400.0, help="How long images are watched, 640x480 at 30 Hz.")
    ] = 30.0,
    robot: Robot = "panda",
    seed: Seed = 0,
    domain: Domain = DOMAIN,
    out: Annotated[Path, typer.Option("--out", help="Folder for ros.json, ros.html and logs.")] = Path(
        "runs/bench_ros"
    ),
    as_json: Json = False,
) -> None:
    """The ROS path under load and faults: goals in a row, cancels, stops, killed processes, images.

    0 leaves a part out. Ends with 10 where anything was lost or the arm did not stop; needs ROS 2.

    Example: embodied-agent bench ros --goals 20 --cancels 5 --stops 5 --faults 1 --signals 1
    """
    from embodied_agent.console.benching_ros import bench_ros
    from embodied_agent.ros.measuring.possible import require_ros

    require_ros()
    from embodied_agent.ros.measuring.suite import RosBenchOptions

    options = RosBenchOptions(goals, cancels, stops, faults, signals, seconds, robot, seed, domain)
    raise typer.Exit(bench_ros(options, out, as_json=as_json))


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
