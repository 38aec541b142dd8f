"""The converted robot as physics: limits, sight, and a grasp that holds by friction alone."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("pybullet_data")

import mujoco

from embodied_agent.config import config_dir
from embodied_agent.control.collision import CollisionWorld
from embodied_agent.control.spheres import BodySpheres
from embodied_agent.errors import ConfigError, RobotError
from embodied_agent.robots import meshes
from embodied_agent.robots.description import RobotDescription, load_robot
from embodied_agent.robots.model import GRIPPER_ACTUATOR, PAD_NAMES, TOOL_SITE, WRIST_CAMERA, robot_spec
from embodied_agent.robots.urdf import read_urdf

STEP = 0.002


@pytest.fixture(scope="module", params=["panda", "xarm6"])
def robot(request: pytest.FixtureRequest) -> RobotDescription:
    return load_robot(request.param)


class Bench:
    """The robot over a plane, its tool at home, with a box between its fingers."""

    def __init__(self, robot: RobotDescription, half: float = 0.02, mass: float = 0.1) -> None:
        spec = mujoco.MjSpec()
        spec.option.timestep = STEP
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
        spec.option.impratio = 10
        spec.attach(robot_spec(robot, visuals=False), prefix="r/", frame=spec.worldbody.add_frame())
        box = spec.worldbody.add_body(name="box")
        box.add_freejoint()
        box.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=[half] * 3, mass=mass, condim=4)
        self.robot, self.model = robot, spec.compile()
        self.data = mujoco.MjData(self.model)
        self.arm = np.array([self.model.joint(f"r/{n}").qposadr[0] for n in robot.joint_names])
        self.servos = np.array([self.model.actuator(f"r/{n}_servo").id for n in robot.joint_names])
        self.gripper = self.model.actuator(f"r/{GRIPPER_ACTUATOR}").id
        self.data.qpos[self.arm] = robot.home_positions
        self.data.ctrl[self.servos] = robot.home_positions
        self.data.ctrl[self.gripper] = robot.gripper.open
        # A long way from the arm until it is put between the fingers.
        self.put_box(np.array([5.0, 5.0, 5.0]), np.array([1.0, 0, 0, 0]))
        self.step(0.5)

    def put_box(self, position: np.ndarray, quaternion: np.ndarray) -> None:
        self.data.joint(self.model.body("box").jntadr[0]).qpos[:] = [*position, *quaternion]
        self.data.joint(self.model.body("box").jntadr[0]).qvel[:] = 0

    def step(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            mujoco.mj_step(self.model, self.data)

    def width(self) -> float:
        pads = [self.data.geom(f"r/{name}") for name in PAD_NAMES]
        thickness = sum(pad.size[1] for pad in self.robot.gripper.pads) / 2
        return float(np.linalg.norm(pads[0].xpos - pads[1].xpos)) - thickness

    def grip(self, width: float, force: float) -> None:
        limit = self.robot.gripper.actuator_force(force, 0.04)
        self.model.actuator_forcerange[self.gripper] = -limit, limit
        self.data.ctrl[self.gripper] = self.robot.gripper.position_at(width)

    def box_in_tool(self) -> np.ndarray:
        site = self.data.site(f"r/{TOOL_SITE}")
        return site.xmat.reshape(3, 3).T @ (self.data.body("box").xpos - site.xpos)


def test_loading_and_compiling_is_quick_once_converted(robot: RobotDescription) -> None:
    robot_spec(robot).compile()
    began = time.perf_counter()
    robot_spec(robot).compile()
    assert time.perf_counter() - began < 1.5


def test_the_servos_hold_home_against_gravity(robot: RobotDescription) -> None:
    bench = Bench(robot)
    bench.step(0.5)
    assert np.abs(bench.data.qpos[bench.arm] - robot.home_positions).max() < 2e-3


def test_the_fingers_open_and_close_as_the_description_says(robot: RobotDescription) -> None:
    bench = Bench(robot)
    for width in (robot.gripper.max_width, 0.06, 0.03, 0.0):
        bench.grip(width, 20.0)
        bench.step(0.8)
        assert bench.width() == pytest.approx(width, abs=1.5e-3)


def test_a_light_box_is_held_by_friction_and_turned_without_slipping(robot: RobotDescription) -> None:
    bench = Bench(robot)
    site = bench.data.site(f"r/{TOOL_SITE}")
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, site.xmat)
    bench.model.opt.gravity[:] = 0  # nothing holds it up until the fingers close
    bench.put_box(site.xpos.copy(), quaternion)
    bench.grip(0.0, 20.0)
    bench.step(0.6)
    assert bench.width() == pytest.approx(0.04, abs=1e-3)
    bench.model.opt.gravity[2] = -9.81
    bench.step(0.2)
    start = bench.box_in_tool()
    target = robot.home_positions.copy()
    for share in np.linspace(0, 1, 100):
        bench.data.ctrl[bench.servos] = target + share * np.array([-0.8, *[0.0] * (len(target) - 1)])
        bench.step(0.01)
    bench.step(2.0)
    assert np.linalg.norm(bench.box_in_tool() - start) < 3e-3
    bench.grip(robot.gripper.max_width, 40.0)
    bench.step(0.5)
    assert np.linalg.norm(bench.box_in_tool()) > 0.1  # let go, it falls


def test_pads_press_with_the_force_that_was_asked_for(robot: RobotDescription) -> None:
    bench = Bench(robot)
    site = bench.data.site(f"r/{TOOL_SITE}")
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, site.xmat)
    bench.model.opt.gravity[:] = 0
    bench.put_box(site.xpos.copy(), quaternion)
    bench.grip(0.0, 15.0)
    bench.step(1.0)
    pad = bench.model.geom(f"r/{PAD_NAMES[0]}").id
    force, total = np.zeros(6), 0.0
    for i in range(bench.data.ncon):
        if pad in bench.data.contact[i].geom:
            mujoco.mj_contactForce(bench.model, bench.data, i, force)
            total += force[0]
    assert total == pytest.approx(15.0, rel=0.15)
    sensed = robot.gripper.pad_force(bench.data.actuator_force[bench.gripper], bench.width())
    assert sensed == pytest.approx(15.0, rel=0.15)


def test_the_wrist_camera_is_there_with_the_described_view(robot: RobotDescription) -> None:
    model = robot_spec(robot).compile()
    camera = model.camera(WRIST_CAMERA)
    assert np.radians(camera.fovy[0]) == pytest.approx(robot.camera.fov)


def test_no_link_has_more_inertia_than_its_size_allows(robot: RobotDescription) -> None:
    model = robot_spec(robot, visuals=False).compile()
    spheres = BodySpheres(robot).at(robot.home_positions, 0.04)
    reach = 2 * (np.linalg.norm(spheres[:, :3], axis=1).max())
    for body in range(1, model.nbody):
        assert (model.body_inertia[body] <= model.body_mass[body] * reach**2 + 1e-6).all()
        assert model.body_mass[body] < 5


def test_spheres_cover_the_collision_shapes(robot: RobotDescription) -> None:
    world = CollisionWorld(robot)
    joints = robot.home_positions
    world.free(joints)
    world.set_width(0.04)
    world.free(joints)
    spheres = BodySpheres(robot).at(joints, 0.04)
    model, data = world.model, world.data
    for geom in range(model.ngeom):
        mesh = model.geom_dataid[geom]
        if mesh < 0 or model.geom_bodyid[geom] == 0:
            continue
        start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        vertices = model.mesh_vert[start : start + count] @ data.geom_xmat[geom].reshape(3, 3).T
        vertices = vertices + data.geom_xpos[geom]
        gaps = np.linalg.norm(vertices[:, None] - spheres[None, :, :3], axis=2) - spheres[:, 3]
        assert gaps.min(axis=1).max() < 2e-3


def test_a_damaged_cache_is_converted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    robot = load_robot("xarm6")
    first = robot_spec(robot, visuals=False).compile()
    stored = sorted((tmp_path / "embodied_agent" / "meshes").glob("*.npz"))
    assert stored
    stored[0].write_bytes(b"not a mesh")
    stored[1].write_bytes(stored[1].read_bytes()[:100])
    again = robot_spec(robot, visuals=False).compile()
    np.testing.assert_allclose(again.mesh_vert, first.mesh_vert, atol=1e-6)


def test_a_read_only_cache_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert robot_spec(load_robot("xarm6"), visuals=False).compile().ngeom > 10


def test_a_joint_that_the_model_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    text = (config_dir() / "robots" / "panda.yaml").read_text()
    path.write_text(text.replace("name: panda_joint3", "name: elbow"))
    with pytest.raises(ConfigError, match="'elbow'"):
        robot_spec(load_robot(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not xml", "not a readable URDF"),
        ("<mujoco/>", "root element is 'mujoco'"),
        ("<robot><link name='a'><visual/></link></robot>", "not a valid URDF"),
        ("<robot><joint name='j' type='fixed'/></robot>", "lacks a parent"),
        (
            "<robot><link name='a'/><joint name='j' type='ball'>"
            "<parent link='a'/><child link='a'/></joint></robot>",
            "'ball' is not supported",
        ),
        (
            "<robot><link name='a'/><joint name='j' type='fixed'>"
            "<parent link='a'/><child link='b'/></joint></robot>",
            "unknown link 'b'",
        ),
        (
            "<robot><link name='a'><visual><geometry><mesh filename='package://x/y.stl'/>"
            "</geometry></visual></link></robot>",
            "is not found",
        ),
    ],
)
def test_a_bad_model_file_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "robot.urdf"
    path.write_text(text)
    with pytest.raises(RobotError, match=words):
        read_urdf(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.obj", b""), ("a.obj", b"v 1 2\nf 1 2 3"), ("a.stl", b"junk"), ("a.ply", b"ply"), ("a.obj", b"f 9 9 9")],
)
def test_a_bad_mesh_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RobotError, match=name):
        meshes.read_mesh(path)
