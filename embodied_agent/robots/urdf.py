"""Reads the parts of a URDF file that a simulated arm needs, into plain frozen values."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embodied_agent.errors import RobotError
from embodied_agent.types import Array, Pose

Color = tuple[float, float, float, float]
MESH = re.compile(r'(<mesh\b[^>]*?\bfilename=)"([^"]+)"')


@dataclass(frozen=True)
class UrdfShape:
    """A visual or collision shape.

    Attributes:
        link_from_shape: Pose in its link.
        kind: "mesh", "box", "cylinder" or "sphere".
        size: Full box sizes; (radius, length); (radius,); or the mesh's scale factors [m].
        file: Mesh file, for "mesh".
        color: RGBA in [0, 1], or None.
    """

    link_from_shape: Pose
    kind: str
    size: tuple[float, ...]
    file: Path | None
    color: Color | None


@dataclass(frozen=True)
class UrdfLink:
    """A rigid body.

    Attributes:
        mass: [kg]; 0 = not given.
        link_from_inertia: Pose of the centre of mass frame.
        inertia: (ixx, iyy, izz, ixy, ixz, iyz) [kg m^2] about it.
    """

    name: str
    visuals: tuple[UrdfShape, ...]
    collisions: tuple[UrdfShape, ...]
    mass: float
    link_from_inertia: Pose
    inertia: tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class UrdfJoint:
    """A joint; `mimic` is (leader, multiplier, offset)."""

    name: str
    kind: str
    parent: str
    child: str
    parent_from_child: Pose
    axis: Array
    low: float
    high: float
    mimic: tuple[str, float, float] | None


@dataclass(frozen=True)
class Urdf:
    """A whole robot: links by name, joints in file order."""

    links: dict[str, UrdfLink]
    joints: tuple[UrdfJoint, ...]


KINDS = ("revolute", "continuous", "prismatic", "fixed")


def read_urdf(path: Path) -> Urdf:
    """Read a URDF file.

    Raises:
        RobotError: Not XML, not a URDF, or a mesh file that does not exist.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise RobotError(f"{path}: not a readable URDF ({error})") from None
    if root.tag != "robot":
        raise RobotError(f"{path}: not a URDF (the root element is '{root.tag}', expected 'robot')")
    materials = {item.get("name", ""): color for item in root.findall("material") if (color := _color(item, {}))}
    try:
        links = {link.name: link for link in (_link(item, path, materials) for item in root.findall("link"))}
        # Transmissions also hold <joint> elements; those of the robot are direct children with a parent.
        joints = tuple(_joint(item) for item in root.findall("joint"))
    except (ValueError, TypeError, KeyError) as error:
        raise RobotError(f"{path}: not a valid URDF ({error})") from None
    for joint in joints:
        if joint.kind not in KINDS:
            raise RobotError(f"{path}: joint '{joint.name}' of type '{joint.kind}' is not supported")
        for name in (joint.parent, joint.child):
            if name not in links:
                raise RobotError(f"{path}: joint '{joint.name}' names the unknown link '{name}'")
    return Urdf(links, joints)


def _numbers(text: str | None, default: str) -> tuple[float, ...]:
    return tuple(float(value) for value in (text if text is not None else default).split())


def _pose(item: ElementTree.Element | None) -> Pose:
    """The pose of an <origin>; URDF angles are roll, pitch, yaw about fixed axes."""
    if item is None:
        return Pose(np.zeros(3))
    roll, pitch, yaw = _numbers(item.get("rpy"), "0 0 0")
    half = np.array([roll, pitch, yaw]) / 2
    (cr, cp, cy), (sr, sp, sy) = np.cos(half), np.sin(half)
    quaternion = [
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    ]
    return Pose(np.array(_numbers(item.get("xyz"), "0 0 0")), np.array(quaternion))


def _color(material: ElementTree.Element | None, known: dict[str, Color]) -> Color | None:
    if material is None:
        return None
    color = material.find("color")
    if color is None:
        return known.get(material.get("name", ""))
    red, green, blue, alpha = _numbers(color.get("rgba"), "1 1 1 1")
    return red, green, blue, alpha


def _shape(item: ElementTree.Element, path: Path, materials: dict[str, Color]) -> UrdfShape:
    geometry = item.find("geometry")
    shape = geometry[0] if geometry is not None and len(geometry) else None
    if shape is None:
        raise ValueError("a shape without geometry")
    pose = _pose(item.find("origin"))
    color = _color(item.find("material"), materials)
    if shape.tag == "mesh":
        file = resolve_mesh(shape.attrib["filename"], path)
        return UrdfShape(pose, "mesh", _numbers(shape.get("scale"), "1 1 1"), file, color)
    if shape.tag == "box":
        return UrdfShape(pose, "box", _numbers(shape.attrib["size"], ""), None, color)
    if shape.tag == "cylinder":
        size = (float(shape.attrib["radius"]), float(shape.attrib["length"]))
        return UrdfShape(pose, "cylinder", size, None, color)
    if shape.tag == "sphere":
        return UrdfShape(pose, "sphere", (float(shape.attrib["radius"]),), None, color)
    raise ValueError(f"geometry '{shape.tag}' is not supported")


def resolve_mesh(name: str, urdf: Path) -> Path:
    """The file that a mesh reference means.

    `package://` has no fixed root: the name is sought from the URDF's folder upwards, with
    and without its first part, since some exporters name the package and some do not; then
    among the packages of a sourced ROS.

    Raises:
        RobotError: No such file.
    """
    inside = name.removeprefix("package://").removeprefix("file://")
    short = inside.partition("/")[2]
    for folder in (urdf.parent, *list(urdf.parents)[1:4]):
        for candidate in (folder / inside, folder / short):
            if short and candidate.is_file():
                return candidate
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        candidate = Path(prefix) / "share" / inside
        if name.startswith("package://") and candidate.is_file():
            return candidate
    raise RobotError(f"{urdf}: mesh '{name}' is not found")


def published_urdf(urdf: Path) -> str:
    """A URDF's text as `robot_description` carries it: whoever reads it on this machine finds the meshes."""

    def found(reference: re.Match[str]) -> str:
        try:
            return f'{reference[1]}"{resolve_mesh(reference[2], urdf.resolve()).as_uri()}"'
        except RobotError:  # the name may mean something where it is read
            return reference[0]

    return MESH.sub(found, urdf.read_text(encoding="utf-8"))


def _link(item: ElementTree.Element, path: Path, materials: dict[str, Color]) -> UrdfLink:
    inertial = item.find("inertial")
    mass, pose = 0.0, Pose(np.zeros(3))
    inertia: tuple[float, ...] = (0.0,) * 6
    if inertial is not None:
        pose = _pose(inertial.find("origin"))
        mass_item, inertia_item = inertial.find("mass"), inertial.find("inertia")
        mass = float(mass_item.attrib["value"]) if mass_item is not None else 0.0
        if inertia_item is not None:
            names = ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")
            inertia = tuple(float(inertia_item.get(name, "0")) for name in names)
    return UrdfLink(
        name=item.attrib["name"],
        visuals=tuple(_shape(shape, path, materials) for shape in item.findall("visual")),
        collisions=tuple(_shape(shape, path, materials) for shape in item.findall("collision")),
        mass=mass,
        link_from_inertia=pose,
        inertia=(inertia[0], inertia[1], inertia[2], inertia[3], inertia[4], inertia[5]),
    )


def _joint(item: ElementTree.Element) -> UrdfJoint:
    parent, child = item.find("parent"), item.find("child")
    if parent is None or child is None:
        raise ValueError(f"joint '{item.get('name')}' lacks a parent or child")
    axis_item, limit, mimic = item.find("axis"), item.find("limit"), item.find("mimic")
    axis = np.array(_numbers(axis_item.get("xyz") if axis_item is not None else None, "1 0 0"))
    length = float(np.linalg.norm(axis))
    return UrdfJoint(
        name=item.attrib["name"],
        kind=item.attrib["type"],
        parent=parent.attrib["link"],
        child=child.attrib["link"],
        parent_from_child=_pose(item.find("origin")),
        axis=axis / length if length > 0 else axis,
        low=float(limit.get("lower", "0")) if limit is not None else 0.0,
        high=float(limit.get("upper", "0")) if limit is not None else 0.0,
        mimic=(
            (mimic.attrib["joint"], float(mimic.get("multiplier", "1")), float(mimic.get("offset", "0")))
            if mimic is not None
            else None
        ),
    )
