"""Two solid things of one name in one place are one."""

from __future__ import annotations

import numpy as np
import pytest

from embodied_agent.mllm.fragments import join_fragments
from embodied_agent.mllm.instances import Instances
from embodied_agent.mllm.picture import Picture
from embodied_agent.mllm.vocabulary import CLASS_INDEX, CLASSES, COLOR_INDEX, COLORS

Box = tuple[tuple[float, float, float], tuple[float, float, float]]
CUBE: Box = ((0.30, 0.00, 0.00), (0.36, 0.06, 0.055))
TOP: Box = ((0.31, 0.01, 0.056), (0.355, 0.055, 0.06))


def seen(*things: tuple[str, str, Box]) -> tuple[Picture, Instances]:
    """One row of 30 cells for each thing, with points all over its box."""
    rng = np.random.default_rng(0)
    points = np.zeros((120, 160, 3), np.float32)
    ids = np.full((120, 160), -1, np.int16)
    classes, colors = (
        np.zeros((len(things), len(CLASSES)), np.float32),
        np.zeros((len(things), len(COLORS)), np.float32),
    )
    for k, (color, kind, (low, high)) in enumerate(things):
        ids[4 * k, :30] = k
        points[4 * k, :30] = rng.uniform(low, high, (30, 3))
        points[4 * k, :2], points[4 * k, 28:30] = low, high
        classes[k, CLASS_INDEX[kind]] = colors[k, COLOR_INDEX[color]] = 0.9
    empty = np.zeros((240, 320), np.float32)
    picture = Picture(None, None, empty, empty, points, ids >= 0, None)  # type: ignore[arg-type]
    return picture, Instances(ids, classes, colors, np.full(len(things), 0.9, np.float32), ids.astype(np.float32))


def names(*things: tuple[str, str, Box]) -> list[int]:
    """How many cells each instance has after joining."""
    joined = join_fragments(*seen(*things))
    assert len(joined.classes) == len(joined.colors) == len(joined)
    return [int((joined.ids == k).sum()) for k in range(len(joined))]


def moved(box: Box, x: float = 0.0, z: float = 0.0) -> Box:
    (a, b, c), (d, e, f) = box
    return (a + x, b, c + z), (d + x, e, f + z)


def test_the_top_of_a_cube_is_no_second_cube() -> None:
    assert names(("black", "cube", TOP), ("black", "cube", CUBE)) == [60]
    assert names(("black", "cube", CUBE), ("black", "cube", TOP)) == [60]


def test_what_it_is_joined_to_keeps_its_place_among_the_others() -> None:
    bowl = ("red", "bowl", moved(CUBE, 0.3))
    assert names(("black", "cube", TOP), bowl, ("black", "cube", CUBE)) == [30, 60]


@pytest.mark.parametrize(
    "other",
    [
        ("red", "cube", TOP),
        ("black", "can", TOP),
        ("black", "cube", moved(TOP, 0.08)),
        ("black", "cube", moved(CUBE, z=0.06)),
    ],
)
def test_another_name_or_place_is_another_thing(other: tuple[str, str, Box]) -> None:
    assert names(("black", "cube", CUBE), other) == [30, 30]


def test_what_is_hollow_may_hold_its_like() -> None:
    assert names(("red", "bowl", TOP), ("red", "bowl", CUBE)) == [30, 30]


BACK: Box = ((0.33, 0.0, 0.02), (0.36, 0.06, 0.06))
FRONT: Box = ((0.30, 0.0, 0.0), (0.33, 0.06, 0.06))


def test_two_halves_of_a_cube_are_one_cube() -> None:
    assert names(("black", "cube", FRONT), ("black", "cube", BACK)) == [60]


@pytest.mark.parametrize(
    "other",
    [
        ("black", "cube", moved(CUBE, 0.062)),  # beside it, touching
        ("black", "cube", moved(BACK, 0.04)),  # together longer than high
        ("black", "cylinder", BACK),
    ],
)
def test_cubes_that_stand_side_by_side_stay_two(other: tuple[str, str, Box]) -> None:
    assert names(("black", "cube", FRONT), other) == [30, 30]


def test_two_halves_of_a_ball_are_one_ball() -> None:
    assert names(("blue", "ball", FRONT), ("blue", "ball", BACK)) == [60]


def test_balls_that_touch_stay_two() -> None:
    assert names(("blue", "ball", CUBE), ("blue", "ball", moved(CUBE, 0.062))) == [30, 30]


def test_only_of_cubes_and_what_is_round_it_is_known_that_they_are_as_wide_as_long() -> None:
    assert names(("black", "can", FRONT), ("black", "can", BACK)) == [30, 30]
