"""Films are for people: from the side, with a sky; robots neither see them nor see the sky."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("mujoco")

from embodied_agent.errors import CameraError
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.mujoco import MujocoBackend, Recording
from sim.scene import load_scene

Picture = NDArray[np.uint8]
TAKEN: list[tuple[float, Picture]] = []


@pytest.fixture(scope="module")
def backend() -> Iterator[MujocoBackend]:
    recording = Recording(lambda time, rgb: TAKEN.append((time, rgb)), width=160, height=120, period=0.1)
    with MujocoBackend(load_robot("panda"), load_scene("blocks"), recording=recording) as robot:
        yield robot


def test_a_film_shows_sky_and_table_and_is_no_camera(backend: MujocoBackend) -> None:
    picture = backend.film(320, 240)
    assert picture.shape == (240, 320, 3) and picture.dtype == np.uint8
    assert picture[:20].mean() > 150  # sky
    assert picture.std(axis=(0, 1)).min() > 10
    assert "film" not in backend.cameras
    with pytest.raises(CameraError, match="no camera is called 'film'"):
        backend.capture("film")


def test_a_robots_camera_is_not_changed_by_filming(backend: MujocoBackend) -> None:
    before = backend.capture("overhead")
    backend.film(320, 240)
    after = backend.capture("overhead")
    np.testing.assert_array_equal(before.rgb, after.rgb)
    np.testing.assert_array_equal(before.depth, after.depth)
    wrist = backend.capture("wrist")  # of what is far it reads no depth, and sees no sky there
    assert not wrist.rgb[wrist.depth == 0].any()


def test_a_recording_films_what_moves(backend: MujocoBackend) -> None:
    TAKEN.clear()
    backend.grip(0.0, 20.0)
    times = [time for time, _ in TAKEN]
    assert len(TAKEN) > 3 and np.allclose(np.diff(times), 0.1, atol=0.02)
    first, last = TAKEN[0][1], TAKEN[-1][1]
    assert first.shape == (120, 160, 3)
    assert (first != last).any()
