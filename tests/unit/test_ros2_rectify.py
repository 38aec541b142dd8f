"""Images of a lens with distortion, as a pinhole camera would give them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="no ROS 2 messages in this Python")

from embodied_agent.errors import CameraError
from embodied_agent.robots.ros2.messages import Intrinsics
from embodied_agent.robots.ros2.rectify import distort, rectified

SIZE = (160, 120)
MATRIX = (150.0, 150.0, 79.5, 59.5)
LENSES = [
    ("plumb_bob", (0.12, -0.05, 0.002, -0.001, 0.0)),
    ("rational_polynomial", (0.1, 0.02, 0.001, 0.0, 0.01, 0.05, 0.0, 0.0)),
    ("equidistant", (0.05, -0.01, 0.002, 0.0)),
]


@pytest.mark.parametrize(("model", "coefficients"), LENSES)
def test_the_distortion_is_the_one_that_opencv_means(model: str, coefficients: tuple[float, ...]) -> None:
    cv2 = pytest.importorskip("cv2")
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 2))
    if model == "equidistant":
        expected = cv2.fisheye.distortPoints(points[None], np.eye(3), np.array(coefficients))[0]
    else:
        cube = np.column_stack([points, np.ones(50)])
        expected = cv2.projectPoints(cube, np.zeros(3), np.zeros(3), np.eye(3), np.array(coefficients))[0][:, 0]
    np.testing.assert_allclose(distort(points, model, coefficients), expected, atol=1e-9)


@pytest.mark.parametrize(("model", "coefficients"), LENSES)
def test_a_dot_comes_to_lie_where_a_pinhole_camera_sees_it(model: str, coefficients: tuple[float, ...]) -> None:
    intrinsics = Intrinsics(*SIZE, MATRIX, MATRIX, model, coefficients)
    plane = np.array([[0.3, -0.2]])
    bent = distort(plane, model, coefficients)[0]
    u, v = (round(float(bent[k] * MATRIX[k] + MATRIX[2 + k])) for k in (0, 1))
    rgb = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    depth = np.zeros((SIZE[1], SIZE[0]), np.float32)
    rgb[v - 1 : v + 2, u - 1 : u + 2], depth[v - 1 : v + 2, u - 1 : u + 2] = 255, 0.75
    for image in (rectified(rgb, intrinsics)[..., 0], rectified(depth, intrinsics)):
        rows, columns = np.nonzero(image)
        assert columns.mean() == pytest.approx(0.3 * MATRIX[0] + MATRIX[2], abs=1.0)
        assert rows.mean() == pytest.approx(-0.2 * MATRIX[1] + MATRIX[3], abs=1.0)


def test_depth_is_never_mixed_of_two_surfaces() -> None:
    depth = np.full((SIZE[1], SIZE[0]), 0.5, np.float32)
    depth[:, 80:] = 2.0
    seen = rectified(depth, Intrinsics(*SIZE, MATRIX, MATRIX, *LENSES[0]))
    assert set(np.unique(seen)) <= {0.0, np.float32(0.5), np.float32(2.0)}


def test_without_distortion_the_image_is_the_image() -> None:
    rgb = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    assert rectified(rgb, Intrinsics(*SIZE, MATRIX, MATRIX)) is rgb


def test_an_unknown_lens_is_refused() -> None:
    with pytest.raises(CameraError, match="'thin_prism' with 12"):
        rectified(np.zeros((120, 160), np.float32), Intrinsics(*SIZE, MATRIX, MATRIX, "thin_prism", (0.1,) * 12))
