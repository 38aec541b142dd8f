"""What the detector misses is found by comparing with the look before the hand took something."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from embodied_agent.perception.relations import is_inside, is_on
from embodied_agent.perception.scene import Scene
from embodied_agent.perception.synthetic import Solid, SyntheticGrounder, moved, render
from embodied_agent.types import Detection, Frame, Object, Pose

CUBE = Solid("cube", "box", (0.04, 0.04, 0.04), (0.45, 0.2, 0.02), 0.0, "red")
BASE = Solid("cube", "box", (0.06, 0.06, 0.06), (0.5, -0.15, 0.03), 0.0, "blue")
BIN = Solid("bin", "tube", (0.16, 0.16, 0.08), (0.5, -0.15, 0.04), 0.0, "yellow")
IN_BIN = (0.5, -0.15, 0.026)
ON_BASE = (0.5, -0.15, 0.08)
Misread = Callable[[list[Detection]], list[Detection]]


class Forgetful(SyntheticGrounder):
    """A detector that can be told to misread what it sees."""

    misread: Misread = staticmethod(lambda detections: detections)

    def detect(self, frame: Frame) -> list[Detection]:
        return self.misread(super().detect(frame))


class World:
    """Solids, and a scene that looked at them once and saw the hand take the red cube."""

    def __init__(self, *solids: Solid) -> None:
        self.grounder = Forgetful()
        self.scene = Scene(self.grounder)
        self.stamp = 0.0
        self.look(*solids)
        (self.cube,) = [o for o in self.scene.objects if o.color == "red"]
        (self.other,) = [o for o in self.scene.objects if o.color != "red"]
        self.scene.taken(self.cube.id)

    def look(self, *solids: Solid) -> None:
        self.stamp += 1.0
        self.scene.look(self.grounder.tell(render(solids, stamp=self.stamp)))

    def put(self, place: tuple[float, float, float], misread: Misread, *solids: Solid) -> Object:
        """The cube as known after it was let go at a place and the camera looked."""
        self.grounder.misread = misread
        self.scene.carried(self.cube.id, Pose(np.array(place)))
        self.look(*solids)
        item = self.scene.get(self.cube.id)
        assert item is not None
        return item


def without_red(detections: list[Detection]) -> list[Detection]:
    return [d for d in detections if d.color != "red"]


def called(kind: str) -> Misread:
    return lambda found: [replace(d, kind=kind, color="white") if d.color == "red" else d for d in found]


def all_in_one(detections: list[Detection]) -> list[Detection]:
    """A tower seen as one cube with the name of its top."""
    (top,) = [d for d in detections if d.color == "red"]
    return [replace(top, mask=np.logical_or.reduce([d.mask for d in detections]))]


def test_a_thing_that_the_detector_misses_in_a_bin_is_measured_where_it_appeared() -> None:
    world = World(CUBE, BIN)
    item = world.put((0.5, -0.15, 0.04), without_red, moved(CUBE, position=IN_BIN), BIN)
    assert item.stamp == world.stamp and world.scene.is_visible(item.id)
    assert np.linalg.norm(item.position[:2] - IN_BIN[:2]) < 0.01
    assert is_inside(item, world.scene.get(world.other.id) or item, now=world.stamp).value


def test_a_thing_that_fell_beside_the_bin_is_not_said_to_be_in_it() -> None:
    world = World(CUBE, BIN)
    item = world.put((0.5, -0.15, 0.04), without_red, moved(CUBE, position=(0.5, 0.05, 0.02)), BIN)
    assert item.stamp < world.stamp and not world.scene.is_visible(item.id)
    assert not is_inside(item, world.other, now=world.stamp).ok


def test_what_lies_there_in_another_colour_is_not_it() -> None:
    world = World(CUBE, BIN)
    green = replace(moved(CUBE, position=IN_BIN), color="green")
    item = world.put((0.5, -0.15, 0.04), lambda found: [d for d in found if d.kind == "bin"], green, BIN)
    assert item.stamp < world.stamp


def test_a_thing_that_is_called_otherwise_where_it_was_put_keeps_its_name() -> None:
    world = World(CUBE, BIN)
    item = world.put((0.5, -0.15, 0.06), called("lemon"), moved(CUBE, position=IN_BIN), BIN)
    assert (item.kind, item.color) == ("cube", "red") and item.stamp == world.stamp
    assert [o.kind for o in world.scene.visible].count("lemon") == 0


def test_a_tower_that_is_seen_as_one_thing_is_two() -> None:
    world = World(CUBE, BASE)
    top = world.put(ON_BASE, all_in_one, moved(CUBE, position=ON_BASE), BASE)
    base = world.scene.get(world.other.id)
    assert base is not None and base.stamp == top.stamp == world.stamp
    assert abs(base.extent[2] - 0.06) < 0.004 and abs(top.position[2] - 0.08) < 0.005
    assert is_on(top, base, now=world.stamp).value


def half_of_the_base(detections: list[Detection]) -> list[Detection]:
    """A tower of which the top has taken most of the base."""
    (top,) = [d for d in detections if d.color == "red"]
    (base,) = [d for d in detections if d.color == "blue"]
    rows = np.arange(len(base.mask))[:, None] > np.nonzero(base.mask)[0].max() - 12
    return [replace(top, mask=top.mask | (base.mask & ~rows)), replace(base, mask=base.mask & rows)]


def test_a_thing_that_seems_larger_than_it_is_has_swallowed_another() -> None:
    world = World(CUBE, BASE)
    top = world.put(ON_BASE, half_of_the_base, moved(CUBE, position=ON_BASE), BASE)
    base = world.scene.get(world.other.id)
    assert base is not None and base.stamp == top.stamp == world.stamp
    assert abs(top.extent[2] - 0.04) < 0.006 and is_on(top, base, now=world.stamp).value


def test_an_empty_bin_shows_nothing_new() -> None:
    world = World(CUBE, BIN)
    item = world.put((0.5, -0.15, 0.04), lambda found: found, BIN)
    assert item.stamp < world.stamp


def test_what_was_moved_away_did_not_stay() -> None:
    world = World(CUBE, BASE)
    world.put((0.3, -0.3, 0.02), lambda found: [], moved(CUBE, position=(0.3, -0.3, 0.02)))
    base = world.scene.get(world.other.id)
    assert base is not None and base.stamp < world.stamp and not world.scene.is_visible(base.id)


def test_two_things_that_are_missed_side_by_side_keep_their_own_places() -> None:
    """What came last, and shows more of itself, is not taken for what lay there before."""
    small = Solid("cylinder", "cylinder", (0.036, 0.036, 0.03), (0.35, 0.0, 0.015), 0.0, "red")
    in_bin, beside = moved(small, position=(0.485, -0.15, 0.021)), (0.53, -0.15, 0.026)
    grounder = Forgetful()
    scene = Scene(grounder)
    scene.look(grounder.tell(render((CUBE, small, BIN), stamp=1.0)))
    cube, other = (next(o for o in scene.objects if o.kind == kind) for kind in ("cube", "cylinder"))
    scene.taken(other.id)
    scene.carried(other.id, Pose(np.array(in_bin.position)))
    scene.look(grounder.tell(render((CUBE, in_bin, BIN), stamp=2.0)))  # this time it is seen
    scene.taken(cube.id)
    scene.carried(cube.id, Pose(np.array(beside)))
    grounder.misread = without_red
    scene.look(grounder.tell(render((moved(CUBE, position=beside), in_bin, BIN), stamp=3.0)))
    for id, place in ((other.id, in_bin.position), (cube.id, beside)):
        item = scene.get(id)
        assert item is not None and item.stamp == 3.0 and scene.is_visible(id)
        assert np.linalg.norm(item.position[:2] - place[:2]) < 0.015
