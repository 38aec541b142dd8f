"""The things of a scene as it starts: what descriptions are resolved against."""

from __future__ import annotations

import math

from sim.descriptions import Thing
from sim.dimensions import DRAWER_TRAVEL, FIXTURE_DIMENSIONS
from sim.placement import DRAWER_BOTTOMS, Rest, rest_places
from sim.scene import FixtureSpec, ObjectSpec, Scene

_PANEL = (0.04, 0.23, 0.10)  # a drawer's front with its handle [m]


def things_of(scene: Scene) -> tuple[Thing, ...]:
    """Every object, fixture and moving part of a scene, where it stands at the start."""
    places = rest_places(scene)
    objects = tuple(_object(spec, places[spec.name]) for spec in scene.objects)
    return objects + tuple(part for spec in scene.fixtures for part in _fixture(spec))


def _object(spec: ObjectSpec, rest: Rest) -> Thing:
    height = spec.dimensions.height
    extent = (*_turned(spec.dimensions.half, spec.yaw), height)
    return Thing(
        spec.name,
        spec.kind,
        spec.color,
        spec.size,
        (rest.x, rest.y, rest.z + height / 2),
        extent,
        spec.inside,
        spec.on,
    )


def _turned(half: tuple[float, float], yaw: float) -> tuple[float, float]:
    """Full sizes of the world-aligned box around a turned rectangle [m]."""
    c, s = abs(math.cos(yaw)), abs(math.sin(yaw))
    return 2 * (half[0] * c + half[1] * s), 2 * (half[0] * s + half[1] * c)


def _fixture(spec: FixtureSpec) -> list[Thing]:
    size = FIXTURE_DIMENSIONS[spec.kind]
    extent = (*_turned(size.half, spec.yaw), size.height)
    x, y = spec.position

    def ahead(distance: float, z: float) -> tuple[float, float, float]:
        return x - distance * math.cos(spec.yaw), y - distance * math.sin(spec.yaw), z

    body = Thing(spec.kind, spec.kind, spec.color, "", ahead(0.0, size.height / 2), extent)
    if spec.kind == "cabinet":
        front = size.half[0] + _PANEL[0] / 2
        drawers = []
        for part, bottom in DRAWER_BOTTOMS.items():
            where = ahead(front + DRAWER_TRAVEL * spec.state.get(part, 0.0), bottom + _PANEL[2] / 2)
            drawers.append(Thing(part, "drawer", spec.color, "", where, _PANEL))
        return [body, *drawers]
    if spec.kind == "cupboard":
        where = ahead(size.half[0], size.height / 2)
        return [body, Thing("cupboard door", "cupboard door", spec.color, "", where, (0.03, 0.24, 0.25))]
    return [body]
