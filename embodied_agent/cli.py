"""The command line: thin commands over the library, one clear line for every error.

Exit codes: 0 done · 1 internal error · 2 bad input · 3 program not accepted · 4 planner or weights
· 5 robot, camera or rendering · 6 safety stop · 7 package missing · 10 ran, but failed · 11 refused
· 12 asked back · 130 cancelled
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from embodied_agent.console.bench import bench
from embodied_agent.console.options import (
    EXIT_CODES,
    DepthNoise,
    Json,
    Model,
    Perception,
    Planner,
    PlannerUrl,
    Points,
    Robot,
    Scene,
    Seed,
)
from embodied_agent.errors import BadInput, EmbodiedAgentError, MissingDependency, ProgramError

# Newer typer carries its own copy of click, older ones import it; these are theirs in either case.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_ClickError: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    help=f"A sentence in, a checked robot program out, a measured result.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(bench, name="bench")


@app.callback()
def main_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Options before the command."""
    if debug:
        os.environ["EMBODIED_AGENT_DEBUG"] = "1"


@app.command(epilog=EXIT_CODES)
def run(
    task: Annotated[str, typer.Argument(help='What to do, e.g. "put the red cube in the bowl".')],
    scene: Scene = "blocks",
    seed: Seed = 0,
    robot: Robot = "panda",
    planner: Planner = "builtin",
    planner_url: PlannerUrl = "",
    model: Model = "",
    perception: Perception = "camera",
    point: Points = None,
    depth_noise: DepthNoise = False,
    deadline: Annotated[
        float, typer.Option(min=1.0, max=86400.0, help="Give up after this many seconds.")
    ] = 300.0,
    confirm: Annotated[
        str,
        typer.Option(
            "--confirm", help="Ask on the terminal: task, before a program; unit, before each unit moves; none."
        ),
    ] = "none",
    speed_scale: Annotated[
        float, typer.Option("--speed-scale", help="Share of every speed limit of the robot, 0.01 to 1.")
    ] = 1.0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for program.py, events.jsonl, report.html, video.mp4.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Do one task: plan, check, move, measure.

    Example: embodied-agent run "put the red cube in the bowl" --seed 3 --out runs/first
    Example: embodied-agent run "stack the cubes" --confirm unit --speed-scale 0.2
    """
    from embodied_agent.console.running import RunOptions, run_task
    from embodied_agent.setup import Setup

    setup = Setup(
        scene, seed, robot, planner, planner_url, model, perception, depth_noise, deadline, speed_scale=speed_scale
    )
    raise typer.Exit(run_task(RunOptions(task, setup, tuple(point or ()), confirm, out, as_json)))


@app.command(epilog=EXIT_CODES)
def plan(
    task: Annotated[str, typer.Argument(help="What to do.")],
    scene: Scene = "blocks",
    seed: Seed = 0,
    robot: Robot = "panda",
    planner: Planner = "builtin",
    planner_url: PlannerUrl = "",
    model: Model = "",
    point: Points = None,
    as_json: Json = False,
) -> None:
    """Write and check the program for a task; move nothing.

    Example: embodied-agent plan "open the top drawer" --seed 3
    """
    from embodied_agent.console.running import RunOptions, plan_task
    from embodied_agent.setup import Setup

    setup = Setup(scene, seed, robot, planner, planner_url, model)
    raise typer.Exit(plan_task(RunOptions(task, setup, tuple(point or ()), as_json=as_json)))


@app.command(epilog=EXIT_CODES)
def check(
    file: Annotated[Path, typer.Argument(help="A program; - reads it from standard input.")],
) -> None:
    """Check a program without a robot; every problem with line and column.

    Example: embodied-agent check runs/first/program.py
    """
    from embodied_agent.console.programs import check_file

    raise typer.Exit(check_file(file))


@app.command()
def primitives(
    skills: Annotated[bool, typer.Option("--skills", help="Skills only.")] = False,
    as_json: Json = False,
) -> None:
    """List what programs can call, with types, ranges and units.

    Example: embodied-agent primitives --skills
    """
    from embodied_agent.console.programs import list_primitives

    list_primitives(skills_only=skills, as_json=as_json)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 = from anywhere.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    planner: Annotated[str, typer.Option("--planner", help="builtin, or a YAML file of one.")] = "builtin",
    model: Model = "",
) -> None:
    """Offer the built-in model over the OpenAI protocol, so that the robot host needs no torch.

    Example: embodied-agent serve --port 8000
    then, on the robot: embodied-agent run "..." --planner openai --planner-url http://HOST:8000/v1
    """
    from embodied_agent.console.serving import serve_model

    serve_model(host, port, planner, model)


@app.command(epilog=EXIT_CODES)
def record(
    out: Annotated[Path, typer.Option("--out", help="FILE.mcap, or a new folder, which becomes a rosbag2 bag.")],
    topics: Annotated[
        list[str] | None,
        typer.Option(
            "--topics",
            help="Topic, or regular expression of whole names; repeatable. Without it: joint "
            "states, images, transforms, clock, program tree, action feedback, commands.",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.0, max=1e6, help="How long; 0 = until Ctrl-C.")] = 0.0,
    images: Annotated[str, typer.Option("--images", help="raw; jpeg (depth as lossless PNG); or png.")] = "raw",
    compression: Annotated[
        str, typer.Option("--compression", help="Of the file: auto, zstd, lz4 or none.")
    ] = "auto",
) -> None:
    """Record a running robot's topics in an MCAP bag; needs ROS 2.

    Example: embodied-agent record --out run.mcap --images jpeg
    then, on any machine: embodied-agent replay run.mcap --out runs/first
    """
    from embodied_agent.console.recording import record_bag
    from embodied_agent.ros.recorder import RecordOptions

    record_bag(RecordOptions(out, tuple(topics or ()), seconds, images, compression))


@app.command()
def doctor(
    robot: Annotated[str, typer.Option("--robot", help="Check this robot's description too.")] = "",
    ros: Annotated[
        bool, typer.Option("--ros", help="Check a live robot on ROS 2 instead of this machine.")
    ] = False,
    interface: Annotated[
        str, typer.Option("--interface", help="With --ros: name in configs/ros2 or a YAML file; else the robot's.")
    ] = "",
    namespace: Annotated[str, typer.Option("--namespace", help="With --ros: where the robot's topics are.")] = "",
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.5, max=600.0, help="With --ros: how long to look.")
    ] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="With --ros: one line of JSON on stdout.")] = False,
) -> None:
    """Check this machine, and a robot's description; or a live robot. Says what to mend; 5 if anything.

    Example: embodied-agent doctor --robot xarm6
    Example: embodied-agent doctor --ros --robot panda
    """
    if ros:
        from embodied_agent.console.doctor_ros import examine_ros
        from embodied_agent.ros.inspection.doctor import InspectOptions

        options = InspectOptions(robot, interface, namespace, seconds)
        raise typer.Exit(examine_ros(options, as_json=as_json))
    from embodied_agent.console.doctor import examine

    raise typer.Exit(examine(robot))


@app.command()
def replay(
    what: Annotated[Path, typer.Argument(help="What run --out wrote; or a bag: FILE.mcap, or its folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the report of a bag; beside the bag if left out.")
    ] = None,
    camera: Annotated[str, typer.Option("--camera", help="Topic of the images of a bag's film and frames.")] = "",
    goal: Annotated[int, typer.Option("--goal", min=0, help="Only this goal of a bag, from 1; 0 = all.")] = 0,
    report: Annotated[bool, typer.Option("--report", help="Only write report.html anew.")] = False,
    speed: Annotated[float, typer.Option(min=0.1, max=1000.0, help="Times real time.")] = 4.0,
) -> None:
    """Play a recorded run's tree in the terminal, and write its report anew; of a bag, too.

    Example: embodied-agent replay runs/first
    Example: embodied-agent replay run.mcap --out runs/real
    """
    from embodied_agent.console.replaying import BagOptions, replay_bag, replay_run
    from embodied_agent.ros.bag.reading import is_bag

    if is_bag(what):
        replay_bag(BagOptions(what, out, camera, goal), only_report=report, speed=speed)
    else:
        replay_run(what, only_report=report, speed=speed)


@app.command()
def train(
    preset: Annotated[str, typer.Option(help="cpu (2.5 hours on 2 cores), accelerator, or smoke.")] = "cpu",
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Total of the training stages; the preset's if left out.")
    ] = None,
    data: Annotated[Path, typer.Option(help="Data and checkpoints; a second call goes on there.")] = Path("data"),
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the finished weights; DATA/weights if left out.")
    ] = None,
) -> None:
    """Train the built-in model from scratch on scenes that this project renders; resumes.

    Example: embodied-agent train --preset cpu --data data --out runs/model
    """
    from embodied_agent.console.serving import train_model

    train_model(preset, minutes, data, out)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code. No traceback reaches a person unless asked for."""
    # Off-screen rendering is the only kind here; read when mujoco is first imported.
    os.environ.setdefault("MUJOCO_GL", "egl")
    # Read when numpy is first imported. Its products are small here; its idle threads keep spinning and
    # hold up the network's: perception of a frame takes a fifth longer with them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        command = typer.main.get_command(app)
        code = command.main(args=arguments, prog_name="embodied-agent", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return complain("cancelled", 130)
    except typer.Exit as end:
        return int(end.exit_code)
    except _UsageError as error:
        return _usage(error)
    except _ClickError as error:
        return complain(str(error), 2)
    except ProgramError as error:
        _traceback_if_asked()
        return complain(f"the program was not accepted: {error}", error.exit_code)
    except EmbodiedAgentError as error:
        _traceback_if_asked()
        return complain(str(error), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader is gone
        return 0
    except ModuleNotFoundError as error:
        _traceback_if_asked()
        package = (error.name or "a package").split(".")[0]
        words = f"the package {package} is missing: pip install 'embodied_agent[mujoco,mllm,bench]'"
        return complain(words, MissingDependency.exit_code)
    except OSError as error:
        _traceback_if_asked()
        return complain(f"{error.filename or 'system'}: {error.strerror or error}", BadInput.exit_code)
    except Exception as error:
        _traceback_if_asked()
        words = f"internal: {type(error).__name__}: {error}; --debug before the command shows where"
        return complain(words, 1)


def _usage(error: Any) -> int:
    """A wrong call: nothing to add where help was shown instead."""
    words = str(error.format_message())
    if not words:
        return BadInput.exit_code
    where = error.ctx.command_path if error.ctx is not None else "embodied-agent"
    return complain(f"{words} (see {where} --help)", BadInput.exit_code)


def complain(message: str, code: int) -> int:
    """One line on stderr."""
    line = " ".join(message.split()).encode("utf-8", "backslashreplace").decode()
    print(f"error: {line[:2000]}", file=sys.stderr)
    return code


def _traceback_if_asked() -> None:
    if os.environ.get("EMBODIED_AGENT_DEBUG"):
        import traceback

        traceback.print_exc()


def entry() -> None:
    """The console script: ends the process with the documented code, whatever libraries do at exit.

    Open3D ends a process with 1 if any of its tensors still lives then, as one does after an
    interrupt; the exit code is a contract, so nothing runs after it is known.
    """
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    entry()
