"""What a controller is sent of a finely sampled path."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")

from embodied_agent.robots.ros2.controllers import SPACING, sparse
from embodied_agent.types import JointTrajectory


def path(times: np.ndarray) -> JointTrajectory:
    """A swing of two joints."""
    turns = np.array([0.7, -0.4])
    return JointTrajectory(times, np.sin(times[:, None] * turns), turns * np.cos(times[:, None] * turns))


def hermite(sent: JointTrajectory, times: np.ndarray) -> np.ndarray:
    """What a controller makes of positions and velocities: cubic splines."""
    k = np.clip(np.searchsorted(sent.times, times, side="right") - 1, 0, len(sent.times) - 2)
    long = (sent.times[k + 1] - sent.times[k])[:, None]
    s = ((times - sent.times[k]) / long[:, 0])[:, None]
    p, q, v, w = sent.positions[k], sent.positions[k + 1], sent.velocities[k] * long, sent.velocities[k + 1] * long
    return p * (1 + 2 * s) * (1 - s) ** 2 + v * s * (1 - s) ** 2 + q * s**2 * (3 - 2 * s) + w * s**2 * (s - 1)


def test_a_slow_path_is_sent_with_few_points_and_loses_nothing() -> None:
    whole = path(np.arange(0.0, 30.0, 0.01))
    sent = sparse(whole)
    assert len(sent.times) < len(whole.times) / 4
    assert np.abs(hermite(sent, whole.times) - whole.positions).max() < 1e-5


def test_a_single_point_later_than_now_is_sent_as_it_is() -> None:
    assert list(sparse(path(np.array([0.2]))).times) == [0.2]


@given(st.lists(st.floats(0.001, 0.4), min_size=0, max_size=40))
def test_first_and_last_points_stay_and_gaps_are_no_wider_than_they_must_be(steps: list[float]) -> None:
    whole = path(np.concatenate([[0.0], np.cumsum(steps)]))
    sent = sparse(whole)
    assert sent.times[0] == 0.0 and sent.times[-1] == whole.times[-1]
    assert (np.diff(sent.times) > 0).all()
    assert set(sent.times) <= set(whole.times)
    widest = max([SPACING, *np.diff(whole.times)])
    assert np.diff(sent.times).max(initial=0.0) < SPACING + widest + 1e-9
