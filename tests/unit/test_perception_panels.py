"""Drawers that a detector names in pieces, and drawers that are two."""

import numpy as np
import pytest

from embodied_agent.perception.geometry import yaw_rotation
from embodied_agent.perception.panels import split_drawer
from embodied_agent.types import Object, Pose


def part(kind: str, place: tuple[float, float, float], size: tuple[float, float, float], id: str = "") -> Object:
    """A measured part of a cabinet whose front looks at the robot."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = yaw_rotation(np.pi)[:3, :3], place
    pose = Pose.from_matrix(matrix)
    return Object(id or kind, kind, kind, "", pose, np.array(size), np.zeros((0, 3)), 1.0, 0.0)


FRONT = part("drawer", (0.5, 0.0, 0.08), (0.013, 0.24, 0.1))
HANDLE = part("drawer_handle", (0.48, 0.0, 0.08), (0.05, 0.03, 0.03))


@pytest.mark.parametrize("swapped", [False, True])
def test_two_halves_of_one_front_are_one_drawer(swapped: bool) -> None:
    halves = [
        part("drawer", (0.5, -0.07, 0.08), (0.013, 0.1, 0.1)),
        part("drawer", (0.49, 0.05, 0.07), (0.013, 0.14, 0.13)),
    ]
    assert split_drawer([HANDLE, *(halves[::-1] if swapped else halves)]) == (1, 2)


def test_a_tray_behind_a_front_is_no_drawer_of_its_own() -> None:
    tray = part("drawer", (0.69, 0.01, 0.06), (0.026, 0.25, 0.11))
    assert split_drawer([tray, HANDLE, FRONT]) == (0, 2)


def test_one_above_the_other_are_two() -> None:
    above = part("drawer", (0.68, 0.0, 0.19), (0.014, 0.24, 0.1))
    assert split_drawer([FRONT, above, HANDLE]) is None


def test_side_by_side_with_a_handle_each_are_two() -> None:
    beside = part("drawer", (0.5, 0.25, 0.08), (0.013, 0.24, 0.1))
    handle = part("drawer_handle", (0.48, 0.25, 0.08), (0.05, 0.03, 0.03))
    assert split_drawer([FRONT, beside, HANDLE, handle]) is None


def test_far_apart_are_two_though_no_handle_is_seen() -> None:
    assert split_drawer([FRONT, part("drawer", (0.5, 0.5, 0.08), (0.013, 0.24, 0.1))]) is None
