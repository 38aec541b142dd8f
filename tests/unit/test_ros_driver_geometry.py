"""What the driver tells of frames and pictures is what the simulated world is."""

from contextlib import closing

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("mujoco", reason="the simulated driver needs mujoco")
import mujoco

from embodied_agent.errors import CameraError
from embodied_agent.robots.catalog import scene_of
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.mujoco import MujocoBackend
from embodied_agent.robots.shutter import Shutter
from embodied_agent.ros.driver.frames import RobotFrames, fixed_camera, optical_frame

ROBOTS = ("panda", "xarm6")


@pytest.fixture(scope="module", params=ROBOTS)
def backend(request):
    with MujocoBackend(load_robot(request.param), scene_of("blocks")) as made:
        yield made


@pytest.mark.parametrize("seed", range(3))
def test_frames_made_from_joints_are_where_the_simulated_links_are(backend, seed):
    description, rng = backend.description, np.random.default_rng(seed)
    frames, data = RobotFrames(description), mujoco.MjData(backend.model)
    finger = description.gripper.position_at(rng.uniform(0, description.gripper.max_width))
    positions = dict(zip(description.joint_names, rng.uniform(description.lower, description.upper), strict=True))
    positions |= dict.fromkeys(description.gripper.joints, finger)
    for index in range(backend.model.njnt):
        name = backend.model.joint(index).name.removeprefix("robot/")
        if name in positions:
            data.qpos[backend.model.jnt_qposadr[index]] = positions[name]
    for equality in range(backend.model.neq):  # fingers that mimic others
        if backend.model.eq_type[equality] == mujoco.mjtEq.mjEQ_JOINT:
            follower, leader = backend.model.eq_obj1id[equality], backend.model.eq_obj2id[equality]
            offset, factor = backend.model.eq_data[equality, :2]
            address = backend.model.jnt_qposadr
            data.qpos[address[follower]] = offset + factor * data.qpos[address[leader]]
    mujoco.mj_kinematics(backend.model, data)
    moving = frames.moving(positions)
    links = {child for _, child, _ in moving}
    assert {*description.joint_names} <= {joint.name for joint in frames._moving}
    for link in links:
        body, pose = data.body(f"robot/{link}"), frames.base_from(link, moving)
        assert np.allclose(pose.position, body.xpos, atol=1e-6), link
        assert np.allclose(pose.rotation, body.xmat.reshape(3, 3), atol=1e-6), link


def test_camera_frames_are_where_the_pictures_were_taken_from(backend):
    description, frames = backend.description, RobotFrames(backend.description)
    links = dict(zip(description.joint_names, backend.state().positions, strict=True))
    links |= dict.fromkeys(description.gripper.joints, description.gripper.open)
    overhead, wrist = backend.capture("overhead").camera, backend.capture("wrist").camera
    found = fixed_camera(backend.scene.cameras[0])
    assert np.allclose(found.matrix, overhead.world_from_camera.matrix, atol=1e-6)
    found = frames.base_from(optical_frame("wrist"), frames.moving(links))
    assert np.allclose(found.matrix, wrist.world_from_camera.matrix, atol=1e-5)


def test_a_shutter_sees_what_the_back_end_captures(backend):
    with closing(Shutter(backend)) as shutter:
        shutter.expose()
        for camera in backend.cameras:
            seen, captured = shutter.develop(camera), backend.capture(camera)
            assert np.array_equal(seen.rgb, captured.rgb) and np.array_equal(seen.depth, captured.depth)
            assert seen.stamp == captured.stamp and seen.camera.name == camera


def test_what_is_exposed_stays_as_it_was_while_time_goes_on(backend):
    with closing(Shutter(backend)) as shutter:
        shutter.expose()
        before = shutter.develop("wrist")
        backend.servo(backend.state().positions - 0.1, 0.0, 0.3)
        assert np.array_equal(shutter.develop("wrist").rgb, before.rgb)
        shutter.expose()
        assert not np.array_equal(shutter.develop("wrist").rgb, before.rgb)


def test_a_shutter_of_an_older_scene_is_refused():
    with MujocoBackend(load_robot("panda"), scene_of("blocks")) as backend:
        shutter = Shutter(backend)
        backend.reset(scene_of("drawers"))
        with pytest.raises(CameraError, match="scene has changed"):
            shutter.expose()
