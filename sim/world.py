"""A scene and a robot as one MuJoCo model, and what its numbers mean.

Names in the model: "object/<name>" for objects, the part's own name for its joint,
"robot/<name>" for everything of the robot.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from embodied_agent.errors import BadInput
from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.model import robot_spec
from embodied_agent.types import Pose
from sim import dimensions as dim
from sim.dimensions import RGB
from sim.film import add_sky
from sim.fixtures import PARTS, Part, add_fixture, joint_value
from sim.objects import contact_of, object_shapes
from sim.placement import rest_places
from sim.scene import CameraSpec, FixtureSpec, ObjectSpec, Scene
from sim.shapes import Surface, add_materials, add_shapes, coarser, shaded, turn_z
from sim.surfaces import add_surroundings

TIMESTEP = 0.002  # [s]: grasps stay firm, and a 100 Hz tick is five steps
ROBOT = "robot/"
FINE_MESH, MESH_CELL = 1500, 0.005  # triangles of a robot's mesh that are too many; grid that thins it [m]
NEAR, FAR = 0.01, 8.0  # clipping planes of every camera [m]


@dataclass(frozen=True)
class Label:
    """What a pixel of a segmentation belongs to.

    Attributes:
        id: Value of the pixel; 0 background, 1 table, 2 robot, from 3 on things.
        name: Unique, e.g. "red cube", "top drawer", "top drawer handle", "cupboard door".
        kind: Class for perception: a kind, "drawer", "drawer_handle", "cabinet", "door" ...
        color, size: "" where they make no sense.
        fixture: Kind of the fixture it is a part of, or "".
    """

    id: int
    name: str
    kind: str
    color: str = ""
    size: str = ""
    fixture: str = ""


BACKGROUND, TABLE, ROBOT_LABEL = (
    Label(0, "background", "background"),
    Label(1, "table", "table"),
    Label(2, "robot", "robot"),
)


@dataclass
class World:
    """A compiled scene.

    Attributes:
        scene: What it was made from.
        robot: The robot in it, or None.
        model: MuJoCo model.
        labels: Everything a pixel can belong to, indexed by its id.
        label_of_geom: Label id of each geom, (ngeom,).
        parts: Moving parts by name.
    """

    scene: Scene
    robot: RobotDescription | None
    model: Any
    labels: tuple[Label, ...] = ()
    label_of_geom: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    parts: dict[str, Part] = field(default_factory=dict)

    def start(self) -> Any:
        """Fresh data with the robot at home, parts as the scene says, and objects at rest.

        Objects are let down for up to two simulated seconds before the clock starts.
        """
        data = mujoco.MjData(self.model)
        put_parts(self.model, data, self.scene)
        if self.robot is not None:
            put_home(self.model, data, self.robot)
        mujoco.mj_forward(self.model, data)
        settle(self.model, data)
        data.time = 0.0
        return data

    def truth(self, data: Any) -> dict[str, Any]:
        """Where everything really is, JSON-ready: for the report and the benchmark alone.

        Returns:
            "objects": name -> kind, color, size, position of the middle [m], quaternion wxyz;
            "joints": part -> type, position [m] or [rad], range, fraction of the range.
        """
        objects: dict[str, Any] = {}
        for spec in self.scene.objects:
            body = data.body(f"object/{spec.name}")
            pose = Pose(body.xpos, body.xquat)
            middle = pose.apply(np.array([0.0, 0.0, spec.dimensions.height / 2]))
            objects[spec.name] = {
                "kind": spec.kind,
                "color": spec.color,
                "size": spec.size,
                "position": _rounded(middle),
                "quaternion": _rounded(pose.quaternion),
            }
        joints: dict[str, Any] = {}
        for name, part in self.parts.items():
            position = float(data.joint(part.joint).qpos[0])
            joints[name] = {
                "type": part.type,
                "position": round(position, 5),
                "range": part.range,
                "fraction": round(position / part.range, 4),
            }
        return {"objects": objects, "joints": joints}


def build_world(scene: Scene, robot: RobotDescription | None) -> World:
    """Compile a scene with a robot at its base.

    Raises:
        BadInput: The scene is so unusual that the simulator refuses it.
    """
    spec = empty_world(scene.cameras)
    add_surroundings(spec, scene.table, scene.light)
    for fixture in scene.fixtures:
        add_fixture(spec, fixture)
    places = rest_places(scene)
    for thing in scene.objects:
        rest = places[thing.name]
        # A hair above the support: the first steps then let down instead of pushing apart.
        body = add_object(spec, thing, f"object/{thing.name}", (rest.x, rest.y, rest.z + 0.0015), rest.yaw)
        body.add_freejoint()
    if robot is not None:
        attach_robot(spec, robot)
    try:
        model = spec.compile()
    except ValueError as error:
        raise BadInput(f"scene '{scene.name}' cannot be simulated: {' '.join(str(error).split())}") from None
    world = World(scene, robot, model)
    world.parts = {part.name: part for f in scene.fixtures for part in PARTS[f.kind]}
    world.labels, world.label_of_geom = label_geoms(model, scene.objects, scene.fixtures)
    return world


def empty_world(cameras: tuple[CameraSpec, ...]) -> Any:
    """An MjSpec with our physics and picture settings, and the fixed cameras."""
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0  # friction as stiff as contact: held things do not creep
    spec.option.iterations = 40
    spec.option.ls_iterations = 50  # with 12 a held cube, at rest, burst out of the fingers
    spec.compiler.degree = False
    spec.stat.extent, spec.stat.center = 1.0, (0.4, 0.0, 0.2)
    spec.visual.map.znear, spec.visual.map.zfar = NEAR, FAR
    spec.visual.global_.offwidth = max([640, *(c.width for c in cameras)])
    spec.visual.global_.offheight = max([480, *(c.height for c in cameras)])
    # Ten times faster without a GPU, and a depth camera sees no shadows anyway.
    spec.visual.quality.shadowsize = 0
    spec.visual.quality.offsamples = 0
    spec.visual.headlight.active = 1
    add_materials(spec)
    add_sky(spec)
    for camera in cameras:
        added = spec.worldbody.add_camera(name=camera.name, pos=camera.position, quat=look_at(camera))
        added.fovy = math.degrees(camera.fov)
        added.resolution = (camera.width, camera.height)
    return spec


def attach_robot(spec: Any, robot: RobotDescription) -> None:
    """Put the robot's base at the origin, its names prefixed by "robot/"."""
    child = robot_spec(robot)
    drawn = {geom.meshname for geom in child.geoms if geom.contype == 0 and geom.meshname}
    for mesh in child.meshes:
        # Makers' meshes have ten times the triangles that a picture of 640x480 shows.
        if mesh.name in drawn and len(mesh.userface) > 3 * FINE_MESH:
            fine = Surface(np.reshape(mesh.uservert, (-1, 3)), np.reshape(mesh.userface, (-1, 3)))
            coarse = coarser(fine, MESH_CELL)
            mesh.uservert, mesh.userface = coarse.vertices.ravel(), coarse.faces.ravel()
    spec.attach(child, prefix=ROBOT, frame=spec.worldbody.add_frame())


def add_object(
    spec: Any,
    thing: ObjectSpec,
    name: str,
    position: tuple[float, float, float],
    yaw: float,
    *,
    solid: bool = True,
) -> Any:
    """Add one object's body, without a joint; return it."""
    body = spec.worldbody.add_body(name=name, pos=position, quat=turn_z(yaw))
    add_shapes(
        spec,
        body,
        object_shapes(thing.kind, thing.size),
        shaded(RGB[thing.color], thing.shade),
        name=name,
        model_key=f"{thing.size} {thing.kind}",
        mass=thing.dimensions.mass,
        contact=contact_of(thing.kind),
        solid=solid,
    )
    return body


def look_at(camera: CameraSpec) -> tuple[float, float, float, float]:
    """Orientation of a MuJoCo camera (looks along -z, y up) whose image up is as far up as it goes."""
    back = np.subtract(camera.position, camera.target)
    back = back / np.linalg.norm(back)
    right = np.cross((0.0, 0.0, 1.0), back)
    if np.linalg.norm(right) < 1e-6:  # straight down: image up is +x
        right = np.array([0.0, -1.0, 0.0])
    right = right / np.linalg.norm(right)
    w, x, y, z = Pose.from_matrix(np.stack([right, np.cross(back, right), back], axis=1)).quaternion
    return float(w), float(x), float(y), float(z)


def put_parts(model: Any, data: Any, scene: Scene) -> None:
    """Set drawers, doors and knobs as the scene says."""
    for fixture in scene.fixtures:
        for part in PARTS[fixture.kind]:
            data.qpos[model.joint(part.joint).qposadr[0]] = joint_value(part, fixture)


def put_home(model: Any, data: Any, robot: RobotDescription) -> None:
    """Set the arm to its home pose with an open gripper, and its servos to hold it."""
    for joint, value in zip(robot.joints, robot.home, strict=True):
        data.qpos[model.joint(ROBOT + joint.name).qposadr[0]] = value
        data.ctrl[model.actuator(f"{ROBOT}{joint.name}_servo").id] = value
    opened = robot.gripper.open
    for name in robot.gripper.joints:
        data.qpos[model.joint(ROBOT + name).qposadr[0]] = opened
    data.ctrl[model.actuator(f"{ROBOT}gripper").id] = opened
    for i in range(model.neq):  # the fingers that mimic the driven ones
        if model.eq_type[i] == mujoco.mjtEq.mjEQ_JOINT:
            follower, leader = model.eq_obj1id[i], model.eq_obj2id[i]
            value = data.qpos[model.jnt_qposadr[leader]]
            data.qpos[model.jnt_qposadr[follower]] = model.eq_data[i, 0] + model.eq_data[i, 1] * value


def settle(model: Any, data: Any, limit: float = 2.0, watch: Callable[[], None] | None = None) -> None:
    """Let time pass until nothing moves faster than 5 mm/s or 0.05 rad/s, at most `limit` [s]."""
    free = [i for i in range(model.njnt) if model.jnt_type[i] == mujoco.mjtJoint.mjJNT_FREE]
    addresses = np.array([model.jnt_dofadr[i] for i in free], dtype=int)
    for step in range(int(limit / model.opt.timestep)):
        mujoco.mj_step(model, data)
        if step >= 50 and step % 10 == 0:
            speeds = data.qvel[addresses[:, None] + np.arange(6)] if len(free) else np.zeros((1, 6))
            if np.abs(speeds[:, :3]).max() < 0.005 and np.abs(speeds[:, 3:]).max() < 0.05:
                return


def label_geoms(
    model: Any, objects: tuple[ObjectSpec, ...], fixtures: tuple[FixtureSpec, ...]
) -> tuple[tuple[Label, ...], NDArray[np.int32]]:
    """Labels of a compiled scene, and the label id of each geom."""
    labels = [BACKGROUND, TABLE, ROBOT_LABEL]
    prefixes: list[tuple[str, int]] = [("table", TABLE.id), (ROBOT, ROBOT_LABEL.id)]
    for thing in objects:
        labels.append(Label(len(labels), thing.name, thing.kind, thing.color, thing.size))
        prefixes.append((f"object/{thing.name}/", labels[-1].id))
    for fixture in fixtures:
        for kind, part, geoms in fixture_labels(fixture.kind):
            labels.append(Label(len(labels), part, kind, fixture.color, "", fixture.kind))
            prefixes += [(f"{geom}/", labels[-1].id) for geom in geoms]
    result = np.zeros(model.ngeom, np.int32)
    for i in range(model.ngeom):
        # The robot's drawn geoms have no names of their own: their body tells.
        name = model.geom(i).name or model.body(model.geom_bodyid[i]).name
        result[i] = next((label for prefix, label in prefixes if name.startswith(prefix)), BACKGROUND.id)
        if model.body(model.geom_bodyid[i]).name.startswith(ROBOT):
            result[i] = ROBOT_LABEL.id
    return tuple(labels), result


def fixture_labels(kind: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """(perception class, name, geom prefixes) of everything a fixture shows."""
    if kind == "cabinet":
        found: list[tuple[str, str, tuple[str, ...]]] = [("cabinet", "cabinet", ("cabinet",))]
        for part in dim.parts_of("cabinet"):
            found.append(("drawer", part, (f"drawer:{part}",)))
            found.append(("drawer_handle", f"{part} handle", (f"drawer_handle:{part}",)))
        return found
    if kind == "cupboard":
        return [
            ("cupboard", "cupboard", ("cupboard",)),
            ("door", "cupboard door", ("door",)),
            ("door_handle", "cupboard door handle", ("door_handle",)),
        ]
    moving = {"button": ("button:cap",), "knob": ("knob:grip",)}.get(kind, ())
    return [(kind, kind, (kind, *moving))]


def _rounded(values: Any) -> list[float]:
    return [round(float(v), 5) for v in values]
