"""Whether an arm touches itself, the table, what it carries past, or what perception saw."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from embodied_agent.control.effort import Spent, never
from embodied_agent.control.obstacles import HAND, HELD, TABLE, Box, Obstacles
from embodied_agent.robots.description import RobotDescription, model_path
from embodied_agent.robots.model import robot_spec, tool_links
from embodied_agent.robots.urdf import read_urdf
from embodied_agent.types import Array

# Robot shapes collide with one another and with obstacles; obstacles not among themselves.
ROBOT_BITS = {"contype": 1, "conaffinity": 1}
OBSTACLE_BITS = {"contype": 0, "conaffinity": 1}
HELD_BODY = "held_object"
OBSTACLE_PREFIX = "obstacle:"


@dataclass(frozen=True)
class Contact:
    """Two things nearer than the margin.

    Attributes:
        first: Link of the robot, or "held object".
        second: Another link, a box's name, "table" or "unknown things".
        distance: [m]; negative = overlap.
        point: Where, in the world [m], (3,).
    """

    first: str
    second: str
    distance: float
    point: Array

    def __str__(self) -> str:
        if self.distance < 0:
            return f"{self.first} would hit {self.second} ({-self.distance * 1000:.0f} mm deep)"
        return f"{self.first} would pass {self.second} at {self.distance * 1000:.0f} mm"


class CollisionWorld:
    """The arm's collision shapes among obstacles.

    Not thread-safe: it owns one simulator state.

    Args:
        description: Robot.
        obstacles: What is around it.
        margin: Distance below which things count as touching [m]. Pairs that are close by
            design (the arm with itself, the hand or what it holds with the table) need 0.
    """

    def __init__(
        self, description: RobotDescription, obstacles: Obstacles | None = None, margin: float = 0.005
    ) -> None:
        self.description = description
        self.margin = margin
        self._base = robot_spec(description, visuals=False)
        self._hand = tool_links(description, read_urdf(model_path(description)))
        self.checks = 0
        self._cloud: tuple[bytes, tuple[Box, ...]] = (b"", ())
        self.update(obstacles if obstacles is not None else Obstacles())

    def update(self, obstacles: Obstacles) -> None:
        """Replace everything around the arm; takes tens of milliseconds."""
        self.obstacles = obstacles
        spec = self._base.copy()
        for geom in spec.geoms:
            geom.contype, geom.conaffinity = ROBOT_BITS["contype"], ROBOT_BITS["conaffinity"]
        names = self._add_obstacles(spec)
        if obstacles.held is not None:
            self._add_held(spec)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._name_geoms(names)
        joints = self.description.joint_names
        self._arm = np.array([self.model.joint(name).qposadr[0] for name in joints])
        self._fingers = finger_terms(self.model, self.description)
        self.set_width(self.description.gripper.max_width)

    def set_width(self, width: float) -> None:
        """Hold the fingers at this opening [m] in the following checks."""
        position = self.description.gripper.position_at(width)
        for address, multiplier, offset in self._fingers:
            self.data.qpos[address] = offset + multiplier * position

    def contact(self, positions: Array, *, but_hand: bool = False) -> Contact | None:
        """The deepest forbidden contact at joints (n,), or None.

        Args:
            positions: Joints [rad], (n,).
            but_hand: Leave out what the hand and what it holds touch: where they reach into
                something, only the links behind them have to keep off.
        """
        contacts = self._forbidden(positions)
        if contacts is None:
            return None
        geoms, distances, points = contacts
        if but_hand:
            behind = ~np.isin(geoms, self._hand_ids).any(axis=1)
            if not behind.any():
                return None
            geoms, distances, points = geoms[behind], distances[behind], points[behind]
        k = int(np.argmin(distances))
        first, second = (self._names[geom] for geom in geoms[k])
        if geoms[k][0] in self._obstacle_ids:
            first, second = second, first
        return Contact(first, second, float(distances[k]), points[k].copy())

    def free(self, positions: Array) -> bool:
        """Whether nothing forbidden touches at joints (n,)."""
        return self._forbidden(positions) is None

    def path_contact(self, path: Array, step: float = 0.02, spent: Spent = never) -> tuple[int, Contact] | None:
        """The first contact along straight joint segments, with the segment's index, or None.

        Args:
            path: Joints (T, n).
            step: Largest joint motion between checks [rad].
            spent: Whether the search has to end; it then raises TimeoutError.
        """
        path = np.atleast_2d(path)
        if (found := self.contact(path[0])) is not None:
            return 0, found
        for i, (start, end) in enumerate(itertools.pairwise(path)):
            count = max(1, int(np.ceil(np.abs(end - start).max() / step)))
            for j in _middle_first(count):
                if not self.free(positions := start + (end - start) * (j / count)):
                    found = self.contact(positions)
                    assert found is not None
                    return i, found
            if spent():
                raise TimeoutError("the allowance for planning is spent")
        return None

    def _forbidden(self, positions: Array) -> tuple[Array, Array, Array] | None:
        """Geom pairs (k, 2), distances (k,), points (k, 3) of forbidden contacts."""
        model, data = self.model, self.data
        self.checks += 1
        data.qpos[self._arm] = positions
        mujoco.mj_kinematics(model, data)
        mujoco.mj_collision(model, data)
        if data.ncon == 0:
            return None
        contact = data.contact
        geoms, distances = contact.geom, contact.dist
        bad = distances < self._threshold[geoms[:, 0], geoms[:, 1]]
        if not bad.any():
            return None
        return geoms[bad], distances[bad], contact.pos[bad]

    def _add_obstacles(self, spec: mujoco.MjSpec) -> list[str]:
        obstacles = self.obstacles
        names: list[str] = []
        boxes: list[Box] = [*obstacles.boxes, *self._cloud_boxes()]
        world = spec.worldbody
        common = {"type": mujoco.mjtGeom.mjGEOM_BOX, "margin": self.margin, **OBSTACLE_BITS}
        for box in boxes:
            world.add_geom(
                name=f"{OBSTACLE_PREFIX}{len(names)}",
                pos=box.pose.position,
                quat=box.pose.quaternion,
                size=box.size / 2,
                **common,
            )
            names.append(box.name)
        if obstacles.table is not None:
            world.add_geom(
                name=f"{OBSTACLE_PREFIX}{len(names)}",
                pos=(0.0, 0.0, obstacles.table - 1.0),  # thick: nothing is beneath it
                size=(3.0, 3.0, 1.0),
                **common,
            )
            names.append(TABLE)
        return names

    def _cloud_boxes(self) -> tuple[Box, ...]:
        """The cloud's boxes, kept from the last update where nothing changed: scenes are planned in often."""
        obstacles = self.obstacles
        text = hashlib.blake2b(obstacles.points.tobytes())
        text.update(repr((obstacles.voxel, [(b.pose.matrix, b.size) for b in obstacles.boxes])).encode())
        if self._cloud[0] != text.digest():
            self._cloud = (text.digest(), obstacles.cloud_boxes())
        return self._cloud[1]

    def _add_held(self, spec: mujoco.MjSpec) -> None:
        held = self.obstacles.held
        assert held is not None
        tool = self.description.tool
        pose = tool.link_from_tool @ held.tool_from_box
        body = spec.body(tool.link).add_body(name=HELD_BODY, pos=pose.position, quat=pose.quaternion, mass=0.0)
        body.add_geom(
            name=HELD_BODY,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=np.maximum(np.asarray(held.size) / 2, 5e-4),
            **ROBOT_BITS,
        )
        for link in self._hand:
            spec.add_exclude(name=f"{HELD_BODY}--{link}", bodyname1=HELD_BODY, bodyname2=link)

    def _name_geoms(self, obstacle_names: list[str]) -> None:
        """Names for explanations, and the distance below which each pair counts."""
        model = self.model
        self._names: list[str] = []
        self._obstacle_ids: set[int] = set()
        for i in range(model.ngeom):
            name = model.geom(i).name
            if name.startswith(OBSTACLE_PREFIX):
                self._names.append(obstacle_names[int(name.removeprefix(OBSTACLE_PREFIX))])
                self._obstacle_ids.add(i)
            elif name == HELD_BODY:
                self._names.append(HELD)
            else:
                self._names.append(model.body(model.geom_bodyid[i]).name)
        names = np.array(self._names)
        threshold = np.full((model.ngeom, model.ngeom), -1e-4)
        ids = sorted(self._obstacle_ids)
        threshold[ids, :] = self.margin
        threshold[:, ids] = self.margin
        hand_ids = self._hand_ids = np.flatnonzero(np.isin(names, [*self._hand, HELD]))
        table_ids = np.flatnonzero(names == TABLE)
        threshold[np.ix_(table_ids, hand_ids)] = -1e-4
        threshold[np.ix_(hand_ids, table_ids)] = -1e-4
        for first, second in self.obstacles.allowed:
            a, b = self._ids(first, names), self._ids(second, names)
            threshold[np.ix_(a, b)] = -np.inf
            threshold[np.ix_(b, a)] = -np.inf
        self._threshold = threshold

    def _ids(self, name: str, names: NDArray[np.str_]) -> NDArray[np.intp]:
        wanted = list(self._hand) if name == HAND else [name]
        return np.flatnonzero(np.isin(names, wanted))


def finger_terms(model: mujoco.MjModel, description: RobotDescription) -> list[tuple[int, float, float]]:
    """(qpos address, multiplier, offset) of each finger joint on the driven position."""
    terms = dict.fromkeys(description.gripper.joints, (1.0, 0.0))
    for i in range(model.neq):
        follower, leader = model.eq_obj1id[i], model.eq_obj2id[i]
        name, leads = model.joint(follower).name, model.joint(leader).name
        if name not in terms and leads in terms:
            multiplier, offset = terms[leads]
            offset_here, multiplier_here = model.eq_data[i][:2]
            terms[name] = (multiplier * multiplier_here, offset_here + multiplier_here * offset)
    return [(int(model.joint(name).qposadr[0]), *term) for name, term in terms.items()]


def _middle_first(count: int) -> list[int]:
    """1..count, coarse to fine: collisions in the middle of a segment are found sooner."""
    order, seen = [count], {count}
    stride = count
    while stride > 1:
        stride = (stride + 1) // 2
        for k in range(stride, count, stride):
            if k not in seen:
                seen.add(k)
                order.append(k)
    return order
