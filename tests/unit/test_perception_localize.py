"""A mask and depth become a measured box, within what the sensor can tell."""

import numpy as np
import pytest

from embodied_agent.perception.cloud import fuse, table_plane, world_points
from embodied_agent.perception.geometry import wrap
from embodied_agent.perception.localize import NoDepth, foremost, localize
from embodied_agent.perception.synthetic import OVERHEAD, Solid, looking_at, render
from embodied_agent.types import Detection, Frame

THINGS = [
    Solid("cube", "box", (0.04, 0.04, 0.04), (0.45, 0.1, 0.02), 0.4, "red"),
    Solid("ball", "sphere", (0.062, 0.062, 0.062), (0.35, -0.2, 0.031), 0.0, "yellow"),
    Solid("bowl", "tube", (0.17, 0.17, 0.055), (0.6, 0.15, 0.0275), 0.0, "blue"),
    Solid("can", "cylinder", (0.066, 0.066, 0.115), (0.4, 0.28, 0.0575), 0.0, "red"),
    Solid("box", "box", (0.13, 0.096, 0.05), (0.5, -0.15, 0.025), -0.5, "green"),
    Solid("lemon", "sphere", (0.062, 0.042, 0.042), (0.6, -0.3, 0.021), 0.7, "yellow"),
]


def measure(solid: Solid, **noise: float) -> tuple[float, float]:
    frame, detections = render([solid], **noise)  # type: ignore[arg-type]
    item = localize(detections[0], frame)
    miss = float(np.linalg.norm(item.position - solid.position))
    swell = float(np.abs(np.sort(item.extent[:2]) - np.sort(solid.size[:2])).max())
    return miss, max(swell, abs(float(item.extent[2]) - solid.size[2]))


@pytest.mark.parametrize("solid", THINGS, ids=lambda s: s.kind)
def test_exact_depth_gives_the_box_within_millimetres(solid: Solid) -> None:
    miss, swell = measure(solid)
    assert miss < 0.003
    assert swell < 0.005


@pytest.mark.parametrize("solid", THINGS, ids=lambda s: s.kind)
def test_noisy_depth_still_gives_the_box_within_a_centimetre(solid: Solid) -> None:
    miss, swell = measure(solid, noise=0.0015, dropout=0.05)
    assert miss < 0.006
    assert swell < 0.009


def test_the_yaw_of_a_long_box_is_found() -> None:
    solid = THINGS[4]
    frame, detections = render([solid])
    item = localize(detections[0], frame)
    yaw = np.arctan2(item.pose.rotation[1, 0], item.pose.rotation[0, 0])
    assert abs(wrap(2 * (yaw - solid.yaw))) / 2 < 0.03


def test_too_few_depth_pixels_are_refused_with_their_number() -> None:
    frame, detections = render([THINGS[0]])
    mask = np.zeros_like(detections[0].mask)
    row, column = (int(k[0]) for k in detections[0].mask.nonzero())
    mask[row : row + 3, column : column + 3] = True
    with pytest.raises(NoDepth, match=r"cube has \d+ pixels"):
        localize(Detection(mask, "cube", "red", 1.0), frame)


def test_a_mask_that_spills_onto_the_table_measures_the_same() -> None:
    from scipy import ndimage

    frame, detections = render([THINGS[0]])
    sloppy = ndimage.binary_dilation(detections[0].mask, iterations=3)
    clean = localize(detections[0], frame)
    spilled = localize(Detection(sloppy, "cube", "red", 1.0), frame)
    assert np.linalg.norm(clean.position - spilled.position) < 0.003
    assert np.abs(clean.extent - spilled.extent).max() < 0.006


def test_flying_pixels_between_thing_and_table_are_left_out() -> None:
    frame, detections = render([THINGS[3]])
    depth = frame.depth.copy()
    rows, columns = detections[0].mask.nonzero()
    picked = np.random.default_rng(3).choice(len(rows), 25, replace=False)
    depth[rows[picked], columns[picked]] -= 0.2  # readings that hang in the air above it
    item = localize(detections[0], Frame(frame.rgb, depth, frame.camera, 0.0))
    assert abs(item.extent[2] - 0.115) < 0.004


def test_the_table_is_found_among_clutter_and_noise() -> None:
    frame, _ = render(THINGS, noise=0.002, dropout=0.1)
    plane = table_plane(world_points(frame))
    assert plane.normal[2] > 0.9999
    assert abs(plane.offset) < 0.001


def test_an_unseen_table_is_where_the_robot_stands() -> None:
    cover = Solid("box", "box", (2.9, 2.9, 0.2), (0.4, 0.0, 0.1))
    frame, _ = render([cover])
    plane = table_plane(world_points(frame))
    assert plane.offset == 0.0
    assert plane.normal.tolist() == [0.0, 0.0, 1.0]


def test_two_views_fuse_into_one_surface_with_all_sides() -> None:
    can = Solid("can", "cylinder", (0.066, 0.066, 0.115), (0.5, 0.0, 0.0575), 0.0, "red")
    far = looking_at((1.05, 0.0, 0.6), (0.5, 0.0, 0.03), "wrist")
    surface, normals = fuse([render([can], OVERHEAD)[0], render([can], far)[0]])
    side = surface[(surface[:, 2] > 0.03) & (surface[:, 2] < 0.09)]
    side = side[np.linalg.norm(side[:, :2] - (0.5, 0.0), axis=1) < 0.06]
    assert len(side) > 200
    assert side[:, 0].min() < 0.472
    assert side[:, 0].max() > 0.528
    assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-3


def test_a_handles_mask_that_holds_the_table_behind_it_is_only_the_handle() -> None:
    rng = np.random.default_rng(0)
    handle = rng.uniform((0.44, -0.05, 0.18), (0.46, 0.05, 0.2), size=(60, 3))
    table = rng.uniform((0.5, -0.05, 0.0), (0.6, 0.05, 0.001), size=(90, 3))
    kept = foremost(np.concatenate([table, handle]), np.array([-0.05, 0.0, 1.1]))
    assert len(kept) == 60 and kept[:, 2].min() > 0.17


def test_a_handle_that_is_seen_alone_stays_whole() -> None:
    handle = np.random.default_rng(1).uniform((0.44, -0.05, 0.15), (0.46, 0.05, 0.2), size=(60, 3))
    assert len(foremost(handle, np.array([-0.05, 0.0, 1.1]))) == 60
