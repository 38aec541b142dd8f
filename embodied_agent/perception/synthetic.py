"""A small honest stand-in for a camera: scenes of plain solids, ray-cast, with exact truth.

For tests and examples of perception without a simulator. It knows solids, not physics; depth
comes from rays that hit triangles, optionally with the noise of a structured-light sensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied_agent.perception.cloud import intrinsics
from embodied_agent.perception.geometry import yaw_rotation
from embodied_agent.types import Array, Camera, Detection, Frame, Grounding, Pose

PALETTE: Mapping[str, tuple[int, int, int]] = {
    "red": (199, 20, 20),
    "green": (26, 140, 41),
    "blue": (20, 56, 191),
    "yellow": (237, 201, 20),
    "": (168, 148, 122),
}
TABLE, NOTHING = -1, -2  # as owners of a pixel, beside the numbers of things


@dataclass(frozen=True)
class Solid:
    """One solid with a name.

    Attributes:
        kind, color: As a detector would call it; several solids of one `id` are one thing.
        shape: "box", "sphere", "cylinder", or "tube" (open on top, with a floor).
        size: Full sizes (x, y, z) of its bounding box [m].
        position: Centre in the world [m].
        yaw: [rad].
        id: "" = a thing of its own.
    """

    kind: str
    shape: str
    size: tuple[float, float, float]
    position: tuple[float, float, float]
    yaw: float = 0.0
    color: str = ""
    id: str = ""


def looking_at(
    position: Sequence[float],
    target: Sequence[float],
    name: str = "overhead",
    fov: float = 0.8727,
    width: int = 640,
    height: int = 480,
) -> Camera:
    """A camera at `position` that looks at `target` [m], image up as near to +z as it can be."""
    eye = np.asarray(position, dtype=np.float64)
    forward = np.asarray(target, dtype=np.float64) - eye
    forward /= np.linalg.norm(forward)
    up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.999 else np.array([1.0, 0.0, 0.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose = Pose.from_matrix(rotation).translated(eye)
    focal = height / 2 / float(np.tan(fov / 2))
    return Camera(name, width, height, focal, focal, (width - 1) / 2, (height - 1) / 2, pose)


OVERHEAD = looking_at((-0.05, 0.0, 1.1), (0.5, 0.0, 0.0))


def _meshes(solid: Solid) -> list[Any]:
    import open3d as o3d

    shape: Any = o3d.geometry.TriangleMesh
    x, y, z = solid.size
    if solid.shape == "box":
        return [shape.create_box(x, y, z).translate((-x / 2, -y / 2, -z / 2))]
    if solid.shape == "sphere":
        ball = shape.create_sphere(0.5, resolution=40)
        return [_scaled(ball, (x, y, z))]
    if solid.shape == "cylinder":
        return [_scaled(shape.create_cylinder(0.5, 1.0, resolution=60), (x, y, z))]
    if solid.shape == "tube":
        return [_tube(x / 2, z)]
    raise ValueError(f"unknown shape {solid.shape!r}; known: box, sphere, cylinder, tube")


def _scaled(mesh: Any, size: tuple[float, float, float]) -> Any:
    import open3d as o3d

    mesh.vertices = o3d.utility.Vector3dVector(np.asarray(mesh.vertices) * np.asarray(size))
    return mesh


def _tube(radius: float, height: float, wall: float = 0.004, floor: float = 0.006, around: int = 60) -> Any:
    """A cup: rings of vertices from the outer bottom up, over the rim and down to the floor."""
    import open3d as o3d

    turn = np.arange(around) * 2 * np.pi / around
    inner = radius - wall
    rings = [(0.0, 0.0), (radius, 0.0), (radius, height), (inner, height), (inner, floor), (0.0, floor)]
    points = [[r * np.cos(a), r * np.sin(a), z - height / 2] for r, z in rings for a in turn]
    faces = []
    for ring in range(len(rings) - 1):
        for k in range(around):
            a, b = ring * around + k, ring * around + (k + 1) % around
            faces += [[a, b, a + around], [b, b + around, a + around]]
    return o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(np.array(points)), o3d.utility.Vector3iVector(np.array(faces))
    )


def render(
    solids: Sequence[Solid],
    camera: Camera = OVERHEAD,
    *,
    stamp: float = 0.0,
    noise: float = 0.0,
    dropout: float = 0.0,
    seed: int = 0,
) -> tuple[Frame, list[Detection]]:
    """One RGB-D frame of solids on a table at z = 0, and the true mask of each thing.

    Args:
        solids: What stands there.
        camera: Where it is seen from.
        stamp: Time of the frame [s].
        noise: Standard deviation of depth at 1 m [m]; it grows with the square of range.
        dropout: Share of pixels without a reading.
        seed: Of the noise.
    """
    things, depth, owner = _cast(solids, camera)
    rgb = np.full((*depth.shape, 3), 90, dtype=np.uint8)
    rgb[owner == TABLE] = PALETTE[""]
    detections = []
    for k, thing in enumerate(things):
        mask = owner == k
        rgb[mask] = PALETTE.get(thing.color, PALETTE[""])
        if mask.any():
            detections.append(Detection(mask, thing.kind, thing.color, 0.99))
    generator = np.random.default_rng(seed)
    if noise > 0:
        depth = depth + (owner != NOTHING) * generator.normal(0.0, noise, depth.shape) * depth**2
    if dropout > 0:
        depth = np.where(generator.random(depth.shape) < dropout, 0.0, depth)
    return Frame(rgb, depth.astype(np.float32), camera, stamp), detections


def _cast(solids: Sequence[Solid], camera: Camera) -> tuple[list[Solid], Array, NDArray[np.int64]]:
    """The first solid of each thing; per pixel the range [m] (0 = nothing) and the thing's number, (H, W)."""
    import open3d as o3d

    scene: Any = o3d.t.geometry.RaycastingScene()

    def add(mesh: Any) -> None:
        scene.add_triangles(o3d.t.geometry.TriangleMesh.from_legacy(mesh))

    shape: Any = o3d.geometry.TriangleMesh
    add(shape.create_box(3.0, 3.0, 0.02).translate((-1.0, -1.5, -0.02)))
    owners, things = [TABLE], dict[str, Solid]()
    for number, solid in enumerate(solids):
        name = solid.id or f"{solid.kind}#{number}"
        things.setdefault(name, solid)
        for mesh in _meshes(solid):
            mesh.rotate(yaw_rotation(solid.yaw), center=(0, 0, 0))
            mesh.translate(solid.position)
            add(mesh)
            owners.append(list(things).index(name))
    core: Any = o3d.core
    rays = scene.create_rays_pinhole(
        core.Tensor(_shifted(camera)),
        core.Tensor(camera.world_from_camera.inverse().matrix),
        camera.width,
        camera.height,
    )
    answer = scene.cast_rays(rays)
    depth = answer["t_hit"].numpy()  # ray directions have camera z = 1, so t is range along z
    hit = np.isfinite(depth)
    geometry = answer["geometry_ids"].numpy().astype(np.int64)
    owner = np.where(hit, np.asarray(owners)[np.where(hit, geometry, 0)], NOTHING)
    return list(things.values()), np.where(hit, depth, 0.0), owner


def _shifted(camera: Camera) -> Array:
    """Intrinsics for a ray caster whose pixel centres lie at half-integer coordinates."""
    matrix = intrinsics(camera)
    matrix[:2, 2] += 0.5
    return matrix


class SyntheticGrounder:
    """Answers with the masks of the frames it was told of; a phrase is "color kind" or "kind"."""

    def __init__(self) -> None:
        self._known: list[tuple[Frame, list[Detection]]] = []

    def tell(self, rendered: tuple[Frame, list[Detection]]) -> Frame:
        """Remember the truth of a rendered frame; returns the frame."""
        self._known = [*self._known[-4:], rendered]
        return rendered[0]

    def detect(self, frame: Frame) -> list[Detection]:
        """The true masks of a frame."""
        return next((found for known, found in self._known if known is frame), [])

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        """Every thing whose kind, or colour and kind, the phrase is."""
        fitting = [d for d in self.detect(frame) if phrase in (d.kind, f"{d.color} {d.kind}")]
        return Grounding(tuple(fitting), ambiguous=len(fitting) > 1, confidence=1.0, words=phrase)


def moved(solid: Solid, **changes: Any) -> Solid:
    """The same solid with other values."""
    return replace(solid, **changes)
