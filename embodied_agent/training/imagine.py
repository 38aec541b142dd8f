"""Visual tokens of scenes that were never rendered: what a good eye would have seen there.

Words and relations need far more scenes than looking does. An imagined token carries class and
colour probabilities and a measured geometry with errors like the trained vision's. There is no grid
of coarse features; real scenes lose theirs at times, so the two mix in one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from embodied_agent.commands.draw import camera_of
from embodied_agent.mllm.objects import ATTRIBUTES, GEOMETRY, GRID_COLUMNS, GRID_ROWS, Seen
from embodied_agent.mllm.picture import HEIGHT, WIDTH, scaled_camera
from embodied_agent.mllm.settings import ModelSettings
from embodied_agent.mllm.vocabulary import CLASS_INDEX, CLASSES, COLOR_INDEX, COLORS, KINDS
from embodied_agent.training.situations import Situation, episode_from_record, thing_from_dict
from embodied_agent.types import Camera
from sim.descriptions import Thing
from sim.scene import CameraSpec

Float = NDArray[np.float32]
_CAMERA = scaled_camera(camera_of(CameraSpec()), WIDTH, HEIGHT)
PIXEL_CLASS = {"cupboard door": "door"}  # kinds of things whose pixel class is called otherwise
_HANDLES = {"drawer": "drawer_handle", "cupboard door": "door_handle"}
_LOOKALIKES = {
    "cube": "box", "cylinder": "can", "can": "cylinder", "ball": "apple", "apple": "ball", "lemon": "ball",
    "bowl": "plate", "plate": "bowl", "bin": "bowl", "mug": "can", "box": "cube", "bottle": "can",
}  # fmt: skip


def imagine_situation(record: dict[str, Any], settings: ModelSettings, rng: Generator) -> Situation:
    """A situation out of a record of `dataset.build_commands`; errors are drawn anew each time."""
    things = tuple(thing_from_dict(item) for item in record["things"])
    seen, token_of = imagine(things, _CAMERA, settings, rng)
    points = np.array([_click(tuple(pixel), things) for pixel in record["points"]], dtype=np.float32).reshape(
        -1, 5
    )
    natural = tuple((phrase, text, tuple(ids)) for phrase, text, ids in record["natural"])
    shown = tuple(thing for thing in things if thing.id in token_of)
    return Situation(seen, shown, token_of, episode_from_record(record, points), natural)


def _click(pixel: tuple[float, float], things: Sequence[Thing]) -> tuple[float, ...]:
    """World point and place in the image of a clicked pixel of the 640x480 image."""
    u, v = (pixel[0] + 0.5) / (2 * WIDTH), (pixel[1] + 0.5) / (2 * HEIGHT)
    ray = np.array(
        [(u * WIDTH - 0.5 - _CAMERA.cx) / _CAMERA.fx, (v * HEIGHT - 0.5 - _CAMERA.cy) / _CAMERA.fy, 1.0]
    )
    eye = _CAMERA.world_from_camera.position
    direction = _CAMERA.world_from_camera.rotation @ ray

    def at(height: float) -> NDArray[np.float64]:
        point: NDArray[np.float64] = eye + direction * (height - eye[2]) / direction[2]
        return point

    best = at(0.0)
    for thing in sorted(things, key=lambda item: item.position[2] + item.extent[2] / 2):
        point = at(thing.position[2] + thing.extent[2] / 4)
        if all(abs(point[i] - thing.position[i]) <= thing.extent[i] / 2 for i in (0, 1)):
            best = point
    return (*(float(value) for value in best), u, v)


def imagine(
    things: Sequence[Thing], camera: Camera, settings: ModelSettings, rng: Generator
) -> tuple[Seen, dict[str, int]]:
    """Visual tokens of a scene, and the token of each thing by its id.

    Args:
        things: Everything that stands there.
        camera: The fixed camera, at the picture's size.
        settings: Sizes of the model.
        rng: Draws the errors.
    """
    rows: list[tuple[str, str, Float]] = []
    for thing in things:
        if thing.container and "drawer" in thing.container:
            continue  # hidden, or nearly so
        name = PIXEL_CLASS.get(thing.kind, thing.kind)
        rows.append((thing.id, name, _geometry(thing.position, thing.extent, camera, rng)))
        if thing.kind in _HANDLES:
            place = (thing.position[0] - 0.03, thing.position[1], thing.position[2])
            geometry = _geometry(place, (0.02, 0.1, 0.02), camera, rng)
            rows.append(("", _HANDLES[thing.kind], geometry))
    order = rng.permutation(len(rows))[: settings.max_objects]
    colors = {thing.id: thing.color for thing in things}
    attributes = np.zeros((len(order), ATTRIBUTES), dtype=np.float32)
    token_of: dict[str, int] = {}
    for slot, row in enumerate(order):
        name, kind, _ = rows[row]
        attributes[slot] = _attributes(kind, colors.get(name, ""), rng)
        if name:
            token_of[name] = slot
    seen = Seen(
        attributes=attributes,
        geometry=np.array([rows[row][2] for row in order], dtype=np.float32).reshape(-1, GEOMETRY),
        grid=np.zeros((GRID_ROWS, GRID_COLUMNS, settings.channels[-1]), dtype=np.float32),
    )
    return seen, token_of


def _attributes(kind: str, color: str, rng: Generator) -> Float:
    values = np.zeros(ATTRIBUTES, dtype=np.float32)
    sure = 1 - min(float(rng.exponential(0.06)), 0.45)
    values[CLASS_INDEX[kind]] = sure
    values[CLASS_INDEX[_LOOKALIKES.get(kind, "table")]] += 1 - sure
    offset = len(CLASSES)
    if kind in KINDS and color in COLOR_INDEX:
        sure = 1 - min(float(rng.exponential(0.05)), 0.45)
        values[offset + COLOR_INDEX[color]] = sure
        values[offset + int(rng.integers(len(COLORS)))] += 1 - sure
    else:
        values[offset:] = rng.dirichlet(np.full(len(COLORS), 0.3))
    return values


def _geometry(position: tuple[float, ...], extent: tuple[float, ...], camera: Camera, rng: Generator) -> Float:
    """What depth would give: the camera sees the near and the upper side."""
    centre = np.array(position) + rng.normal(0, 0.004, size=3)
    size = np.array(extent)
    top = centre[2] + size[2] / 2
    low = centre[2] - size[2] / 2 + rng.uniform(0, 0.4) * size[2]
    seen = size[:2] * rng.uniform(0.82, 1.05, size=2)
    centre[0] -= rng.uniform(0, 0.12) * size[0]  # the far side is hidden
    middle = rng.uniform(low, top) * 0.4 + top * 0.6
    u, v = (camera.project(np.array([[centre[0], centre[1], middle]]))[0] + 0.5) / (
        camera.width, camera.height,
    )  # fmt: skip
    distance = float(np.linalg.norm(centre - camera.world_from_camera.position))
    cells = max(float(seen[0] * seen[1] + 0.5 * seen[1] * size[2]) * (camera.fx / 2 / distance) ** 2, 6.0)
    return np.array(
        [
            centre[0], centre[1], middle, *seen, low, top, seen.max(), seen.min(), u, v,
            np.log(cells) / 5.0, rng.uniform(0.6, 0.97), rng.uniform(0.8, 1.0),
        ],
        dtype=np.float32,
    )  # fmt: skip
