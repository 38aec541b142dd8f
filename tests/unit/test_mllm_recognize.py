"""The second look: things are cut out at one size, and named from shape, height and colour."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from embodied_agent.mllm.instances import Instances
from embodied_agent.mllm.picture import Picture, picture_from_arrays
from embodied_agent.mllm.recognize import (
    SIDE,
    Recognizer,
    Window,
    cut,
    cut_out,
    recognize,
    stack_cutouts,
    window_of,
)
from embodied_agent.mllm.settings import TINY
from embodied_agent.mllm.vocabulary import CLASSES, COLORS, STUFF
from embodied_agent.types import Camera, Pose

CUBE = 0.05  # [m]


def looking_down(height: float) -> Camera:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = [[0, -1, 0], [-1, 0, 0], [0, 0, -1]], [0.5, 0.0, height]
    return Camera("overhead", 320, 240, 300, 300, 159.5, 119.5, Pose.from_matrix(matrix))


def scene(height: float, size: int = 640) -> tuple[Picture, np.ndarray]:
    """A red cube on a grey table seen from straight above, and its mask in cells."""
    camera = looking_down(height)
    half = round(300 * CUBE / 2 / (height - CUBE))
    depth = np.full((240, 320), height, np.float32)
    depth[120 - half : 120 + half, 160 - half : 160 + half] = height - CUBE
    image = np.full((size * 3 // 4, size, 3), 128, np.uint8)
    scale = size // 320
    image[(120 - half) * scale : (120 + half) * scale, (160 - half) * scale : (160 + half) * scale] = (200, 20, 20)
    picture = picture_from_arrays(image, depth, camera)
    return picture, picture.height[::2, ::2] > CUBE / 2


def test_a_thing_looks_the_same_from_near_and_from_far() -> None:
    near, far = (
        cut_out(picture.image, picture.depth, picture.camera, mask, window_of(mask))
        for picture, mask in (scene(0.35), scene(1.05))
    )
    assert near.range < 0.4 and far.range == pytest.approx(1.0, abs=0.01)
    assert near.side == pytest.approx(far.side, rel=0.25)
    red = [(item.rgb[..., 0] > 160) & (item.rgb[..., 1] < 60) for item in (near, far)]
    assert (red[0] & red[1]).sum() / (red[0] | red[1]).sum() > 0.75
    for item in (near, far):
        assert np.median(item.height[item.mask]) == pytest.approx(CUBE, abs=1e-3)
        assert item.steep == pytest.approx(1.0, abs=0.02)


def test_the_cut_uses_the_pixels_of_the_camera_and_not_of_the_network() -> None:
    fine, mask = scene(1.05)
    image = fine.image.copy()
    image[::2] = 0  # what averaging to 320x240 would blur away
    item = cut_out(image, fine.depth, fine.camera, mask, Window(*window_of(mask)[:2], 12.0))
    assert np.ptp(item.rgb[..., 0].astype(int), axis=0).max() > 100


def test_what_lies_outside_the_picture_is_black_and_without_depth() -> None:
    picture, mask = scene(0.6)
    item = cut_out(picture.image, picture.depth, picture.camera, mask, Window(-10.0, -10.0, 20.0))
    corner = np.s_[: SIDE // 2 - 2, : SIDE // 2 - 2]
    assert not item.rgb[corner].any() and not item.depth[corner].any()
    assert item.rgb[-1, -1].any() and item.depth[-1, -1] > 0
    assert not cut(picture.depth, Window(400.0, 400.0, 9.0), cv2.INTER_NEAREST).any()


def test_without_depth_the_size_is_told_from_the_table() -> None:
    picture, mask = scene(0.6)
    blind = cut_out(picture.image, np.zeros_like(picture.depth), picture.camera, mask, window_of(mask))
    seeing = cut_out(picture.image, picture.depth, picture.camera, mask, window_of(mask))
    assert blind.side == pytest.approx(seeing.side, rel=0.1)
    planes, facts = stack_cutouts([blind])
    assert torch.isfinite(planes).all() and torch.isfinite(facts).all()
    assert not planes[0, 3:6].any()


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    torch.manual_seed(0)
    return Recognizer(TINY).eval().requires_grad_(False)


@pytest.fixture
def sure(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes everything for the first of its things."""
    bias = torch.zeros_like(recognizer.kinds.bias)
    bias[0] = 20.0
    monkeypatch.setattr(recognizer.kinds.bias, "data", bias)


def instances_of(mask: np.ndarray) -> Instances:
    classes = np.full((1, len(CLASSES)), 0.01, np.float32)
    classes[0, STUFF] = 0.6
    colors = np.full((1, len(COLORS)), 1 / len(COLORS), np.float32)
    ids = np.where(mask, 0, -1).astype(np.int16)
    return Instances(ids, classes, colors, np.ones(1, np.float32), mask.astype(np.float32))


def test_names_are_probabilities_and_everything_else_stays(recognizer: Recognizer, sure: None) -> None:
    picture, mask = scene(0.8)
    before = instances_of(mask)
    after = recognize(recognizer, picture, before)
    assert (after.ids == before.ids).all()
    assert after.colors.sum() == pytest.approx(1.0, rel=1e-4)
    assert after.classes.sum() == pytest.approx(1.0, rel=1e-4)
    assert after.scores[0] == pytest.approx(after.classes[0, STUFF:].max(), rel=1e-4) and after.scores[0] > 0.9


def test_a_splinter_is_no_thing(recognizer: Recognizer, sure: None) -> None:
    picture, mask = scene(0.8)
    rows, columns = np.nonzero(mask)
    splinter = np.zeros_like(mask)
    splinter[rows[:5], columns[:5]] = True
    after = recognize(recognizer, picture, instances_of(splinter))
    assert len(after) == 0 and (after.ids == -1).all()


def test_what_is_named_nothing_goes(recognizer: Recognizer, sure: None, monkeypatch: pytest.MonkeyPatch) -> None:
    bias = recognizer.kinds.bias.clone()
    bias[-1] = 40.0
    monkeypatch.setattr(recognizer.kinds.bias, "data", bias)
    picture, mask = scene(0.8)
    assert len(recognize(recognizer, picture, instances_of(mask))) == 0


def test_an_empty_picture_has_nothing_to_name(recognizer: Recognizer) -> None:
    picture, mask = scene(0.8)
    none = replace(
        instances_of(mask & False), classes=np.zeros((0, len(CLASSES)), np.float32),
        colors=np.zeros((0, len(COLORS)), np.float32), scores=np.zeros(0, np.float32),
    )  # fmt: skip
    assert len(recognize(recognizer, picture, none)) == 0
