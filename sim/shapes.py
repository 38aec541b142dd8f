"""Shapes that objects and fixtures are made of, and surfaces made by turning and sweeping curves.

A shape is drawn, solid, or both. What is drawn is smooth; what is solid is convex, so that
hollow things are rings of plates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from embodied_agent.types import Array, quaternion_from_rotation

GEOMS = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "ellipsoid": mujoco.mjtGeom.mjGEOM_ELLIPSOID,
    "mesh": mujoco.mjtGeom.mjGEOM_MESH,
}
DRAWN_GROUP = 2
SOLID_GROUP = 3  # not drawn
HIDDEN_GROUP = 5  # drawn by nobody: spare things of a snapshot


@dataclass(frozen=True)
class Surface:
    """A triangle mesh: vertices (V, 3) [m], faces (F, 3)."""

    vertices: Array
    faces: NDArray[np.int32]


@dataclass(frozen=True)
class Shape:
    """One geom.

    Attributes:
        kind: Key of GEOMS.
        size: Half sizes as MuJoCo counts them [m].
        position, quaternion: In the body's frame.
        tint: Role of its colour: "body", or a key of TINTS.
        drawn, solid: Seen; touched.
        surface: For meshes.
        material: "plain", "glossy" or "metal".
    """

    kind: str
    size: tuple[float, ...] = ()
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quaternion: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)
    tint: str = "body"
    drawn: bool = True
    solid: bool = True
    surface: Surface | None = field(default=None, compare=False)
    material: str = "plain"

    @property
    def volume(self) -> float:
        """Rough volume [m^3], to share out the mass."""
        sides = (*self.size, 0.0, 0.0)
        if self.kind == "box":
            return 8 * sides[0] * sides[1] * sides[2]
        if self.kind in ("cylinder", "capsule"):
            ends = 4 / 3 * math.pi * sides[0] ** 3 if self.kind == "capsule" else 0.0
            return 2 * math.pi * sides[0] ** 2 * sides[1] + ends
        if self.kind == "sphere":
            return 4 / 3 * math.pi * sides[0] ** 3
        return 4 / 3 * math.pi * sides[0] * sides[1] * sides[2]


# Colours of parts that do not take the colour of the whole; "inner" and "dark" are made from it.
TINTS: dict[str, tuple[float, float, float]] = {
    "metal": (0.74, 0.75, 0.77),
    "brown": (0.30, 0.18, 0.08),
    "leaf": (0.16, 0.45, 0.12),
    "pale": (0.93, 0.93, 0.90),
    "steel": (0.46, 0.48, 0.50),
    "mark": (0.96, 0.96, 0.96),
    "rubber": (0.10, 0.10, 0.11),
    "lamp": (0.22, 0.24, 0.22),
}
MATERIALS = {"plain": (0.15, 0.2), "glossy": (0.5, 0.7), "metal": (0.8, 0.8)}  # specular, shininess


def tinted(rgb: Sequence[float], tint: str) -> tuple[float, float, float, float]:
    """RGBA of a part of a thing whose colour is `rgb`."""
    base = np.asarray(rgb, dtype=float)
    if tint == "inner":
        base = 0.72 * base + 0.02
    elif tint == "dark":
        base = 0.55 * base
    elif tint == "light":
        base = 0.65 * base + 0.35
    elif tint == "stripe":  # stays apart from the ball it runs around
        base = np.array(TINTS["pale"] if base.mean() < 0.7 else TINTS["steel"])
    elif tint != "body":
        base = np.array(TINTS[tint])
    r, g, b = np.clip(base, 0.0, 1.0)
    return float(r), float(g), float(b), 1.0


def shaded(rgb: Sequence[float], shade: float) -> tuple[float, float, float]:
    """A colour made up to 16 % darker or lighter, as paint varies."""
    base = np.asarray(rgb, dtype=float)
    base = base * (1 + 0.16 * shade) if shade < 0 else base + (1 - base) * 0.10 * shade
    r, g, b = np.clip(base, 0.02, 0.97)
    return float(r), float(g), float(b)


def turned(profile: Sequence[tuple[float, float]], segments: int = 40) -> Surface:
    """The surface that a curve of (radius, height) makes when turned about z.

    Run the curve so that the outside lies to its right: up along an outer wall, then down
    inside. Ends on the axis (radius 0) are closed.
    """
    angles = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    rings = np.array([[(r * math.cos(a), r * math.sin(a), z) for a in angles] for r, z in profile])
    return _rings(rings)


def swept(path: Array, radii: Sequence[float], segments: int = 14) -> Surface:
    """A tube along points (N, 3) with a radius at each; ends are closed by radius 0."""
    forward = np.gradient(path, axis=0)
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    up = np.array([0.0, 0.0, 1.0])
    if abs(forward @ up).max() > 0.95:
        up = np.array([0.0, 1.0, 0.0])
    side = np.cross(up, forward)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    above = np.cross(forward, side)
    angles = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    rings = [
        point + radius * (np.outer(np.cos(angles), s) + np.outer(np.sin(angles), a))
        for point, radius, s, a in zip(path, radii, side, above, strict=True)
    ]
    return _rings(np.array(rings))


def _rings(rings: Array) -> Surface:
    count, segments = rings.shape[:2]
    faces = []
    for i in range(count - 1):
        for j in range(segments):
            k = (j + 1) % segments
            a, b, c, d = i * segments + j, i * segments + k, (i + 1) * segments + k, (i + 1) * segments + j
            faces += [(a, b, c), (a, c, d)]
    vertices = rings.reshape(-1, 3)
    triangles = np.array(faces, dtype=np.int32)
    p, q, r = (vertices[triangles[:, i]] for i in range(3))
    areas = np.linalg.norm(np.cross(q - p, r - p), axis=1)
    return Surface(vertices, triangles[areas > 1e-12])  # rings of radius 0 leave flat triangles


def coarser(surface: Surface, cell: float) -> Surface:
    """A surface with fewer triangles: vertices within one cube of side `cell` [m] become one."""
    keys = np.round(surface.vertices / cell).astype(np.int64)
    _, group, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()
    vertices = np.zeros((len(counts), 3))
    np.add.at(vertices, group, surface.vertices)
    faces = group[surface.faces]
    real = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])
    return Surface(vertices / counts[:, None], np.unique(faces[real], axis=0).astype(np.int32))


def ring_of_plates(
    lower: tuple[float, float], upper: tuple[float, float], wall: float, plates: int, solid: float = 0.0
) -> list[Shape]:
    """Solid plates that make the wall between two circles (outer radius, height).

    Args:
        lower, upper: The circles, on the outside of the wall.
        wall: Thickness that is seen [m].
        plates: How many.
        solid: Thickness of the plates [m], outwards from the wall's inside; 0 = as seen. Thin
            plates under a heavy thing are pierced and throw it out.
    """
    (r0, z0), (r1, z1) = lower, upper
    slant = np.array([r1 - r0, z1 - z0])
    length = float(np.linalg.norm(slant))
    slant /= length
    outward = np.array([slant[1], -slant[0]])  # (radial, z)
    middle = np.array([(r0 + r1) / 2, (z0 + z1) / 2]) - outward * (wall - (solid or wall) / 2)
    width = max(r0, r1) * math.tan(math.pi / plates)
    shapes = []
    for i in range(plates):
        angle = 2 * math.pi * i / plates
        radial, tangent = (
            np.array([math.cos(angle), math.sin(angle), 0]),
            np.array([-math.sin(angle), math.cos(angle), 0]),
        )
        along = radial * slant[0] + np.array([0, 0, slant[1]])
        normal = np.cross(tangent, along)
        rotation = np.stack([normal, tangent, along], axis=1)
        centre = radial * middle[0] + np.array([0, 0, middle[1]])
        shapes.append(
            Shape(
                "box",
                ((solid or wall) / 2, width, length / 2),
                (float(centre[0]), float(centre[1]), float(centre[2])),
                tuple(quaternion_from_rotation(rotation)),
                drawn=False,
            )
        )
    return shapes


def turn_z(yaw: float) -> tuple[float, float, float, float]:
    """Quaternion of a turn about z."""
    return math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)


LYING_X = (math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0)  # a cylinder's axis along x
LYING_Y = (math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0)  # a cylinder's axis along y


@dataclass(frozen=True)
class Contact:
    """How a surface touches: friction (sliding, torsional [m], rolling [m]) and its dimensions."""

    friction: tuple[float, float, float] = (0.8, 0.005, 0.0001)
    condim: int = 4


def add_shapes(
    spec: Any,
    body: Any,
    shapes: Sequence[Shape],
    rgb: Sequence[float],
    *,
    name: str,
    model_key: str,
    mass: float = 0.0,
    contact: Contact = Contact(),
    solid: bool = True,
) -> None:
    """Add shapes as geoms of `body`; meshes are shared by `model_key`.

    Args:
        spec: MjSpec that `body` belongs to.
        body: Where to add.
        shapes: What to add.
        rgb: Colour of the whole.
        name: Prefix of the geoms' names.
        model_key: Two things with the same key have the same meshes.
        mass: Shared among the solid shapes by volume [kg].
        contact: Of every solid shape.
        solid: False adds only what is drawn, for pictures without physics.
    """
    volume = sum(s.volume for s in shapes if s.solid) or 1.0
    for i, shape in enumerate(shapes):
        touches = shape.solid and solid
        if not (touches or shape.drawn):
            continue
        geom = body.add_geom(name=f"{name}/{i}", type=GEOMS[shape.kind])
        geom.pos, geom.quat = shape.position, shape.quaternion
        if shape.surface is not None:
            geom.meshname = _mesh(spec, f"{model_key}/{i}", shape.surface)
        else:
            geom.size[: len(shape.size)] = shape.size
        geom.group = DRAWN_GROUP if shape.drawn else SOLID_GROUP
        geom.material = shape.material
        geom.rgba = tinted(rgb, shape.tint)
        geom.contype = geom.conaffinity = int(touches)
        geom.mass = mass * shape.volume / volume if shape.solid else 0.0
        if touches:
            geom.friction, geom.condim = contact.friction, contact.condim
            geom.solref = (0.01, 1.0)
            geom.solimp = (0.95, 0.99, 0.001, 0.5, 2.0)


def add_materials(spec: Any) -> None:
    """The materials that shapes refer to."""
    for name, (specular, shininess) in MATERIALS.items():
        spec.add_material(name=name, specular=specular, shininess=shininess)


def _mesh(spec: Any, name: str, surface: Surface) -> str:
    if spec.mesh(name) is None:
        mesh = spec.add_mesh(name=name)
        mesh.uservert = surface.vertices.ravel()
        mesh.userface = surface.faces.ravel()
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    return name
