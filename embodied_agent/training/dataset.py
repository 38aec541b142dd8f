"""Pictures and commands on disk, out of nothing but seeds.

`build` renders scenes of `commands` from the fixed camera, from a shifted one, and from near by
as a wrist camera sees them, with labels from the simulator's segmentation. A shard is written
whole or not at all, so an interrupted build goes on where it stopped.
"""

from __future__ import annotations

import gzip
import json
import math
import multiprocessing
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from rich.console import Console
from rich.progress import Progress

from embodied_agent.mllm.objects import point_features
from embodied_agent.mllm.picture import HEIGHT, WIDTH, camera_to_array
from embodied_agent.mllm.vocabulary import CLASS_INDEX
from embodied_agent.robots.description import RobotDescription, load_robot
from embodied_agent.training.dense import color_index
from embodied_agent.training.generate import WEIGHTS, Example, generate, phrases
from embodied_agent.training.queries import state_of
from embodied_agent.training.shards import Shot, write_shard
from embodied_agent.training.situations import Episode, episode_from_record, thing_to_dict
from sim.descriptions import parse_canonical
from sim.scene import CameraSpec, ObjectSpec, Scene
from sim.things import things_of

SEEDS_PER_SHARD = 48
VIEWS = 3  # pictures of one scene
_ROBOTS = (("panda", 0.6), ("xarm6", 0.25), ("", 0.15))
_ARRANGED = 0.45  # share of scenes where things were put in and on others
# Families that are written wrongly most often, and how often each is then drawn; the others fill the rest.
HARD = {
    "conditional": 26.0, "steps": 22.0, "place_beside": 14.0, "stack": 9.0, "swap": 6.0, "clear": 6.0,
    "push": 6.0, "sort": 4.0, "turn": 3.0,
}  # fmt: skip
_HARD_SEEDS = 200_000_000
_NATURAL = 14  # noun phrases stored with each picture


def build(data: Path, split: str, pictures: int, workers: int = 2) -> None:
    """Render a split until it has about `pictures` pictures; those that exist stay.

    Args:
        data: Folder; shards go to `data/<split>`.
        split: "train", "validation" or "evaluation", as in `commands.splits`.
        pictures: How many.
        workers: Processes.
    """
    folder = data / split
    folder.mkdir(parents=True, exist_ok=True)
    shards = math.ceil(pictures / (SEEDS_PER_SHARD * VIEWS))
    missing = [n for n in range(shards) if not (folder / f"shard-{n:04d}").is_dir()]
    if not missing:
        return
    context = multiprocessing.get_context("spawn")  # GL contexts do not survive a fork
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(f"render {split}", total=shards, completed=shards - len(missing))
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            jobs = [pool.submit(_render_shard, str(folder), split, number) for number in missing]
            for job in as_completed(jobs):
                job.result()
                progress.advance(task)


def _render_shard(folder: str, split: str, number: int) -> None:
    shots: list[Shot] = []
    for seed in range(number * SEEDS_PER_SHARD, (number + 1) * SEEDS_PER_SHARD):
        shots += list(draw_shots(seed, split))
    write_shard(Path(folder) / f"shard-{number:04d}", shots)


def draw_shots(seed: int, split: str) -> Iterator[Shot]:
    """The pictures of one scene: fixed camera, shifted camera, close by."""
    from sim.render import rendering
    from sim.world import build_world

    rng = np.random.default_rng([seed, sum(split.encode())])
    example = generate(seed, split)
    scene, record = example.scene, example_record(example)
    if rng.random() < _ARRANGED:
        arranged = _arranged(scene, rng)
        if arranged is not None:
            scene, record = arranged, {}
    cameras = (scene.cameras[0], _shifted(scene.cameras[0], rng), _close(scene, rng))
    scene = replace(scene, cameras=cameras)
    name = str(rng.choice([item for item, _ in _ROBOTS], p=[share for _, share in _ROBOTS]))
    robot = load_robot(name) if name else None
    world = build_world(scene, robot)
    data = world.start()
    natural = [(item.phrase, item.canonical, list(item.ids)) for item in phrases(seed, split, scene, _NATURAL)]
    with rendering(world.model) as renderer:
        for camera in cameras:
            view = camera.name
            if view == "shifted" and robot is not None and rng.random() < 0.6:
                _pose_arm(world, data, robot, rng, looking_down=False)
            if view == "close" and robot is not None and _pose_arm(world, data, robot, rng, looking_down=True):
                view = _wrist_name(world)
            shot = _shoot(world, data, renderer, view)
            shot.view = camera.name
            shot.things = [thing_to_dict(thing) for thing in things_of(scene)]
            if camera is cameras[0]:
                shot.episode = record
            shot.natural = natural if camera.name != "close" else []
            yield shot


def _shoot(world: Any, data: Any, renderer: Any, view: str) -> Shot:
    """Colours as a 640x480 camera gives them; depth and labels at the size that the network reads."""
    rgb, depth = renderer.picture(data, view, 2 * WIDTH, 2 * HEIGHT)
    segments = renderer.segments(data, view, WIDTH, HEIGHT)
    labels = np.where(segments >= 0, world.label_of_geom[segments], 0).astype(np.uint8)
    instances = [(label.name, CLASS_INDEX[label.kind], color_index(label.color)) for label in world.labels[3:]]
    return Shot(
        rgb=rgb,
        depth=np.clip(depth[::2, ::2] * 1000, 0, 65535).astype(np.uint16),
        labels=labels,
        camera=camera_to_array(renderer.camera(data, view, WIDTH, HEIGHT)),
        instances=instances,
    )


def _shifted(camera: CameraSpec, rng: Generator) -> CameraSpec:
    """The fixed camera as another person would have mounted it."""
    return replace(
        camera,
        name="shifted",
        position=_near(camera.position, 0.06, rng),
        target=_near(camera.target, 0.05, rng),
        fov=camera.fov * float(rng.uniform(0.9, 1.08)),
    )


def _close(scene: Scene, rng: Generator) -> CameraSpec:
    """From 0.2 to 0.55 m above something, steeply down, turned anyhow."""
    things = things_of(scene)
    middle = np.array(things[int(rng.integers(len(things)))].position if things else (0.5, 0.0, 0.0))
    target = middle + rng.normal(0, 0.04, size=3)
    lean = rng.normal(0, 0.12, size=2)
    height = float(rng.uniform(0.2, 0.55))
    position = target + np.array([lean[0], lean[1], height])
    fov = math.radians(float(rng.uniform(42, 70)))
    return CameraSpec("close", _tuple(position), _tuple(target), fov)


def _near(point: tuple[float, float, float], spread: float, rng: Generator) -> tuple[float, float, float]:
    return _tuple(np.array(point) + rng.normal(0, spread / 2, size=3))


def _tuple(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _arranged(scene: Scene, rng: Generator) -> Scene | None:
    """The scene after some work: one or two things in or on others; None where that cannot be."""
    from sim.dimensions import CONTAINERS, SUPPORTS
    from sim.placement import problems

    places: dict[str, ObjectSpec] = {}
    order = list(rng.permutation(len(scene.objects)))
    bases = [scene.objects[i] for i in order if scene.objects[i].kind in (*CONTAINERS, *SUPPORTS)]
    for base in bases[: int(rng.integers(1, 3))]:
        where = "inside" if base.kind in CONTAINERS else "on"
        for index in order:
            thing = scene.objects[index]
            if thing is base or thing.name in places or base.name in places or thing in bases[:2]:
                continue
            on, inside = ("", base.name) if where == "inside" else (base.name, "")
            moved = replace(thing, position=(), on=on, inside=inside)
            candidate = _with(scene, places | {thing.name: moved})
            if not problems(candidate):
                places[thing.name] = moved
                break
    return _with(scene, places) if places else None


def _with(scene: Scene, places: dict[str, ObjectSpec]) -> Scene:
    return replace(scene, objects=tuple(places.get(item.name, item) for item in scene.objects))


def _pose_arm(world: Any, data: Any, robot: RobotDescription, rng: Generator, looking_down: bool) -> bool:
    """Put the arm somewhere; `looking_down`: so that its wrist camera sees the table from near by."""
    import mujoco

    addresses = [int(world.model.joint(f"robot/{joint.name}").qposadr[0]) for joint in robot.joints]
    camera = world.model.camera(_wrist_name(world)).id
    low = np.array([joint.low for joint in robot.joints])
    high = np.array([joint.high for joint in robot.joints])
    home = data.qpos[addresses].copy()
    for _ in range(400 if looking_down else 60):
        data.qpos[addresses] = np.clip(home + rng.normal(0, 0.8, size=len(low)), low, high)
        mujoco.mj_kinematics(world.model, data)
        mujoco.mj_camlight(world.model, data)
        position, axes = data.cam_xpos[camera], data.cam_xmat[camera].reshape(3, 3)
        inside = 0.25 < position[0] < 0.75 and abs(position[1]) < 0.4
        if inside and 0.16 < position[2] < 0.6 and (not looking_down or axes[2, 2] > 0.85):
            return True
    data.qpos[addresses] = home
    mujoco.mj_kinematics(world.model, data)
    mujoco.mj_camlight(world.model, data)
    return False


def _wrist_name(world: Any) -> str:
    names: list[str] = [world.model.camera(i).name for i in range(world.model.ncam)]
    return next(name for name in names if name.endswith("wrist"))


def example_record(example: Example) -> dict[str, Any]:
    """A command and its answer as JSON-ready data."""
    from embodied_agent.planners import goal as g
    from embodied_agent.planners.scripted import program_text

    told: dict[str, tuple[list[str], str]] = {}
    things = {thing.id: thing for thing in things_of(example.scene)}
    for item in example.groundings:
        matches = [things[name] for name in item.ids if name in things]
        told.setdefault(item.canonical, (list(item.ids), state_of(parse_canonical(item.canonical), matches)))
    declined = isinstance(example.goal, (g.Refuse, g.Ask))
    return {
        "command": example.command,
        "program": example.program,
        "repair": "" if declined else program_text(example.goal, repair=True),
        "phrases": [[text, ids, state] for text, (ids, state) in told.items()],
        "spans": _spans(example, list(told)),
        "clauses": {name: list(span) for name, span in example.clauses.items()},
        "points": [list(point) for point in example.points],
        "family": example.family,
        "kind": example.kind,
        "seed": example.seed,
    }


def _spans(example: Example, told: list[str]) -> list[list[int]]:
    """Of each phrase: first and last character, whether it says all by itself, and which of `told` it is."""
    spans, place = [], 0
    for item in example.groundings:
        if item.phrase:
            start = example.command.index(item.phrase, place)
            place = start + len(item.phrase)
            spans.append([start, place, int(item.alone), told.index(item.canonical)])
    return spans


def episode_of(shot: Shot) -> Episode | None:
    """The command of a picture, or None."""
    if not shot.episode:
        return None
    points = tuple((x, y) for x, y in shot.episode["points"])
    return episode_from_record(shot.episode, point_features(shot.picture(), points, 2 * WIDTH, 2 * HEIGHT))


def write_commands(path: Path, split: str, seeds: range, hard: Mapping[str, float] | None = None) -> None:
    """Commands of scenes that are not rendered: one JSON object a line, gzipped.

    Args:
        path: File.
        split: Of the commands.
        seeds: One command each.
        hard: How often these families are drawn; None = all as usual.
    """
    lines = []
    weights = {name: (hard or {}).get(name, 0.45 * usual) for name, usual in WEIGHTS.items()}
    for seed in seeds:
        drawn = random.Random(seed).choices(list(weights), list(weights.values()))[0] if hard else None
        example = generate(seed, split, drawn)
        record = example_record(example)
        record["things"] = [thing_to_dict(thing) for thing in things_of(example.scene)]
        record["natural"] = [
            (item.phrase, item.canonical, list(item.ids)) for item in phrases(seed, split, example.scene, 6)
        ]
        lines.append(json.dumps(record))
    partial = path.with_suffix(".partial")
    partial.write_bytes(gzip.compress("\n".join(lines).encode(), 3))
    partial.rename(path)


def build_commands(
    data: Path, split: str, count: int, hard: Mapping[str, float] | None = None, workers: int = 2
) -> list[dict[str, Any]]:
    """Records of `count` commands, from files that are made where they are missing.

    Args:
        data, split, count: As for `build`.
        hard: As for `write_commands`.
        workers: Processes.
    """
    folder = data / f"commands-{split}{'-hard' if hard else ''}"
    folder.mkdir(parents=True, exist_ok=True)
    size = 1000
    jobs = []
    paths = [folder / f"part-{n:04d}.jsonl.gz" for n in range(math.ceil(count / size))]
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(f"commands {split}", total=len(paths))
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            for number, path in enumerate(paths):
                if not path.is_file():
                    # Far from the seeds that are rendered.
                    first = (_HARD_SEEDS if hard else 10_000_000) + number * size
                    seeds = range(first, first + min(size, count - number * size))
                    jobs.append(pool.submit(write_commands, path, split, seeds, hard))
            progress.advance(task, len(paths) - len(jobs))
            for job in as_completed(jobs):
                job.result()
                progress.advance(task)
    records = []
    for path in paths:
        records += [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    return records
