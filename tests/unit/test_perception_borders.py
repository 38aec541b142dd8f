"""Masks of things that touch: their common border is moved to where colour and height change."""

from __future__ import annotations

import numpy as np
import pytest

from embodied_agent.perception.borders import parted

TABLE, RED, BLACK = (190, 180, 160), (200, 40, 30), (15, 15, 15)


def blank() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """An empty table: image, points, and two empty masks."""
    rgb = np.full((80, 80, 3), TABLE, np.uint8)
    return rgb, np.zeros((80, 80, 3), np.float32), np.zeros((80, 80), bool), np.zeros((80, 80), bool)


def tower() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """A black cube on a red one as a camera in front of it sees them: image, points, true masks."""
    rgb, points, lower, upper = blank()
    lower[20:65, 20:60] = True
    upper[15:42, 28:52] = True
    lower &= ~upper
    rgb[lower], rgb[upper] = RED, BLACK
    points[lower, 2] = np.linspace(0.06, 0.0, 80)[np.nonzero(lower)[0]]
    points[upper, 2] = 0.09
    return rgb, points, [lower, upper]


def worn(masks: list[np.ndarray]) -> list[np.ndarray]:
    """The lower one's mask takes in the lower part of the upper one."""
    lower, upper = (mask.copy() for mask in masks)
    taken = upper & (np.arange(80)[:, None] > 34)
    return [lower | taken, upper & ~taken]


def test_the_upper_cube_of_a_tower_gets_its_front_back() -> None:
    rgb, points, true = tower()
    masks = parted(worn(true), rgb, points, [True, True])
    for mask, whole in zip(masks, true, strict=True):
        assert (mask & whole).sum() / (mask | whole).sum() > 0.95
    assert not (masks[0] & masks[1]).any()


def test_what_belongs_to_nobody_stays_so() -> None:
    rgb, points, true = tower()
    before = worn(true)
    after = parted(before, rgb, points, [True, True])
    assert ((after[0] | after[1]) == (before[0] | before[1])).all()


def test_furniture_keeps_its_masks() -> None:
    rgb, points, true = tower()
    before = worn(true)
    for mask, same in zip(parted(before, rgb, points, [True, False]), before, strict=True):
        assert (mask == same).all()


def test_a_lid_of_the_plates_colour_stays_with_the_can() -> None:
    rgb, points, plate, can = blank()
    plate[10:70, 10:70] = True
    can[25:55, 30:50] = True
    plate &= ~can
    rgb[plate] = rgb[25:35, 30:50] = (240, 240, 240)
    rgb[35:55, 30:50] = RED
    points[plate, 2] = 0.01
    points[25:35, 30:50, 2], points[35:55, 30:50, 2] = 0.11, 0.07
    masks = parted([plate, can], rgb, points, [True, True])
    assert (masks[1] == can).mean() > 0.995


@pytest.mark.parametrize("count", [0, 1])
def test_one_thing_alone_has_no_common_border(count: int) -> None:
    rgb, points, true = tower()
    assert len(parted(true[:count], rgb, points, [True] * count)) == count
