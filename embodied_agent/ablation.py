"""Naming from the simulator, for the ablation alone: what stands where now, as the truth grounder asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from embodied_agent.errors import BadInput
from embodied_agent.perception.truth import Labelled, TruthGrounder
from embodied_agent.robots.backend import Backend
from embodied_agent.types import Array, Detection, Frame, Pose
from sim.descriptions import Thing
from sim.scene import Scene
from sim.things import things_of

STILL = 0.02  # [m] a thing that moved less is where, and in what, the scene put it
CONTAINERS = ("bowl", "bin", "box", "mug")
DRAWER_DEPTH = 0.30  # [m] behind its front
UNNAMED = ("background", "table")


def truth_grounder(backend: Backend) -> TruthGrounder:
    """A grounder that reads a simulated back end's segmentation.

    Raises:
        BadInput: The back end has none.
    """
    simulated: Any = backend
    if not all(hasattr(backend, name) for name in ("segmentation", "labels", "truth", "scene")):
        raise BadInput("--perception truth needs a simulated robot; this one has no truth to tell")

    def segment(frame: Frame) -> list[Labelled]:
        ids = simulated.segmentation(frame.camera.name)
        return [
            Labelled(label.name, Detection(ids == label.id, label.kind, label.color, 1.0))
            for label in simulated.labels
            if label.kind not in UNNAMED and (ids == label.id).any()
        ]

    return TruthGrounder(segment, lambda: things_now(simulated.scene, simulated.truth()))


def things_now(scene: Scene, truth: Mapping[str, Any]) -> list[Thing]:
    """The things of a scene where they stand now, with what they lie in and stand on."""
    fractions = {name: max(0.0, min(1.0, joint["fraction"])) for name, joint in truth["joints"].items()}
    fixtures = tuple(
        replace(
            f,
            state={
                **f.state,
                **{part: fractions[part] for part in f.parts if part in f.state or f.kind == "cabinet"},
            },
        )
        for f in scene.fixtures
    )
    start = things_of(scene)
    now = {thing.id: thing for thing in things_of(replace(scene, fixtures=fixtures))}
    for thing in start:
        measured = truth["objects"].get(thing.id)
        if measured is not None:
            now[thing.id] = _moved(
                thing, Pose(np.array(measured["position"]), np.array(measured["quaternion"])), scene
            )
    return [_carried(thing, start, now) if thing.id in truth["objects"] else thing for thing in now.values()]


def _moved(thing: Thing, pose: Pose, scene: Scene) -> Thing:
    """The thing at a pose of its middle, with the box around it."""
    dimensions = scene.object(thing.id).dimensions
    half: Array = np.array([*dimensions.half, dimensions.height / 2])
    extent = 2 * np.abs(pose.rotation) @ half
    x, y, z = (float(v) for v in pose.position)
    return replace(thing, position=(x, y, z), extent=(float(extent[0]), float(extent[1]), float(extent[2])))


def _carried(thing: Thing, start: tuple[Thing, ...], now: Mapping[str, Thing]) -> Thing:
    first = next(t for t in start if t.id == thing.id)
    if np.linalg.norm(np.subtract(first.position, thing.position)) < STILL:
        return thing
    inside = next((o.id for o in now.values() if o.id != thing.id and _is_inside(thing, o)), "")
    under = "" if inside else next((o.id for o in now.values() if o.id != thing.id and _is_on(thing, o)), "")
    return replace(thing, container=inside, support=under)


def _is_inside(thing: Thing, other: Thing) -> bool:
    x, y, z = (a - b for a, b in zip(thing.position, other.position, strict=True))
    low = z - thing.extent[2] / 2
    if other.kind == "drawer":
        return 0.0 < x < DRAWER_DEPTH and abs(y) < 0.14 and abs(low) < 0.06
    if other.kind not in CONTAINERS:
        return False
    return abs(x) < other.extent[0] / 2 and abs(y) < other.extent[1] / 2 and low < other.extent[2] / 2 - 0.005


def _is_on(thing: Thing, other: Thing) -> bool:
    x, y, z = (a - b for a, b in zip(thing.position, other.position, strict=True))
    low = z - thing.extent[2] / 2
    over = abs(x) < other.extent[0] / 2 and abs(y) < other.extent[1] / 2
    return over and abs(low - other.extent[2] / 2) < (0.025 if other.kind != "plate" else 0.035)
