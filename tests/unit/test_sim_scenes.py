"""Scenes: files that are refused with a reason, and drawing that repeats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_agent.errors import ConfigError
from sim.draw import ALL_PAIRS, draw_scene
from sim.placement import clearance, fixture_footprints, footprint, problems, rest_places
from sim.scene import FixtureSpec, ObjectSpec, Scene, load_scene, scene_names


def _refusal(tmp_path: Path, text: str) -> str:
    file = tmp_path / "scene.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_scene(file)
    message = str(caught.value)
    assert "\n" not in message and "scene.yaml" in message
    return message


@pytest.mark.parametrize("name", scene_names())
def test_scene_that_comes_along_loads(name: str) -> None:
    assert load_scene(name).name == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("objetcs: []", "did you mean 'objects'"),
        ("objects: [{kind: cub, color: red, position: [0.4, 0]}]", "did you mean 'cube'"),
        ("objects: [{kind: cube, color: rad, position: [0.4, 0]}]", "did you mean 'red'"),
        ("objects: [{kind: cube, color: red, size: big, position: [0.4, 0]}]", "small, large"),
        ("objects: [{kind: banana, color: blue, position: [0.4, 0]}]", "a banana is yellow, not blue"),
        ("objects: [{kind: cube, color: red, position: [0.4]}]", "[x, y]"),
        ("objects: [{kind: cube, color: red, position: [.nan, 0]}]", "finite"),
        ("objects: [{kind: cube, color: red}]", "has no position"),
        ("objects: [{kind: cube, color: red, position: [2, 0]}]", "out of reach: 2.00 m"),
        ("objects: [{kind: cube, color: red, position: [-0.4, 0]}]", "out of reach"),
        ("objects: [{kind: cube, color: red, inside: blue bowl}]", "unknown 'blue bowl'"),
        ("objects: [{kind: cube, color: red, inside: red cube}]", "carries itself"),
        ("objects: [{kind: cube, color: red, position: [0.4, 0], name: table}]", "reserved"),
        ("objects: [{kind: cube, color: red, position: [0.4, 0], on: a, inside: b}]", "not both"),
        ("fixtures: [{kind: cabinet, position: [0.8, 0], state: {top draw: 1}}]", "did you mean 'top drawer'"),
        ("fixtures: [{kind: cabinet, position: [0.8, 0], state: {top drawer: 2}}]", "outside 0 to 1"),
        ("fixtures: [{kind: knob, position: [0.4, 0]}, {kind: knob, position: [0.5, 0.2]}]", "at most one"),
        ("cameras: []", "no camera"),
        ("cameras: [{name: wrist}]", "belongs to the robot"),
        ("cameras: [{position: [0.5, 0, 0], target: [0.5, 0, 0]}]", "0.05 m apart"),
        ("table: {pattern: marble}", "plain, wood, stone"),
        ("light: {brightness: 3}", "outside 0 to 1"),
    ],
)
def test_impossible_scene_is_refused_with_its_reason(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in _refusal(tmp_path, text)


def test_overlap_is_refused_with_both_names(tmp_path: Path) -> None:
    text = """
objects:
  - {kind: cube, color: red, position: [0.4, 0.0]}
  - {kind: bowl, color: blue, position: [0.42, 0.02]}
"""
    message = _refusal(tmp_path, text)
    assert "'red cube'" in message and "'blue bowl'" in message and "overlap by" in message


def test_object_inside_a_fixture_is_refused(tmp_path: Path) -> None:
    text = """
fixtures: [{kind: cabinet, position: [0.7, 0]}]
objects: [{kind: can, color: red, position: [0.65, 0.0]}]
"""
    assert "the cabinet" in _refusal(tmp_path, text)


def test_too_large_for_its_container_is_refused(tmp_path: Path) -> None:
    text = """
objects:
  - {kind: mug, color: red, position: [0.4, 0.0]}
  - {kind: banana, color: yellow, inside: red mug}
"""
    assert "too large" in _refusal(tmp_path, text)


def test_equal_objects_get_different_names() -> None:
    scene = Scene(
        objects=(ObjectSpec("cube", "red", position=(0.4, 0)), ObjectSpec("cube", "red", position=(0.5, 0)))
    )
    assert [o.name for o in scene.objects] == ["red cube", "red cube 2"]


def test_carried_objects_follow_the_drawer() -> None:
    cube = ObjectSpec("cube", "red", inside="top drawer")
    closed = Scene(objects=(cube,), fixtures=(FixtureSpec("cabinet", (0.8, 0.0)),))
    opened = replace(closed, fixtures=(FixtureSpec("cabinet", (0.8, 0.0), state={"top drawer": 1.0}),))
    shift = rest_places(closed)["red cube"].x - rest_places(opened)["red cube"].x
    assert shift == pytest.approx(0.20)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), nested=st.sampled_from([0.0, 0.3]))
def test_same_seed_draws_the_same_possible_scene(seed: int, nested: float) -> None:
    scene = draw_scene(seed, nested=nested)
    assert scene == draw_scene(seed, nested=nested)
    assert problems(scene) == []
    assert 2 <= len(scene.objects) <= 8


def test_other_seed_draws_another_scene() -> None:
    assert len({draw_scene(seed).objects for seed in range(20)}) == 20


def test_fingers_fit_between_drawn_objects() -> None:
    for seed in range(30):
        scene = draw_scene(seed)
        areas = [footprint(o, *o.position[:2], o.yaw) for o in scene.objects]  # type: ignore[call-arg]
        gaps = [clearance(a, b) for i, a in enumerate(areas) for b in areas[:i]]
        assert min(gaps, default=1.0) > 0.034


def test_drawers_have_room_to_open() -> None:
    for seed in range(30):
        scene = draw_scene(seed, fixtures=["cabinet"])
        swept = fixture_footprints(scene.fixtures[0], sweep=True)
        for spec in scene.objects:
            area = footprint(spec, spec.position[0], spec.position[1], spec.yaw)
            assert min(clearance(area, s) for s in swept) > 0.0


def test_drawing_keeps_to_the_allowed_pairs_and_what_is_required() -> None:
    pairs = [("cube", "red"), ("lemon", "yellow")]
    wanted = ObjectSpec("bowl", "blue", "large")
    for seed in range(20):
        scene = draw_scene(seed, pairs=pairs, required=[wanted], count=(3, 5), fixtures=["cupboard", "button"])
        assert scene.objects[0].kind == "bowl" and len(scene.objects) >= 3
        assert {(o.kind, o.color) for o in scene.objects[1:]} <= set(pairs)
        assert {f.kind for f in scene.fixtures} == {"cupboard", "button"}


def test_impossible_demand_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        draw_scene(0, required=[ObjectSpec("plate", "red", "large")] * 24)


def test_every_pair_makes_sense() -> None:
    assert ("banana", "blue") not in ALL_PAIRS and ("apple", "green") in ALL_PAIRS
    assert len(ALL_PAIRS) == 10 * 8 + 1 + 2 + 1
