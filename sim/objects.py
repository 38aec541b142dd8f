"""How each kind of object is made. Origin: middle of the underside; x along the long side or handle."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from sim.dimensions import DIMENSIONS, Dimensions
from sim.placement import BOWL_FLAT
from sim.shapes import LYING_X, Contact, Shape, ring_of_plates, swept, turn_z, turned

Shapes = tuple[Shape, ...]

# Fruit and balls must come to rest on a table, as real ones do on cloth and wood.
ROLLING = Contact((0.8, 0.008, 0.0015), 6)


STOUT = 0.010  # [m] of the plates that carry what lies in a bowl


@cache
def object_shapes(kind: str, size: str) -> Shapes:
    """Shapes of one kind in one size."""
    return _MAKERS[kind](DIMENSIONS[kind, size])


def contact_of(kind: str) -> Contact:
    """How the kind touches."""
    return ROLLING if kind in ("ball", "apple", "lemon", "cylinder", "can", "bottle", "banana") else Contact()


def _cube(d: Dimensions) -> Shapes:
    h, bevel = d.radius, d.radius * 0.94
    return (
        Shape("box", (h, h, h), (0, 0, h), drawn=False),
        # Three crossing slabs: rounded-looking edges without a mesh.
        Shape("box", (h, bevel, bevel), (0, 0, h), solid=False),
        Shape("box", (bevel, h, bevel), (0, 0, h), solid=False),
        Shape("box", (bevel, bevel, h), (0, 0, h), solid=False),
    )


def _cylinder(d: Dimensions) -> Shapes:
    return (Shape("cylinder", (d.radius, d.height / 2), (0, 0, d.height / 2)),)


def _ball(d: Dimensions) -> Shapes:
    r = d.radius
    tilt = (math.cos(0.4), math.sin(0.4), 0.0, 0.0)
    band = turned([(r * 0.985, -0.12 * r), (r * 1.008, -0.10 * r), (r * 1.008, 0.10 * r), (r * 0.985, 0.12 * r)])
    return (
        Shape("sphere", (r,), (0, 0, r), material="glossy"),
        Shape("mesh", (), (0, 0, r), tilt, "stripe", solid=False, surface=band),
    )


def _mug(d: Dimensions) -> Shapes:
    r, h, w = d.radius, d.height, d.wall
    outside = [(0, 0), (r * 0.9, 0), (r * 0.98, 0.003), (r, 0.008), (r, h - 0.001), (r - w / 2, h)]
    inside = [(r - w, h - 0.001), (r - w, d.floor + 0.004), (r - w - 0.004, d.floor), (0, d.floor)]
    reach = d.half[0]
    bend = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 13)
    high, thick = 0.30 * h, 0.0050
    handle = np.stack(
        [
            r - 0.003 + (reach - r - thick + 0.003) * np.cos(bend) ** 0.7,
            np.zeros(13),
            0.5 * h + high * np.sin(bend),
        ],
        axis=1,
    )
    grip = (reach - thick, 0.0)
    return (
        Shape("mesh", surface=turned([*outside, *inside]), solid=False, material="glossy"),
        Shape("cylinder", (r - w - 0.0005, 0.0006), (0, 0, d.floor), tint="inner", solid=False),
        Shape("mesh", surface=swept(handle, [thick] * 13), solid=False, material="glossy"),
        Shape("cylinder", (r - 0.001, d.floor / 2), (0, 0, d.floor / 2), drawn=False),
        *ring_of_plates((r, 0.002), (r, h), w, 12),
        Shape("box", (thick * 0.9, thick * 0.9, high * 0.75), (grip[0], 0, 0.5 * h), drawn=False),
        *(
            Shape(
                "box",
                ((grip[0] - r) / 2 + 0.002, thick * 0.9, thick * 0.9),
                ((grip[0] + r) / 2 - 0.002, 0, 0.5 * h + s * high * 0.85),
                drawn=False,
            )
            for s in (-1, 1)
        ),
    )


def _bowl(d: Dimensions) -> Shapes:
    r, h, w = d.radius, d.height, d.wall
    knee = (0.87 * r, 0.40 * h)  # where the solid wall turns steep
    curve = [(BOWL_FLAT * r, 0.0), (0.77 * r, 0.16 * h), (0.88 * r, 0.42 * h), (0.96 * r, 0.74 * h), (r, h)]
    outside = [(0, 0), *curve]
    inside = [(x - w, max(z, d.floor)) for x, z in reversed(curve)]
    return (
        Shape("mesh", surface=turned([*outside, *inside, (0, d.floor)], 48), solid=False, material="glossy"),
        Shape("cylinder", (BOWL_FLAT * r - w, 0.0006), (0, 0, d.floor), tint="inner", solid=False),
        Shape("cylinder", (BOWL_FLAT * r, d.floor / 2), (0, 0, d.floor / 2), drawn=False),
        *ring_of_plates(_raised((BOWL_FLAT * r, 0.001), knee, w), knee, w, 16, STOUT),
        *ring_of_plates(knee, (r, h), w, 16),
    )


def _raised(lower: tuple[float, float], upper: tuple[float, float], wall: float) -> tuple[float, float]:
    """The lower end of a slanted wall, moved up along it until stout plates clear the table."""
    slant = np.subtract(upper, lower) / np.linalg.norm(np.subtract(upper, lower))
    lowest = lower[1] - (STOUT - wall) * slant[0]
    up = max(0.0, (0.0005 - lowest) / slant[1])
    return float(lower[0] + up * slant[0]), float(lower[1] + up * slant[1])


def _plate(d: Dimensions) -> Shapes:
    r, h, w = d.radius, d.height, d.wall
    flat = 0.92 * r  # a steep rim, or fingers slide off it
    profile = [(0, 0), (flat, 0), (flat + 0.003, 0.003), (r - 0.001, h - 0.001), (r - 0.002, h)]
    inside = [(r - w, h - 0.001), (flat - 0.003, d.floor), (0, d.floor)]
    ring = turned([(0.63 * r, 0), (0.63 * r, 0.0008), (0.60 * r, 0.0008), (0.60 * r, 0)])
    return (
        Shape("mesh", surface=turned([*profile, *inside], 48), solid=False, material="glossy"),
        Shape("mesh", (), (0, 0, d.floor), tint="inner", solid=False, surface=ring),
        Shape("cylinder", (flat, d.floor / 2), (0, 0, d.floor / 2), drawn=False),
        *ring_of_plates((flat + 0.002, 0.001), (r, h), w, 20),
    )


def _can(d: Dimensions) -> Shapes:
    r, h = d.radius, d.height
    body = [(0, 0), (r - 0.003, 0.0), (r, 0.004), (r, h - 0.006), (r - 0.003, h - 0.001)]
    lid = [(r - 0.003, h - 0.002), (r - 0.002, h), (r - 0.004, h), (r - 0.005, h - 0.003), (0, h - 0.003)]
    return (
        Shape("mesh", surface=turned(body), solid=False, material="metal"),
        Shape("mesh", surface=turned(lid), tint="metal", solid=False, material="metal"),
        Shape("ellipsoid", (0.30 * r, 0.17 * r, 0.0012), (0.28 * r, 0, h - 0.002), tint="steel", solid=False),
        Shape(
            "mesh",
            surface=turned([(r - 0.002, 0.0), (r + 0.0003, 0.004), (r + 0.0003, 0.010), (r, 0.011)]),
            tint="metal",
            solid=False,
        ),
        Shape(
            "mesh",
            surface=turned([(r, 0.36 * h), (r + 0.0004, 0.36 * h), (r + 0.0004, 0.48 * h), (r, 0.48 * h)]),
            tint="pale",
            solid=False,
        ),
        Shape("cylinder", (r, h / 2), (0, 0, h / 2), drawn=False),
    )


def _bottle(d: Dimensions) -> Shapes:
    r, h = d.radius, d.height
    neck = 0.42 * r
    profile = [(0, 0), (0.93 * r, 0), (r, 0.005), (r, 0.58 * h), (0.93 * r, 0.64 * h), (0.62 * r, 0.73 * h)]
    profile += [(neck, 0.79 * h), (neck, 0.93 * h), (0, 0.93 * h)]
    return (
        Shape("mesh", surface=turned(profile), solid=False, material="glossy"),
        Shape("cylinder", (neck * 1.15, 0.05 * h), (0, 0, 0.95 * h), tint="pale", solid=False),
        Shape(
            "mesh",
            surface=turned([(r, 0.2 * h), (r + 0.0004, 0.2 * h), (r + 0.0004, 0.46 * h), (r, 0.46 * h)]),
            tint="light",
            solid=False,
        ),
        Shape("cylinder", (r, 0.31 * h), (0, 0, 0.31 * h), drawn=False),
        Shape("cylinder", (0.70 * r, 0.06 * h), (0, 0, 0.68 * h), drawn=False),
        Shape("cylinder", (neck * 1.15, 0.13 * h), (0, 0, 0.87 * h), drawn=False),
    )


def _banana(d: Dimensions) -> Shapes:
    length, width, r = d.half[0], d.half[1], d.radius
    bend, sag = 1.0, 2 * (width - r)  # half angle of the arc; its depth fills the footprint
    turn = np.linspace(-bend, bend, 15)
    x = (length - 0.006) * np.sin(turn) / math.sin(bend)
    y = sag * ((1 - np.cos(turn)) / (1 - math.cos(bend)) - 0.5)
    path = np.stack([x, y, np.full(15, r)], axis=1)
    taper = np.array([0.0, 0.45, 0.66, 0.82, 0.92, 0.98, 1, 1, 1, 0.98, 0.92, 0.80, 0.6, 0.36, 0.0]) * r
    shapes = [Shape("mesh", surface=swept(path, list(taper), 10), solid=False)]
    for tip, radius in ((path[0], 0.30 * r), (path[-1], 0.26 * r)):
        shapes.append(Shape("sphere", (radius,), tuple(tip), tint="brown", solid=False))
    for i in (2, 5, 8, 11):  # solid: capsules along the arc
        a, b = path[i - 1], path[min(i + 2, 13)]
        yaw = math.atan2(b[1] - a[1], b[0] - a[0])
        half = float(np.linalg.norm(b - a)) / 2
        radius = float(min(taper[i], taper[min(i + 1, 13)]) * 0.97)
        axis = (
            math.cos(yaw / 2) * LYING_X[0],
            -math.sin(yaw / 2) * LYING_X[2],
            math.cos(yaw / 2) * LYING_X[2],
            math.sin(yaw / 2) * LYING_X[0],
        )
        centre = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, r)
        shapes.append(Shape("capsule", (radius, half * 0.8), centre, axis, drawn=False))
    return tuple(shapes)


def _apple(d: Dimensions) -> Shapes:
    r, h = d.radius, d.height
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 15)
    dip = np.exp(-((np.abs(angle) - 0.5 * np.pi) ** 2) / 0.10)  # hollows at both ends
    radius = r * np.cos(angle) ** 0.85 * (1 + 0.06 * np.sin(angle))
    height = h / 2 + h / 2 * np.sin(angle) * (1 - 0.26 * dip)
    radius[[0, -1]] = 0
    profile = [(float(a) / 1.03, float(b)) for a, b in zip(radius, height, strict=True)]
    return (
        Shape("mesh", surface=turned(profile), solid=False, material="glossy"),
        Shape(
            "capsule",
            (0.0018, 0.007),
            (0.001, 0, 0.93 * h),
            (math.cos(0.12), 0, math.sin(0.12), 0),
            "brown",
            solid=False,
        ),
        Shape("ellipsoid", (0.009, 0.004, 0.0012), (0.009, 0.002, 0.95 * h), turn_z(0.3), "leaf", solid=False),
        Shape("ellipsoid", (r, r, h / 2 * 0.94), (0, 0, h / 2 * 0.94), drawn=False),
    )


def _lemon(d: Dimensions) -> Shapes:
    long, r = d.half[0], d.radius
    t = np.linspace(-1, 1, 15)
    radius = r * np.sqrt(np.clip(1 - (np.abs(t) / 0.93) ** 2.2, 0, 1))
    radius[1] = radius[-2] = 0.20 * r  # the tips
    radius[2], radius[-3] = max(radius[2], 0.36 * r), max(radius[-3], 0.36 * r)
    path = np.stack([t * long, np.zeros(15), np.full(15, r)], axis=1)
    return (
        Shape("mesh", surface=swept(path, list(radius), 18), solid=False),
        Shape("sphere", (0.10 * r,), (-long, 0, r), tint="brown", solid=False),
        Shape("ellipsoid", (0.93 * long, r, r), (0, 0, r), drawn=False),
    )


def _box(d: Dimensions) -> Shapes:
    (x, y), h, w = d.half, d.height, d.wall
    walls = [
        Shape("box", (x, y, d.floor / 2), (0, 0, d.floor / 2)),
        *(Shape("box", (w / 2, y, (h - d.floor) / 2), (s * (x - w / 2), 0, (h + d.floor) / 2)) for s in (-1, 1)),
        *(
            Shape("box", (x - w, w / 2, (h - d.floor) / 2), (0, s * (y - w / 2), (h + d.floor) / 2))
            for s in (-1, 1)
        ),
    ]
    inside = Shape("box", (x - w, y - w, 0.0005), (0, 0, d.floor + 0.0002), tint="light", solid=False)
    tape = [Shape("box", (0.0006, 0.012, h / 2), (s * x, 0, h / 2), tint="light", solid=False) for s in (-1, 1)]
    return (*walls, inside, *tape)


def _bin(d: Dimensions) -> Shapes:
    r, h, w = d.radius, d.height, d.wall
    foot, top = 0.76 * r, 0.95 * r
    outside = [(0, 0), (foot, 0), (top, h - 0.008), (r, h - 0.006), (r, h)]
    inside = [(top - w, h), (foot - w, d.floor), (0, d.floor)]
    ribs = []
    for i in range(12):
        angle = 2 * math.pi * i / 12
        low, high = np.array([foot, 0.004]), np.array([top, h - 0.010])
        ends = np.array(
            [[p[0] * math.cos(angle), p[0] * math.sin(angle), p[1]] for p in (low, (low + high) / 2, high)]
        )
        ribs.append(swept(ends, [0.0022] * 3, 6))
    return (
        Shape("mesh", surface=turned([*outside, *inside], 48), solid=False),
        Shape("cylinder", (foot - w, 0.0006), (0, 0, d.floor), tint="dark", solid=False),
        *(Shape("mesh", surface=rib, tint="dark", solid=False) for rib in ribs),
        Shape("cylinder", (foot, d.floor / 2), (0, 0, d.floor / 2), drawn=False),
        *ring_of_plates((foot, 0.001), (top, h), w, 16),
    )


_MAKERS: dict[str, Callable[[Dimensions], Shapes]] = {
    "cube": _cube,
    "cylinder": _cylinder,
    "ball": _ball,
    "mug": _mug,
    "bowl": _bowl,
    "plate": _plate,
    "can": _can,
    "bottle": _bottle,
    "banana": _banana,
    "apple": _apple,
    "lemon": _lemon,
    "box": _box,
    "bin": _bin,
}
