"""The compiled world: rest, truth, pictures and their labels."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np
import pytest

from embodied_agent.errors import CameraError
from embodied_agent.robots.catalog import make
from embodied_agent.robots.mujoco import MujocoBackend, Recording
from sim.dimensions import COLORS, DIMENSIONS, KINDS, SIZES, colors_of
from sim.draw import draw_scene
from sim.noise import noisy_depth
from sim.objects import object_shapes
from sim.scene import FixtureSpec, ObjectSpec, Scene, load_scene
from sim.snapshot import Studio
from sim.world import build_world


@pytest.fixture(scope="module")
def backend() -> Iterator[MujocoBackend]:
    made = make("mujoco", "panda", "kitchen")
    assert isinstance(made, MujocoBackend)
    yield made
    made.close()


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    made = Studio(None, (320, 240))
    yield made
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_kind_rests_where_it_was_put(kind: str) -> None:
    color = next(c for c in COLORS if c in colors_of(kind))
    for size in SIZES:
        world = build_world(Scene(objects=(ObjectSpec(kind, color, size, (0.45, 0.1), yaw=0.7),)), None)
        data = world.start()
        start = world.truth(data)["objects"][f"{color} {kind}"]
        for _ in range(500):
            mujoco.mj_step(world.model, data)
        end = world.truth(data)["objects"][f"{color} {kind}"]
        assert np.allclose(start["position"], end["position"], atol=0.002)
        assert np.allclose(start["position"], (0.45, 0.1, DIMENSIONS[kind, size].height / 2), atol=0.004)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_fill_their_stated_dimensions(kind: str) -> None:
    for size in SIZES:
        stated = DIMENSIONS[kind, size]
        world = build_world(Scene(objects=(ObjectSpec(kind, colors_of(kind)[0], size, (0.45, 0.0)),)), None)
        data = mujoco.MjData(world.model)
        mujoco.mj_forward(world.model, data)
        thing = world.model.body(f"object/{colors_of(kind)[0]} {kind}").id
        mass = float(world.model.body_mass[thing])
        assert mass == pytest.approx(stated.mass, rel=0.01)
        top = max(data.geom_xpos[g][2] for g in range(world.model.ngeom) if world.model.geom_bodyid[g] == thing)
        assert 0 < top <= stated.height + 0.002
        assert any(s.solid for s in object_shapes(kind, size)) and any(s.drawn for s in object_shapes(kind, size))


def test_things_lie_inside_and_on_what_carries_them() -> None:
    scene = Scene(
        objects=(
            ObjectSpec("bowl", "blue", "large", (0.45, 0.2)),
            ObjectSpec("apple", "red", inside="blue bowl"),
            ObjectSpec("plate", "white", "large", (0.45, -0.15)),
            ObjectSpec("lemon", "yellow", on="white plate"),
            ObjectSpec("cube", "green", inside="top drawer"),
        ),
        fixtures=(FixtureSpec("cabinet", (0.82, 0.0), state={"top drawer": 0.9}),),
    )
    world = build_world(scene, None)
    truth = world.truth(world.start())["objects"]
    for thing, home in (("red apple", "blue bowl"), ("yellow lemon", "white plate")):
        assert np.linalg.norm(np.subtract(truth[thing]["position"], truth[home]["position"])[:2]) < 0.03
    assert truth["green cube"]["position"][2] == pytest.approx(0.145 + 0.018 + 0.02, abs=0.004)


def test_same_commands_give_the_same_end() -> None:
    ends = []
    for _ in range(2):
        with make("mujoco", "panda", "blocks", depth_noise=True) as robot:
            robot.grip(0.0, 20.0)
            robot.wait(0.5)
            ends.append((robot.truth(), robot.capture("overhead").depth))  # type: ignore[attr-defined]
    assert ends[0][0] == ends[1][0]
    assert np.array_equal(ends[0][1], ends[1][1])


def test_reset_to_the_same_scene_starts_over(backend: MujocoBackend) -> None:
    backend.reset(backend.scene)
    first = backend.truth()
    backend.grip(0.0, 20.0)
    backend.wait(0.3)
    backend.reset(backend.scene)
    assert backend.truth() == first and backend.now() == 0.0


def test_depth_of_the_table_is_its_plane(backend: MujocoBackend) -> None:
    frame = backend.capture("overhead")
    points = frame.camera.unproject(frame.depth)[backend.segmentation("overhead") == 1]
    assert len(points) > 100_000
    assert np.abs(points[:, 2]).max() < 0.002


def test_pixels_of_an_object_lie_on_it(backend: MujocoBackend) -> None:
    frame, labels = backend.capture("overhead"), backend.segmentation("overhead")
    points = frame.camera.unproject(frame.depth)
    truth = backend.truth()["objects"]
    for label in backend.labels[3:]:
        seen = points[labels == label.id]
        assert len(seen) > 100, f"{label.name} is hardly seen"
        spec = backend.scene.object(label.name)
        reach = np.linalg.norm([*spec.dimensions.half, spec.dimensions.height / 2]) + 0.005
        assert np.linalg.norm(seen - truth[label.name]["position"], axis=1).max() < reach


def test_left_is_left_in_the_picture(backend: MujocoBackend) -> None:
    camera = backend.capture("overhead").camera
    left, right, far, near = camera.project(np.array([[0.5, 0.2, 0], [0.5, -0.2, 0], [0.7, 0, 0], [0.3, 0, 0.0]]))
    assert left[0] < right[0] and far[1] < near[1]


def test_unknown_camera_is_refused(backend: MujocoBackend) -> None:
    with pytest.raises(CameraError, match="known: overhead, wrist"):
        backend.capture("front")


def test_rendering_switched_off_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "disable")
    with make("mujoco", "panda", "blocks") as robot, pytest.raises(CameraError, match="MUJOCO_GL"):
        robot.capture("overhead")


def test_frames_for_a_video_come_at_their_rate() -> None:
    times: list[float] = []
    recording = Recording(lambda time, rgb: times.append(time), width=64, height=48, period=0.1)
    with make("mujoco", "panda", "blocks", recording=recording) as robot:
        robot.wait(1.0)
    assert len(times) == pytest.approx(10, abs=1)
    assert np.allclose(np.diff(times), 0.1, atol=0.011)


def test_noise_is_realistic_and_repeats() -> None:
    depth = np.full((120, 160), 1.2, np.float32)
    depth[40:80, 60:100] = 1.0
    noisy = noisy_depth(depth, 257.0, np.random.default_rng(3))
    assert np.array_equal(noisy, noisy_depth(depth, 257.0, np.random.default_rng(3)))
    flat = noisy[90:, :][noisy[90:, :] > 0]
    assert 0.0005 < flat.std() < 0.02 and abs(flat.mean() - 1.2) < 0.01
    assert (noisy[39:41, 60:100] == 0).mean() > 0.2  # edges lose their reading
    assert (noisy[100:] == 0).mean() < 0.01


def test_snapshot_shows_what_the_world_shows(studio: Studio) -> None:
    scene = load_scene("kitchen")
    shot = studio.render(scene, 320, 240)
    with make("mujoco", "panda", scene) as robot:
        frame = robot.capture("overhead")
        labels = robot.segmentation("overhead")  # type: ignore[attr-defined]
        names = {label.name: label.id for label in robot.labels}  # type: ignore[attr-defined]
    assert shot.camera.fx * 2 == pytest.approx(frame.camera.fx)
    for thing in shot.things[3:]:
        here, there = (shot.labels == thing.id).sum() * 4, (labels == names[thing.name]).sum()
        assert here == pytest.approx(there, rel=0.15, abs=60), thing.name


def test_snapshots_repeat_whatever_came_between(studio: Studio) -> None:
    scenes = [draw_scene(seed, nested=0.3) for seed in range(6)]
    first = [studio.render(scene, 160, 120) for scene in scenes]
    for scene, shot in zip(reversed(scenes), reversed(first), strict=True):
        again = studio.render(scene, 160, 120)
        assert np.array_equal(shot.rgb, again.rgb) and np.array_equal(shot.labels, again.labels)
        assert shot.things == again.things


def test_snapshot_colours_follow_the_scene(studio: Studio) -> None:
    means = {}
    for color in ("red", "green", "blue"):
        scene = Scene(objects=(ObjectSpec("cube", color, "large", (0.45, 0.0)),))
        shot = studio.render(scene, 320, 240)
        means[color] = shot.rgb[shot.labels == 3].mean(axis=0)
    assert [int(means[c].argmax()) for c in ("red", "green", "blue")] == [0, 1, 2]


def test_more_of_a_kind_than_the_pool_holds_still_fit(studio: Studio) -> None:
    cubes = [ObjectSpec("cube", "red", "small", (0.32 + 0.05 * i, 0.1 * (i % 2))) for i in range(6)]
    shot = studio.render(Scene(objects=tuple(cubes)), 320, 240)
    assert len(set(np.unique(shot.labels)) - {0, 1, 2}) == 6
