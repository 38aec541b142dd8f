"""The model that comes with the package: its size, its speed, and that it looks before it writes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embodied_agent.errors import CommandRefused
from embodied_agent.library import library
from embodied_agent.mllm.model import BuiltinModel
from embodied_agent.mllm.weights import DIRECTORY
from embodied_agent.program.grammar import lark
from embodied_agent.program.parse import parse
from embodied_agent.types import Command, Frame
from sim.scene import ObjectSpec, Scene

GRAMMAR = lark(library().for_planner)


def photograph(*objects: ObjectSpec) -> Frame:
    """What the fixed camera sees of these objects."""
    from sim.render import rendering
    from sim.world import build_world

    scene = Scene(objects=objects)
    world = build_world(scene, None)
    data = world.start()
    with rendering(world.model) as renderer:
        rgb, depth = renderer.picture(data, "overhead", 640, 480)
        camera = renderer.camera(data, "overhead", 640, 480)
    return Frame(rgb, depth, camera, 0.0)


@pytest.fixture(scope="module")
def model() -> BuiltinModel:
    return BuiltinModel.load()


@pytest.fixture(scope="module")
def frame() -> Iterator[Frame]:
    yield photograph(
        ObjectSpec("cube", "red", position=(0.45, 0.15)),
        ObjectSpec("bowl", "blue", position=(0.5, -0.12)),
        ObjectSpec("banana", "yellow", position=(0.6, 0.05)),
    )


def test_the_weights_keep_their_limits() -> None:
    sizes = [path.stat().st_size for path in Path(DIRECTORY).glob("*.safetensors")]
    assert sizes and max(sizes) <= 16e6 and sum(sizes) <= 64e6
    assert (DIRECTORY / "model_card.md").is_file()


def test_the_model_has_15_to_40_million_parameters(model: BuiltinModel) -> None:
    assert 15e6 <= sum(p.numel() for p in model.network.parameters()) <= 40e6


def test_a_mask_covers_its_thing_in_full_resolution(model: BuiltinModel, frame: Frame) -> None:
    grounding = model.ground(frame, "red cube")
    (detection,) = grounding.detections
    assert detection.mask.shape == frame.depth.shape
    pixel = frame.camera.project(np.array([[0.45, 0.15, 0.04]]))[0]
    assert detection.mask[round(pixel[1]), round(pixel[0])]
    assert grounding.point is not None
    assert detection.mask[round(grounding.point[1]), round(grounding.point[0])]


def test_things_are_named_by_kind_and_color(model: BuiltinModel, frame: Frame) -> None:
    named = {(detection.color, detection.kind) for detection in model.detect(frame)}
    assert {("red", "cube"), ("blue", "bowl"), ("yellow", "banana")} <= named


def test_things_are_named_without_depth(model: BuiltinModel, frame: Frame) -> None:
    blind = replace(frame, depth=np.zeros_like(frame.depth))
    assert {"cube", "banana"} <= {detection.kind for detection in model.detect(blind)}


def test_two_that_fit_are_asked_about(model: BuiltinModel) -> None:
    twins = photograph(
        ObjectSpec("cube", "red", position=(0.45, 0.2)),
        ObjectSpec("cube", "red", position=(0.45, -0.2)),
        ObjectSpec("bowl", "blue", position=(0.6, 0.0)),
    )
    assert model.ground(twins, "red cube").ambiguous
    written = model.plan(Command("put the red cube in the bowl"), [twins], GRAMMAR)
    assert "ask(" in written.text and "pick(" not in written.text


def test_what_is_not_there_is_not_found(model: BuiltinModel, frame: Frame) -> None:
    assert model.ground(frame, "green bottle").detections == ()


def test_it_writes_the_program_of_a_plain_command(model: BuiltinModel, frame: Frame) -> None:
    written = model.plan(Command("put the red cube in the bowl"), [frame], GRAMMAR)
    program = parse(written.text)
    assert program is not None
    assert 'find("red cube")' in written.text and "inside=bowl" in written.text
    assert [g.words.split(" <")[0] for g in written.groundings] == ["red cube", "bowl"]


def test_a_command_about_an_absent_thing_is_declined(model: BuiltinModel, frame: Frame) -> None:
    written = model.plan(Command("pick up the green mug"), [frame], GRAMMAR)
    assert "refuse(" in written.text
    assert "pick(" not in written.text


def test_the_same_input_gives_the_same_program(model: BuiltinModel, frame: Frame) -> None:
    command = Command("please set the banana next to the red block")
    texts = {model.plan(command, [replace(frame, stamp=float(i))], GRAMMAR).text for i in range(2)}
    assert len(texts) == 1


def test_an_empty_command_is_refused(model: BuiltinModel, frame: Frame) -> None:
    with pytest.raises(CommandRefused, match="empty"):
        model.plan(Command("  \n "), [frame], GRAMMAR)


def test_a_hundred_thousand_characters_are_refused_quickly(model: BuiltinModel, frame: Frame) -> None:
    start = time.perf_counter()
    with pytest.raises(CommandRefused, match="word pieces"):
        model.plan(Command("put it there " * 8000), [frame], GRAMMAR)
    assert time.perf_counter() - start < 2.0


def test_a_command_without_a_picture_is_refused(model: BuiltinModel) -> None:
    with pytest.raises(CommandRefused, match="camera"):
        model.plan(Command("open the drawer"), [], GRAMMAR)


def test_masking_is_a_small_part_of_decoding(model: BuiltinModel, frame: Frame) -> None:
    written = model.plan(Command("stack the red cube on the blue bowl"), [frame], GRAMMAR)
    timings = written.timings
    assert timings["masking_s"] < 0.1 * (timings["decode_s"] + timings["ground_s"])
