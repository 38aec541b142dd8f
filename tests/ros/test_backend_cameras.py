"""RGB-D frames over real ROS 2: whole, new enough, and from where the camera was at the exposure."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")

from paper_arm import PaperArm, PaperCamera
from sensor_msgs.msg import CameraInfo
from tf2_msgs.msg import TFMessage

from embodied_agent.errors import CameraError
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.ros2 import messages
from embodied_agent.robots.ros2.backend import Ros2Backend
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.types import Frame, Pose

DOMAIN = 14
PATIENCE = 60.0  # [s]
INTERFACE = Ros2Interface(
    cameras=("front",),
    image_timeout=2.0,
    tf_timeout=2.0,
    server_timeout=20.0,
    state_timeout=20.0,
    image_max_age=0.0,
)


class Scene:
    """A camera before the back end, and what it published."""

    def __init__(self) -> None:
        panda = load_robot("panda")
        panda = replace(panda, safety=replace(panda.safety, stale_after=20.0))
        self.arm = PaperArm(panda)
        self.camera = PaperCamera(self.arm, "front", "front_optical")
        self.arm.fix("world", "panda_link0", Pose(np.zeros(3)))
        self.arm.fix("world", "front_optical", Pose(np.array([0.3, 0.0, 0.9]), np.array([0.0, 1.0, 0.0, 0.0])))
        self.backend = Ros2Backend(panda, interface=INTERFACE, wait=0.0)
        limit = time.monotonic() + PATIENCE
        while problems := self.backend.problems():
            self.camera.expose(1, self.arm.now())
            assert time.monotonic() < limit, problems
            time.sleep(0.05)

    def captured_while(self, *exposures: tuple[float, dict[str, object]]) -> Frame:
        """A capture during which exposures are published, each so many seconds after it began."""

        def publish() -> None:
            for delay, said in exposures:
                time.sleep(delay)
                self.camera.expose(**{"stamp": self.arm.now(), **said})  # type: ignore[arg-type]

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            return self.backend.capture("front")
        finally:
            thread.join()

    def close(self) -> None:
        self.backend.close()
        self.arm.close()


@pytest.fixture(scope="module")
def scene(ros: None) -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


def test_a_frame_is_whole(scene: Scene) -> None:
    frame = scene.captured_while((0.2, {"shade": 80}))
    assert frame.rgb.shape == (48, 64, 3) and (frame.rgb == 80).all()
    np.testing.assert_allclose(frame.depth, 0.8)
    assert (frame.camera.name, frame.camera.fx) == ("front", 60.0)
    np.testing.assert_allclose(frame.camera.world_from_camera.position, [0.3, 0.0, 0.9])
    assert abs(frame.stamp - scene.backend.now()) < PATIENCE


def test_an_image_from_before_is_never_given(scene: Scene) -> None:
    scene.camera.expose(10, scene.arm.now())
    time.sleep(0.3)
    # It comes late, but it was exposed before the call.
    old = scene.arm.now() - 0.05
    frame = scene.captured_while((0.1, {"shade": 11, "stamp": old}), (0.2, {"shade": 12}))
    assert (frame.rgb == 12).all()


def test_without_a_new_image_the_topic_and_its_age_are_named(scene: Scene) -> None:
    scene.camera.expose(10, scene.arm.now() - 3.0)
    time.sleep(0.2)
    with pytest.raises(CameraError, match=r"/front/color/image_raw is \d+\.\d\d s old after 2\.0 s of waiting"):
        scene.backend.capture("front")


def test_colour_without_its_depth_waits_for_the_whole(scene: Scene) -> None:
    frame = scene.captured_while(
        (0.1, {"shade": 20, "parts": "color info"}), (0.2, {"shade": 21}), (0.1, {"shade": 22, "parts": "depth"})
    )
    assert (frame.rgb == 21).all()
    np.testing.assert_allclose(frame.depth, 0.21)


def test_colour_and_depth_of_other_moments_are_not_put_together(scene: Scene) -> None:
    with pytest.raises(CameraError, match=r"are 200 ms apart; 20 ms are allowed"):
        scene.captured_while((0.2, {"shade": 30, "depth_late": 0.2}))


def test_a_size_that_is_not_the_calibrations_is_refused(scene: Scene) -> None:
    other = messages.to_camera_info(replace(scene.camera.view, width=32), scene.arm.now(), "front_optical")
    with pytest.raises(CameraError, match=r"color/image_raw is 64x48, /front/color/camera_info says 32x48"):
        scene.captured_while(*[(0.1, {"shade": 31, "info": other})] * 6)


def test_a_camera_without_calibration_is_refused(scene: Scene) -> None:
    with pytest.raises(CameraError, match="calibrate"):
        scene.captured_while(*[(0.1, {"shade": 32, "info": CameraInfo(width=64, height=48)})] * 6)
    scene.captured_while(*[(0.1, {"shade": 33})] * 6)


def test_an_unknown_camera_is_named_with_those_that_are_known(scene: Scene) -> None:
    with pytest.raises(CameraError, match="no camera is called 'back'; known: front"):
        scene.backend.capture("back")


def test_a_moving_camera_is_where_it_was_at_the_exposure(scene: Scene) -> None:
    scene.camera.frame = "hand_optical"
    begun, exposed, done = scene.arm.now(), [], threading.Event()

    def swing() -> None:
        while not done.is_set():
            now = scene.arm.now()
            pose = Pose(np.array([now - begun, 0.0, 0.0]))  # one metre a second
            scene.arm.tf.publish(
                TFMessage(transforms=[messages.to_transform_stamped(pose, "world", "hand_optical", now)])
            )
            time.sleep(0.005)

    def expose() -> None:
        for _ in range(8):
            time.sleep(0.1)
            exposed.append(scene.arm.now())
            scene.camera.expose(40, exposed[-1])

    threads = [threading.Thread(target=swing), threading.Thread(target=expose)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.15)
        frame = scene.backend.capture("front")
        assert min(abs(frame.stamp - stamp) for stamp in exposed) < 1e-6
        assert frame.camera.world_from_camera.position[0] == pytest.approx(frame.stamp - begun, abs=1e-3)
    finally:
        done.set()
        for thread in threads:
            thread.join()
        scene.camera.frame = "front_optical"


def test_an_exposure_whose_transform_never_comes_is_refused(scene: Scene) -> None:
    scene.camera.frame = "hand_optical"
    try:
        with pytest.raises(CameraError, match=r"transform of 'hand_optical' is .* s too old"):
            scene.captured_while((0.2, {"shade": 50}))
        scene.camera.frame = "elsewhere"
        with pytest.raises(CameraError, match="no transform of the frame 'elsewhere' came"):
            scene.captured_while((0.2, {"shade": 51}))
    finally:
        scene.camera.frame = "front_optical"


def test_a_stream_of_images_is_kept_short(scene: Scene) -> None:
    for k in range(60):
        scene.camera.expose(k, scene.arm.now())
        time.sleep(0.005)
    stream = scene.backend._streams["front"]
    assert all(len(kept) <= 4 for kept in stream._kept.values())
    names = {row.name: row for row in scene.backend.streams()}
    assert names["/front/color/image_raw"].age is not None
    assert names["transform world to front_optical"].age == 0.0
