"""A robot description becomes a MuJoCo specification: links, servos, gripper, pads, camera.

The result is prefixable: names are the model file's own, plus the actuators `<joint>_servo`
and `gripper`, the site `tool`, the camera `wrist`, and the geoms `left_pad`, `right_pad`.
Shapes to draw are in geom group 2, shapes to collide in group 3.
"""

from __future__ import annotations

import math
from typing import Any

import mujoco
import numpy as np

from embodied_agent.errors import ConfigError
from embodied_agent.robots import meshes
from embodied_agent.robots.description import RobotDescription, model_path
from embodied_agent.robots.urdf import Urdf, UrdfJoint, UrdfLink, UrdfShape, read_urdf
from embodied_agent.types import Array, Pose

VISUAL_GROUP = 2
COLLISION_GROUP = 3
GRIPPER_ACTUATOR = "gripper"
TOOL_SITE = "tool"
WRIST_CAMERA = "wrist"
PAD_NAMES = ("left_pad", "right_pad")

# Rotor inertia seen at the joint: it keeps stiff servos and light linkages stable.
ARM_ARMATURE = 0.1  # [kg m^2]
FINGER_ARMATURE = {"prismatic": 0.1, "revolute": 0.002, "continuous": 0.002}  # [kg], [kg m^2]

# Rubber on plastic. The torsional term stops a held object from turning about the line
# between the pads; the stiff contact keeps the pad's skin thinner than the pad.
PAD_FRICTION = (1.2, 0.02, 0.0005)
PAD_SOLREF = (0.004, 1.0)
PAD_SOLIMP = (0.95, 0.99, 0.001, 0.5, 2.0)

# Camera frames here look along +z with y down; MuJoCo's look along -z with y up.
OPTICAL_FROM_MUJOCO = Pose(np.zeros(3), np.array([0.0, 1.0, 0.0, 0.0]))

JOINT_TYPES = {
    "revolute": mujoco.mjtJoint.mjJNT_HINGE,
    "continuous": mujoco.mjtJoint.mjJNT_HINGE,
    "prismatic": mujoco.mjtJoint.mjJNT_SLIDE,
}


def robot_spec(description: RobotDescription, *, visuals: bool = True) -> mujoco.MjSpec:
    """The robot as a MuJoCo specification with its base at the origin.

    Args:
        description: Robot to build.
        visuals: False leaves out what is only drawn, for collision checks.

    Raises:
        RobotError: The model file or one of its meshes cannot be used.
        ConfigError: The description names a joint or link that the model lacks.
    """
    urdf = read_urdf(model_path(description))
    builder = _Builder(description, urdf, visuals)
    return builder.build()


def tool_links(description: RobotDescription, urdf: Urdf) -> tuple[str, ...]:
    """Links of the hand: the tool's link and everything that hangs from it."""
    links = [description.tool.link]
    for parent in links:
        links.extend(joint.child for joint in urdf.joints if joint.parent == parent)
    return tuple(links)


class _Builder:
    def __init__(self, description: RobotDescription, urdf: Urdf, visuals: bool) -> None:
        self.description = description
        self.urdf = urdf
        self.visuals = visuals
        self.spec = mujoco.MjSpec()
        self.spec.modelname = description.name
        self.spec.compiler.degree = False
        self.spec.compiler.autolimits = True
        self.arm = {joint.name: joint for joint in description.joints}
        self.bodies: dict[str, Any] = {}
        self._check_names()
        self.hand = set(tool_links(description, urdf))

    def build(self) -> mujoco.MjSpec:
        self._body(self.spec.worldbody, self.description.base_link, None)
        self._servos()
        self._gripper()
        self._pads()
        self._tool_and_camera()
        self._excludes()
        return self.spec

    def _check_names(self) -> None:
        description, name = self.description, self.description.name
        joints = {joint.name for joint in self.urdf.joints}
        missing = [j for j in (*description.joint_names, *description.gripper.joints) if j not in joints]
        links = [description.base_link, description.tool.link, description.camera.link]
        links += [pad.link for pad in description.gripper.pads]
        links += [link for pair in description.no_collision for link in pair]
        links += list(description.solid_slices or {})
        missing += [link for link in links if link not in self.urdf.links]
        if missing:
            raise ConfigError(f"robot '{name}': the model file has no joint or link '{missing[0]}'")

    def _body(self, parent: Any, name: str, joint: UrdfJoint | None) -> None:
        link = self.urdf.links[name]
        pose = joint.parent_from_child if joint is not None else Pose(np.zeros(3))
        body = parent.add_body(name=name, pos=pose.position, quat=pose.quaternion)
        body.gravcomp = 1.0
        self.bodies[name] = body
        if joint is not None and joint.kind != "fixed":
            self._joint(body, joint)
        bounds = self._shapes(body, link)
        self._inertia(body, link, bounds)
        for child in self.urdf.joints:
            if child.parent == name:
                self._body(body, child.child, child)

    def _joint(self, body: Any, joint: UrdfJoint) -> None:
        known = self.arm.get(joint.name)
        low, high = (known.low, known.high) if known is not None else (joint.low, joint.high)
        added = body.add_joint(name=joint.name, type=JOINT_TYPES[joint.kind], axis=joint.axis)
        if known is not None:
            added.armature = ARM_ARMATURE
        else:
            added.armature = FINGER_ARMATURE[joint.kind]
            added.damping[0] = 1.0 if joint.kind == "prismatic" else 0.02  # the linear term
        if joint.kind != "continuous" and high > low:
            added.limited = mujoco.mjtLimited.mjLIMITED_TRUE
            added.range = (low, high)

    def _shapes(self, body: Any, link: UrdfLink) -> Array:
        """Add a link's geoms; return the bounds (2, 3) of its solid shapes in the link frame."""
        if self.visuals:
            for i, shape in enumerate(link.visuals):
                self._visual(body, shape, f"{link.name}_visual{i}")
        corners = [np.zeros((0, 3))]
        for i, shape in enumerate(link.collisions):
            corners.append(self._collision(body, link, shape, f"{link.name}_solid{i}"))
        points = np.concatenate(corners)
        return np.stack([points.min(axis=0), points.max(axis=0)]) if len(points) else np.zeros((2, 3))

    def _visual(self, body: Any, shape: UrdfShape, name: str) -> None:
        style = {"group": VISUAL_GROUP, "contype": 0, "conaffinity": 0, "density": 0.0}
        if shape.file is None:
            geom = body.add_geom(**_primitive(shape), **style)
            geom.rgba = shape.color or (0.8, 0.8, 0.8, 1.0)
            return
        for j, part in enumerate(meshes.visual_parts(shape.file)):
            mesh_name = f"{name}_{j}"
            mesh = self.spec.add_mesh(name=mesh_name)
            mesh.uservert = (part.vertices * shape.size).ravel()
            mesh.userface = part.faces.ravel()
            mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
            geom = body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_MESH,
                meshname=mesh_name,
                pos=shape.link_from_shape.position,
                quat=shape.link_from_shape.quaternion,
                **style,
            )
            geom.rgba = part.color or shape.color or (0.8, 0.8, 0.8, 1.0)

    def _collision(self, body: Any, link: UrdfLink, shape: UrdfShape, name: str) -> Array:
        """Add one collision shape; return points that span it in the link frame, (N, 3)."""
        style = {"group": COLLISION_GROUP, "density": 0.0, "rgba": (0.5, 0.5, 0.7, 0.5)}
        if shape.file is None:
            body.add_geom(name=name, **_primitive(shape), **style)
            reach = np.linalg.norm(shape.size)
            return shape.link_from_shape.position + np.array([[reach] * 3, [-reach] * 3]) / 2
        slices = (self.description.solid_slices or {}).get(link.name, 1)
        corners = []
        for j, part in enumerate(meshes.collision_parts(shape.file, slices)):
            mesh = self.spec.add_mesh(name=f"{name}_{j}")
            vertices = part.vertices * shape.size
            mesh.uservert = vertices.ravel()
            mesh.maxhullvert = 64  # enough for a robot link, and collisions stay fast
            body.add_geom(
                name=f"{name}_{j}",
                type=mujoco.mjtGeom.mjGEOM_MESH,
                meshname=mesh.name,
                pos=shape.link_from_shape.position,
                quat=shape.link_from_shape.quaternion,
                **style,
            )
            corners.append(shape.link_from_shape.apply(vertices))
        return np.concatenate(corners)

    def _inertia(self, body: Any, link: UrdfLink, bounds: Array) -> None:
        if link.mass <= 0:
            return
        centre, size = link.link_from_inertia, bounds[1] - bounds[0]
        body.mass = link.mass
        body.ipos = centre.position
        body.explicitinertial = True
        reach = float(np.linalg.norm(size))
        # No mass distribution inside the link can have more than m r^2. Exporters that do not
        # know the inertia write such numbers; a solid box of the link's size is nearer.
        if max(link.inertia[:3]) > link.mass * reach**2:
            squares = np.maximum(size, 0.01) ** 2
            body.inertia = link.mass / 12.0 * (squares.sum() - squares)
            return
        ixx, iyy, izz, ixy, ixz, iyz = link.inertia
        tensor = np.array([[ixx, ixy, ixz], [ixy, iyy, iyz], [ixz, iyz, izz]])
        moments, axes = np.linalg.eigh(centre.rotation @ tensor @ centre.rotation.T)
        if np.linalg.det(axes) < 0:
            axes[:, 0] *= -1
        floor = np.maximum(moments, 1e-7)
        # Rounded figures may break the triangle inequality that real bodies obey.
        floor[2] = min(floor[2], floor[0] + floor[1])
        body.inertia = floor
        body.iquat = Pose.from_matrix(axes).quaternion

    def _servos(self) -> None:
        for joint in self.description.joints:
            servo = self.spec.add_actuator(name=f"{joint.name}_servo", target=joint.name)
            servo.trntype = mujoco.mjtTrn.mjTRN_JOINT
            _as_position_servo(servo, joint.stiffness, joint.damping, joint.effort)
            # The set point may lead the joint by the velocity term; see `servo_target`.
            lead = joint.velocity * joint.damping / joint.stiffness
            servo.ctrllimited = mujoco.mjtLimited.mjLIMITED_TRUE
            servo.ctrlrange = (joint.low - lead, joint.high + lead)

    def _gripper(self) -> None:
        gripper = self.description.gripper
        tendon = self.spec.add_tendon(name=GRIPPER_ACTUATOR)
        for joint in gripper.joints:
            tendon.wrap_joint(joint, 1.0 / len(gripper.joints))
        actuator = self.spec.add_actuator(name=GRIPPER_ACTUATOR, target=GRIPPER_ACTUATOR)
        actuator.trntype = mujoco.mjtTrn.mjTRN_TENDON
        strongest = max(gripper.actuator_force(gripper.max_force, width) for _, width in gripper.widths)
        _as_position_servo(actuator, gripper.stiffness, gripper.damping, strongest)
        actuator.ctrllimited = mujoco.mjtLimited.mjLIMITED_TRUE
        actuator.ctrlrange = tuple(sorted((gripper.closed, gripper.open)))
        for follower in self.urdf.joints:
            if follower.mimic is None or follower.name in self.arm:
                continue
            leader, multiplier, offset = follower.mimic
            equality = self.spec.add_equality(name=f"{follower.name}_follows", name1=follower.name, name2=leader)
            equality.type = mujoco.mjtEq.mjEQ_JOINT
            equality.objtype = mujoco.mjtObj.mjOBJ_JOINT
            equality.data[:5] = (offset, multiplier, 0.0, 0.0, 0.0)
            equality.solref = (0.004, 1.0)
            equality.solimp = (0.99, 0.999, 0.0001, 0.5, 2.0)

    def _pads(self) -> None:
        for name, pad in zip(PAD_NAMES, self.description.gripper.pads, strict=True):
            self.bodies[pad.link].add_geom(
                name=name,
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=pad.position,
                size=np.array(pad.size) / 2,
                group=COLLISION_GROUP,
                density=0.0,
                condim=4,
                priority=1,  # the pad's friction holds, whatever it touches
                friction=PAD_FRICTION,
                solref=PAD_SOLREF,
                solimp=PAD_SOLIMP,
                rgba=(0.2, 0.2, 0.2, 1.0),
            )

    def _tool_and_camera(self) -> None:
        tool, camera = self.description.tool, self.description.camera
        pose = tool.link_from_tool
        self.bodies[tool.link].add_site(
            name=TOOL_SITE,
            pos=pose.position,
            quat=pose.quaternion,
            group=4,  # not drawn
        )
        view = camera.link_from_camera @ OPTICAL_FROM_MUJOCO
        added = self.bodies[camera.link].add_camera(name=WRIST_CAMERA, pos=view.position, quat=view.quaternion)
        added.fovy = math.degrees(camera.fov)
        added.resolution = (camera.width, camera.height)

    def _excludes(self) -> None:
        pairs = {tuple(sorted(pair)) for pair in self.description.no_collision}
        # The parts of a hand touch one another by design; their joint limits keep them apart.
        pairs |= {(a, b) for a in self.hand for b in self.hand if a < b}
        for joint in self.urdf.joints:
            pairs.add(tuple(sorted((joint.parent, joint.child))))
        # Links across a fixed joint are neighbours too.
        fixed = {joint.child: joint.parent for joint in self.urdf.joints if joint.kind == "fixed"}
        for child, parent in fixed.items():
            while parent in fixed:
                parent = fixed[parent]
            pairs |= {tuple(sorted((child, other.parent))) for other in self.urdf.joints if other.child == parent}
            pairs.add(tuple(sorted((child, parent))))
        for first, second in sorted(pairs):
            if first in self.bodies and second in self.bodies:
                self.spec.add_exclude(name=f"{first}--{second}", bodyname1=first, bodyname2=second)


def _as_position_servo(actuator: Any, stiffness: float, damping: float, limit: float) -> None:
    actuator.gaintype = mujoco.mjtGain.mjGAIN_FIXED
    actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
    actuator.gainprm[0] = stiffness
    actuator.biasprm[1] = -stiffness
    actuator.biasprm[2] = -damping
    actuator.forcelimited = mujoco.mjtLimited.mjLIMITED_TRUE
    actuator.forcerange = (-limit, limit)


def _primitive(shape: UrdfShape) -> dict[str, Any]:
    """Geom arguments of a URDF box, cylinder or sphere; MuJoCo counts half sizes."""
    kinds = {
        "box": (mujoco.mjtGeom.mjGEOM_BOX, [side / 2 for side in shape.size]),
        "cylinder": (mujoco.mjtGeom.mjGEOM_CYLINDER, [shape.size[0], shape.size[-1] / 2, 0.0]),
        "sphere": (mujoco.mjtGeom.mjGEOM_SPHERE, [shape.size[0], 0.0, 0.0]),
    }
    kind, size = kinds[shape.kind]
    pose = shape.link_from_shape
    return {"type": kind, "size": size, "pos": pose.position, "quat": pose.quaternion}
