"""Mesh files to arrays: coloured parts to draw, convex parts to collide, kept in a user's cache."""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embodied_agent.errors import MissingDependency, RobotError
from embodied_agent.types import Array

# Part of every cache key: raise it when the conversion changes.
CONVERSION = "3"

Faces = NDArray[np.int32]
Color = tuple[float, float, float, float]


@dataclass(frozen=True)
class Mesh:
    """Triangles of one colour.

    Attributes:
        vertices: [m], (V, 3).
        faces: Vertex indices, (F, 3).
        color: RGBA in [0, 1], or None where the file gives none.
    """

    vertices: Array
    faces: Faces
    color: Color | None


def cache_dir() -> Path:
    """Per-user folder for converted models (`XDG_CACHE_HOME` is honoured)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "embodied_agent" / "meshes"


def visual_parts(file: Path) -> tuple[Mesh, ...]:
    """The mesh as drawn, one part per colour."""
    return _cached(file, "visual", lambda: _by_color(read_mesh(file)))


def collision_parts(file: Path, slices: int) -> tuple[Mesh, ...]:
    """Vertices of convex parts whose hulls cover the mesh; their faces are empty.

    Args:
        file: Mesh file. One that holds a convex decomposition keeps its parts.
        slices: Otherwise, the number of slabs along the longest side.
    """
    return _cached(file, f"collision{slices}", lambda: _convex(file, slices))


def read_mesh(file: Path) -> tuple[Mesh, ...]:
    """Every object of a mesh file.

    Raises:
        RobotError: An unknown format or an unreadable file.
    """
    readers = {".obj": _read_obj, ".stl": _read_stl, ".dae": _read_dae}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise RobotError(f"{file}: mesh format '{file.suffix}' is not supported (obj, stl, dae)")
    try:
        parts = tuple(part for part in reader(file) if len(part.faces))
    except (OSError, ValueError, IndexError) as error:
        raise RobotError(f"{file}: not a readable mesh ({error})") from None
    if not parts:
        raise RobotError(f"{file}: the mesh holds no triangles")
    return parts


def _read_obj(file: Path) -> list[Mesh]:
    colors: dict[str, Color] = {}
    vertices: list[list[float]] = []
    parts: list[tuple[Color | None, list[list[int]]]] = [(None, [])]
    for line in file.read_text(errors="replace").splitlines():
        key, _, rest = line.partition(" ")
        words = rest.split()
        if key == "v":
            vertices.append([float(word) for word in words[:3]])
        elif key == "f":
            corners = [int(word.partition("/")[0]) for word in words]
            indices = [corner - 1 if corner > 0 else len(vertices) + corner for corner in corners]
            fan = [[indices[0], indices[i], indices[i + 1]] for i in range(1, len(indices) - 1)]
            parts[-1][1].extend(fan)
        elif key == "mtllib" and (library := file.parent / rest.strip()).is_file():
            colors |= _read_mtl(library)
        elif key == "usemtl":
            parts.append((colors.get(rest.strip()), []))
        elif key == "o":
            parts.append((parts[-1][0], []))
    points = np.array(vertices, dtype=np.float64).reshape(-1, 3)
    return [_weld(points[np.array(faces)], color) for color, faces in parts if faces]


def _read_mtl(file: Path) -> dict[str, Color]:
    colors: dict[str, Color] = {}
    name = ""
    for line in file.read_text(errors="replace").splitlines():
        words = line.split()
        if words[:1] == ["newmtl"]:
            name = " ".join(words[1:])
        elif words[:1] == ["Kd"] and len(words) >= 4:
            colors[name] = (float(words[1]), float(words[2]), float(words[3]), 1.0)
    return colors


def _read_stl(file: Path) -> list[Mesh]:
    data = file.read_bytes()
    count = int(np.frombuffer(data, "<u4", 1, 80)[0]) if len(data) >= 84 else 0
    if len(data) == 84 + 50 * count:
        layout = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
        return [_weld(np.frombuffer(data, layout, count, 84)["corners"].astype(np.float64), None)]
    lines = data.decode("ascii", "replace").split("\n")
    rows = [line.split()[1:4] for line in lines if line.split()[:1] == ["vertex"]]
    return [_weld(np.array(rows, dtype=np.float64).reshape(-1, 3, 3), None)]


def _read_dae(file: Path) -> list[Mesh]:
    try:
        import trimesh
    except ImportError:
        raise MissingDependency(
            f"{file}: DAE meshes need trimesh and pycollada: pip install 'embodied-agent[mujoco]'"
        ) from None
    loaded = trimesh.load(file, force="scene")
    meshes = []
    for mesh in loaded.dump():  # type: ignore[attr-defined]
        material = getattr(mesh.visual, "material", None)
        rgba = np.asarray(getattr(material, "main_color", (200, 200, 200, 255)), dtype=float) / 255
        color = (float(rgba[0]), float(rgba[1]), float(rgba[2]), float(rgba[3]))
        meshes.append(_weld(np.asarray(mesh.triangles, dtype=np.float64), color))
    return meshes


def _weld(triangles: Array, color: Color | None) -> Mesh:
    """Triangles (F, 3, 3) with equal corners merged (to 1 um) and empty ones dropped."""
    corners = triangles.reshape(-1, 3)
    _, first, inverse = np.unique(np.round(corners, 6), axis=0, return_index=True, return_inverse=True)
    faces = inverse.reshape(-1, 3).astype(np.int32)
    a, b, c = faces.T
    return Mesh(corners[first], faces[(a != b) & (b != c) & (a != c)], color)


def _by_color(parts: tuple[Mesh, ...]) -> tuple[Mesh, ...]:
    groups: dict[Color | None, list[Mesh]] = {}
    for part in parts:
        groups.setdefault(part.color, []).append(part)
    merged = []
    for color, members in groups.items():
        offsets = np.cumsum([0] + [len(part.vertices) for part in members[:-1]])
        faces = [part.faces + offset for part, offset in zip(members, offsets, strict=True)]
        vertices = np.concatenate([part.vertices for part in members])
        merged.append(Mesh(vertices, np.concatenate(faces).astype(np.int32), color))
    return tuple(merged)


def _convex(file: Path, slices: int) -> tuple[Mesh, ...]:
    parts = read_mesh(file)
    if "vhacd" not in file.stem.lower():
        triangles = np.concatenate([part.vertices[part.faces] for part in parts])
        clouds = _slabs(triangles, slices)
    else:
        clouds = [part.vertices for part in parts]
    nothing = np.zeros((0, 3), np.int32)
    return tuple(Mesh(cloud, nothing, None) for cloud in clouds)


def _slabs(triangles: Array, count: int) -> list[Array]:
    """Vertices of the triangles (F, 3, 3) cut into `count` slabs along the longest side."""
    corners = triangles.reshape(-1, 3)
    low, high = corners.min(axis=0), corners.max(axis=0)
    axis = int(np.argmax(high - low))
    starts = triangles.reshape(-1, 3)
    ends = np.roll(triangles, -1, axis=1).reshape(-1, 3)
    clouds = []
    edges = np.linspace(low[axis], high[axis], count + 1)
    for a, b in itertools.pairwise(edges):
        pieces = [corners[(corners[:, axis] >= a - 1e-9) & (corners[:, axis] <= b + 1e-9)]]
        for plane in (a, b):
            # Where a triangle's edge crosses the cutting plane.
            rise = ends[:, axis] - starts[:, axis]
            t = (plane - starts[:, axis]) / np.where(rise == 0, np.inf, rise)
            cut = (t > 0) & (t < 1)
            pieces.append(starts[cut] + t[cut, None] * (ends[cut] - starts[cut]))
        cloud = np.unique(np.round(np.concatenate(pieces), 6), axis=0)
        if len(cloud) >= 4 and np.all(np.ptp(cloud, axis=0) > 1e-5):
            clouds.append(cloud)
    return clouds


def _cached(file: Path, purpose: str, convert: object) -> tuple[Mesh, ...]:
    """The stored conversion if the source file is unchanged, else convert and store."""
    assert callable(convert)
    try:
        stat = file.stat()
    except OSError as error:
        raise RobotError(f"{file}: cannot be read ({error.strerror})") from None
    text = f"{CONVERSION}|{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{purpose}"
    stored = cache_dir() / f"{file.stem}-{hashlib.sha256(text.encode()).hexdigest()[:20]}.npz"
    try:
        return _read_npz(stored)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass  # absent or damaged: convert again
    parts: tuple[Mesh, ...] = convert()
    _write_npz(stored, parts)
    return parts


def _read_npz(stored: Path) -> tuple[Mesh, ...]:
    with np.load(stored, allow_pickle=False) as data:
        parts = []
        for i in range(int(data["count"])):
            rgba = data[f"color{i}"]
            color = (float(rgba[0]), float(rgba[1]), float(rgba[2]), float(rgba[3])) if rgba.size else None
            vertices = data[f"vertices{i}"].astype(np.float64)
            parts.append(Mesh(vertices, data[f"faces{i}"].astype(np.int32), color))
    return tuple(parts)


def _write_npz(stored: Path, parts: tuple[Mesh, ...]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {"count": np.array(len(parts))}
    for i, part in enumerate(parts):
        arrays[f"vertices{i}"] = part.vertices.astype(np.float32)
        arrays[f"faces{i}"] = part.faces
        arrays[f"color{i}"] = np.array(part.color if part.color is not None else ())
    try:
        stored.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and renamed, so that a parallel run never reads half a file.
        with tempfile.NamedTemporaryFile(dir=stored.parent, suffix=".npz", delete=False) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(file.name, stored)
    except OSError:
        pass  # a read-only home only costs time
