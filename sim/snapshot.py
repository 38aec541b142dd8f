"""Labelled pictures of thousands of scenes, without physics and without building a model for each.

One model holds several copies of every kind. A scene moves, paints and shows those it needs and
hides the rest. Objects stand where `placement.rest_places` puts them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from embodied_agent.errors import CameraError
from embodied_agent.robots.description import RobotDescription, load_robot
from embodied_agent.types import Array, Camera
from sim.dimensions import RGB
from sim.fixtures import PARTS, add_fixture, joint_value
from sim.noise import noisy_depth
from sim.objects import object_shapes
from sim.placement import rest_places
from sim.render import Renderer
from sim.scene import CameraSpec, FixtureSpec, LightSpec, ObjectSpec, Scene, TableSpec
from sim.shapes import DRAWN_GROUP, HIDDEN_GROUP, shaded, tinted, turn_z
from sim.surfaces import add_surroundings, lamp_direction
from sim.world import (
    BACKGROUND,
    ROBOT,
    ROBOT_LABEL,
    TABLE,
    Label,
    add_object,
    attach_robot,
    empty_world,
    fixture_labels,
    look_at,
    put_home,
)

_COPIES = 3
_VIEW = "view"  # the one fixed camera of the pool, moved for every picture


@dataclass(frozen=True)
class Snapshot:
    """A labelled picture.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth: Along the optical axis [m], (H, W) float32; 0 = no reading.
        labels: Index into `things` for each pixel, (H, W) int32.
        things: What can be seen: background, table, robot, then every object and fixture part.
        camera: Intrinsics and pose.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    labels: NDArray[np.int32]
    things: tuple[Label, ...]
    camera: Camera


@dataclass(frozen=True)
class _Item:
    """A body of the pool: its geoms with their tints."""

    body: int
    geoms: NDArray[np.int64]
    tints: tuple[str, ...]


class Studio:
    """Makes snapshots. One per process and robot; close it at the end.

    Args:
        robot: Stands in its home pose at the edge of the picture; None leaves it out.
        size: Largest picture (width, height) [px].
    """

    def __init__(self, robot: RobotDescription | None, size: tuple[int, int] = (640, 480)) -> None:
        self.robot, self.size = robot, size
        self._copies: Counter[tuple[str, str]] = Counter()
        self._renderer: Renderer | None = None
        self._build(Counter())

    def render(
        self,
        scene: Scene,
        width: int = 640,
        height: int = 480,
        *,
        camera: str = "",
        joints: Array | None = None,
        noise: np.random.Generator | None = None,
        labelled: bool = True,
    ) -> Snapshot:
        """Picture of a scene as it starts.

        Args:
            scene: What to show.
            width, height: Size [px]; at most the studio's.
            camera: A camera of the scene, or "wrist"; "" = the scene's first.
            joints: Arm pose [rad], (n,); home by default.
            noise: Adds realistic depth noise, drawn from it.
            labelled: False leaves out the second pass; `labels` is then all zero.

        Raises:
            CameraError: Unknown camera, too large a picture, or no rendering on this machine.
        """
        if width > self.size[0] or height > self.size[1]:
            raise CameraError(f"a picture of {width}x{height} is larger than the studio's {self.size}")
        need = Counter((o.kind, o.size) for o in scene.objects)
        if any(number > self._copies[key] for key, number in need.items()):
            self._build(need)
        things, of_geom = self._arrange(scene, joints)
        name = self._aim(scene, camera)
        renderer = self._ready()
        rgb, depth = renderer.picture(self.data, name, width, height)
        view = replace(renderer.camera(self.data, name, width, height), name=camera or scene.cameras[0].name)
        if noise is not None:
            depth = noisy_depth(depth, view.fy, noise)
        labels = np.zeros((height, width), np.int32)
        if labelled:
            geoms = renderer.segments(self.data, name, width, height)
            labels = np.where(geoms >= 0, of_geom[geoms], 0).astype(np.int32)
        return Snapshot(rgb, depth, labels, things, view)

    def close(self) -> None:
        """Free the renderer; it comes back on use."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _ready(self) -> Renderer:
        if self._renderer is None:
            self._renderer = Renderer(self.model)
        return self._renderer

    def _build(self, need: Counter[tuple[str, str]]) -> None:
        from sim.dimensions import COLORS, FIXTURES, KINDS, SIZES, colors_of

        self.close()
        for key in ((k, s) for k in KINDS for s in SIZES):
            self._copies[key] = max(self._copies[key], need[key], _COPIES)
        cameras = (CameraSpec(name=_VIEW, width=self.size[0], height=self.size[1]),)
        spec = empty_world(cameras)
        add_surroundings(spec, TableSpec(), LightSpec())
        for (kind, size), copies in self._copies.items():
            color = next(c for c in COLORS if c in colors_of(kind))
            for i in range(copies):
                add_object(spec, ObjectSpec(kind, color, size), f"{size} {kind} {i}", (0, 0, 0), 0, solid=False)
        for kind in FIXTURES:
            for hinge in ("left", "right") if kind == "cupboard" else ("left",):
                add_fixture(spec, FixtureSpec(kind, (0, 0), hinge=hinge), prefix=f"{hinge}/", solid=False)
        if self.robot is not None:
            attach_robot(spec, self.robot)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        if self.robot is not None:
            put_home(self.model, self.data, self.robot)
        self._index()

    def _index(self) -> None:
        """Find every body of the pool and its geoms."""
        model = self.model
        self._objects: dict[tuple[str, str], list[_Item]] = {}
        names = [model.geom(i).name for i in range(model.ngeom)]
        groups: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            groups.setdefault(name.rpartition("/")[0], []).append(i)
        for (kind, size), copies in self._copies.items():
            shapes = object_shapes(kind, size)
            for i in range(copies):
                geoms = groups[f"{size} {kind} {i}"]
                tints = tuple(shapes[int(names[g].rpartition("/")[2])].tint for g in geoms)
                item = _Item(model.body(f"{size} {kind} {i}").id, np.array(geoms), tints)
                self._objects.setdefault((kind, size), []).append(item)
        self._groups = {key: np.array(value) for key, value in groups.items()}
        # Parts that take the body's colour are told by what the compiler wrote for the usual one.
        self._original = model.geom_rgba.copy()
        self._spare = np.array([i for i, name in enumerate(names) if name and name not in ("table", "floor")])
        robot = [model.body(int(b)).name.startswith(ROBOT) for b in model.geom_bodyid]
        self._robot_geoms = np.flatnonzero(robot)
        self._spare = np.setdiff1d(self._spare, self._robot_geoms)
        self._table = model.geom("table").id
        self._floor = model.geom("floor").id

    def _arrange(self, scene: Scene, joints: Array | None) -> tuple[tuple[Label, ...], NDArray[np.int32]]:
        model, data = self.model, self.data
        model.geom_group[self._spare] = HIDDEN_GROUP
        of_geom = np.zeros(model.ngeom, np.int32)
        of_geom[self._table], of_geom[self._robot_geoms] = TABLE.id, ROBOT_LABEL.id
        things = [BACKGROUND, TABLE, ROBOT_LABEL]
        places = rest_places(scene)
        used: Counter[tuple[str, str]] = Counter()
        for spec in scene.objects:
            item = self._objects[spec.kind, spec.size][used[spec.kind, spec.size]]
            used[spec.kind, spec.size] += 1
            rest = places[spec.name]
            model.body_pos[item.body] = (rest.x, rest.y, rest.z)
            model.body_quat[item.body] = turn_z(rest.yaw)
            model.geom_group[item.geoms] = DRAWN_GROUP
            rgb = shaded(RGB[spec.color], spec.shade)
            model.geom_rgba[item.geoms] = [tinted(rgb, tint) for tint in item.tints]
            of_geom[item.geoms] = len(things)
            things.append(Label(len(things), spec.name, spec.kind, spec.color, spec.size))
        for fixture in scene.fixtures:
            things += self._arrange_fixture(fixture, len(things), of_geom)
        self._paint_surroundings(scene)
        if self.robot is not None:
            put_home(model, data, self.robot)
            if joints is not None:
                for joint, value in zip(self.robot.joints, joints, strict=True):
                    data.qpos[model.joint(ROBOT + joint.name).qposadr[0]] = value
        return tuple(things), of_geom

    def _arrange_fixture(self, fixture: FixtureSpec, first: int, of_geom: NDArray[np.int32]) -> Iterator[Label]:
        model, data = self.model, self.data
        prefix = f"{fixture.hinge if fixture.kind == 'cupboard' else 'left'}/"
        body = model.body(f"{prefix}{fixture.kind}").id
        model.body_pos[body] = (*fixture.position, 0.0)
        model.body_quat[body] = turn_z(fixture.yaw)
        for part in PARTS[fixture.kind]:
            data.qpos[model.joint(f"{prefix}{part.joint}").qposadr[0]] = joint_value(part, fixture)
        rgb = shaded(RGB[fixture.color], fixture.shade)
        usual = shaded(RGB[FixtureSpec(fixture.kind, (0, 0)).color], 0.0)
        for number, (kind, name, groups) in enumerate(fixture_labels(fixture.kind)):
            for group in groups:
                geoms = self._groups[prefix + group]
                model.geom_group[geoms] = DRAWN_GROUP
                for tint in ("body", "light", "dark", "inner"):
                    same = np.all(np.isclose(self._original[geoms], tinted(usual, tint), atol=1e-4), axis=1)
                    model.geom_rgba[geoms[same]] = tinted(rgb, tint)
                of_geom[geoms] = first + number
            yield Label(first + number, name, kind, fixture.color, "", fixture.kind)

    def _paint_surroundings(self, scene: Scene) -> None:
        model, light = self.model, scene.light
        model.geom_rgba[self._table] = (*scene.table.rgb, 1.0)
        model.geom_matid[self._table] = model.material(f"table {scene.table.pattern}").id
        model.geom_rgba[self._floor] = (*scene.table.floor_rgb, 1.0)
        model.light_pos[0], model.light_dir[0] = light.position, lamp_direction(light)
        model.light_diffuse[0], model.light_specular[0] = light.brightness, 0.3 * light.brightness
        model.vis.headlight.ambient[:] = light.ambient

    def _aim(self, scene: Scene, camera: str) -> str:
        """Put the pool's camera where the scene's one is; return its name in the model."""
        if camera == "wrist" and self.robot is not None:
            name = ROBOT + "wrist"
        else:
            spec = next((c for c in scene.cameras if c.name == (camera or scene.cameras[0].name)), None)
            if spec is None:
                known = ", ".join(c.name for c in scene.cameras)
                raise CameraError(f"scene '{scene.name}' has no camera '{camera}'; known: {known}, wrist")
            name, index = _VIEW, self.model.camera(_VIEW).id
            self.model.cam_pos[index], self.model.cam_quat[index] = spec.position, look_at(spec)
            self.model.cam_fovy[index] = math.degrees(spec.fov)
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        return name


@lru_cache(maxsize=2)
def studio(robot: str = "panda") -> Studio:
    """This process's studio for a robot; "" = without a robot."""
    return Studio(load_robot(robot) if robot else None)


def render_scene(
    scene: Scene, width: int = 640, height: int = 480, *, robot: str = "panda", **options: Any
) -> Snapshot:
    """Labelled picture of a scene as it starts; see `Studio.render` for the options."""
    return studio(robot).render(scene, width, height, **options)
