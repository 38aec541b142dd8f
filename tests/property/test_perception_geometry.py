"""Fits and measurements hold for any place, size and turn."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_agent.perception import articulation
from embodied_agent.perception.geometry import (
    fit_arc,
    fit_circle_2d,
    fit_plane,
    fit_sphere,
    hull_2d,
    in_polygon,
    smallest_rectangle,
    voxel_centers,
    wrap,
    yaw_rotation,
)
from embodied_agent.perception.localize import localize
from embodied_agent.perception.synthetic import Solid, render
from embodied_agent.types import Joint, Pose

angles = st.floats(-3.1, 3.1)
lengths = st.floats(0.02, 0.3)
places = st.floats(-1.0, 1.0)


@given(angles, lengths, lengths, places, places)
def test_the_smallest_rectangle_is_the_rectangle_itself(
    yaw: float, a: float, b: float, x: float, y: float
) -> None:
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (a / 2, b / 2)
    points = corners @ yaw_rotation(yaw)[:2, :2].T + (x, y)
    found = smallest_rectangle(points)
    assert np.allclose(found.center, (x, y), atol=1e-4)
    assert np.allclose(np.sort(found.size), np.sort([a, b]), atol=2e-4)


@given(st.lists(st.tuples(places, places), min_size=3, max_size=40))
def test_a_hull_holds_all_its_points(points: list[tuple[float, float]]) -> None:
    cloud = np.array(points)
    hull = hull_2d(cloud)
    if len(hull) >= 3:
        assert in_polygon(cloud, hull, 1e-6).all()


@given(places, places, st.floats(0.02, 0.3), st.floats(1.0, 6.0))
def test_a_circle_is_found_from_a_part_of_it(x: float, y: float, radius: float, arc: float) -> None:
    turn = np.linspace(0.0, arc, 30)
    center, found, error = fit_circle_2d(
        np.array([x, y]) + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    )
    assert np.allclose(center, (x, y), atol=1e-6)
    assert abs(found - radius) < 1e-6
    assert error < 1e-6


@given(places, places, places, st.floats(0.02, 0.1), st.integers(0, 1000))
def test_a_sphere_is_found_from_its_upper_half(x: float, y: float, z: float, radius: float, seed: int) -> None:
    way = np.random.default_rng(seed).normal(size=(200, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    way[:, 2] = np.abs(way[:, 2])
    center, found, _ = fit_sphere(np.array([x, y, z]) + radius * way)
    assert np.allclose(center, (x, y, z), atol=1e-6)
    assert abs(found - radius) < 1e-6


@given(angles, places, st.integers(0, 1000))
def test_a_plane_is_found_despite_a_tenth_of_strays(yaw: float, offset: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    normal = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    along = np.array([-normal[1], normal[0], 0.0])
    flat = generator.uniform(-0.1, 0.1, (300, 2))
    points = normal * offset + flat[:, :1] * along + flat[:, 1:] * (0.0, 0.0, 1.0)
    points[:30] += normal * generator.uniform(0.02, 0.05, (30, 1))
    plane = fit_plane(points)
    assert abs(plane.normal @ normal) > 0.999
    assert np.abs(plane.distance(points[30:])).max() < 0.003


@given(angles, angles)
def test_wrapped_angles_mean_the_same(a: float, turns: float) -> None:
    wrapped = wrap(a + 2 * np.pi * round(turns))
    assert -np.pi < wrapped <= np.pi
    assert abs(np.exp(1j * wrapped) - np.exp(1j * a)) < 1e-9


@given(st.integers(1, 400), st.floats(0.005, 0.1), st.integers(0, 1000))
def test_voxel_centres_are_few_and_near(count: int, voxel: float, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-0.5, 0.5, (count, 3))
    centers = voxel_centers(points, voxel)
    assert 1 <= len(centers) <= count
    nearest = np.linalg.norm(points[:, None] - centers[None], axis=2).min(axis=1)
    assert nearest.max() <= voxel * np.sqrt(3) + 1e-9


@given(st.floats(0.1, 0.6), st.floats(0.3, 2.0), angles, st.sampled_from([1.0, -1.0]))
def test_an_arc_about_any_hinge_is_followed_on(radius: float, swing: float, begin: float, way: float) -> None:
    turn = begin + way * np.linspace(0.0, swing, 12)
    origin = np.array([0.6, 0.1, 0.2])
    points = origin + radius * np.stack([np.cos(turn), np.sin(turn), np.zeros(12)], axis=1)
    fit = fit_arc(points, np.array([0.0, 0.0, 1.0]))
    assert abs(fit.radius - radius) < 1e-6
    assert fit.axis[2] * way > 0.99
    joint = Joint("revolute", fit.origin, fit.axis, 2.0, 1.0)
    back = articulation.path(joint, Pose(points[-1]), -swing)[-1]
    assert np.allclose(back.position, points[0], atol=1e-6)


@settings(max_examples=12, deadline=None)
@given(
    st.floats(0.3, 0.65),
    st.floats(-0.3, 0.3),
    st.floats(0.03, 0.12),
    st.floats(0.03, 0.12),
    st.floats(0.02, 0.15),
    angles,
)
def test_any_box_on_the_table_is_measured_within_millimetres(
    x: float, y: float, a: float, b: float, height: float, yaw: float
) -> None:
    frame, detections = render([Solid("cube", "box", (a, b, height), (x, y, height / 2), yaw, "red")])
    item = localize(detections[0], frame)
    assert np.linalg.norm(item.position - (x, y, height / 2)) < 0.004
    assert np.abs(np.sort(item.extent[:2]) - np.sort([a, b])).max() < 0.008
    assert abs(item.extent[2] - height) < 0.003
