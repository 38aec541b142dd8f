"""The scene remembers what it saw, keeps identities, and says what it cannot see."""

from dataclasses import replace

import numpy as np
import pytest

from embodied_agent.perception.grounder import Grounder
from embodied_agent.perception.scene import Scene
from embodied_agent.perception.synthetic import Solid, SyntheticGrounder, looking_at, moved, render
from embodied_agent.perception.tracks import FORGET_AFTER, Track, associate
from embodied_agent.types import Detection, Object

CUBE = Solid("cube", "box", (0.04, 0.04, 0.04), (0.45, 0.1, 0.02), 0.4, "red")
BASE = Solid("cube", "box", (0.06, 0.06, 0.06), (0.55, -0.1, 0.03), 1.2, "blue")
BOWL = Solid("bowl", "tube", (0.17, 0.17, 0.055), (0.6, 0.15, 0.0275), 0.0, "blue")


class World:
    """Solids, a clock and a scene that looks at them."""

    def __init__(self, *solids: Solid) -> None:
        self.grounder = SyntheticGrounder()
        self.scene = Scene(self.grounder)
        self.stamp = 0.0
        self.look(*solids)

    def look(self, *solids: Solid, **options: object) -> tuple[Object, ...]:
        self.stamp += 1.0
        spheres = options.pop("robot_spheres", None)
        frame = self.grounder.tell(render(solids, stamp=self.stamp, **options))  # type: ignore[arg-type]
        return self.scene.look(frame, spheres)  # type: ignore[arg-type]

    def one(self, kind: str, color: str = "") -> Object:
        (item,) = [o for o in self.scene.objects if o.kind == kind and color in ("", o.color)]
        return item


def test_the_synthetic_grounder_keeps_the_protocol() -> None:
    assert isinstance(SyntheticGrounder(), Grounder)


def test_a_thing_keeps_its_id_when_it_is_carried_elsewhere() -> None:
    world = World(CUBE, BASE)
    before = world.one("cube", "red")
    world.look(moved(CUBE, position=(0.3, -0.3, 0.02)), BASE)
    after = world.one("cube", "red")
    assert after.id == before.id
    assert np.linalg.norm(after.position - (0.3, -0.3, 0.02)) < 0.003


def test_two_alike_things_keep_their_ids_when_one_moves() -> None:
    other = moved(CUBE, position=(0.6, -0.2, 0.02))
    world = World(CUBE, other)
    ids = {round(float(o.position[1]), 1): o.id for o in world.scene.objects}
    world.look(moved(CUBE, position=(0.35, 0.25, 0.02)), other)
    now = {o.id: o for o in world.scene.objects}
    assert len(now) == 2
    assert abs(now[ids[-0.2]].position[1] + 0.2) < 0.01
    assert abs(now[ids[0.1]].position[1] - 0.25) < 0.01


def test_what_this_look_has_seen_is_not_what_is_found_elsewhere_in_it() -> None:
    seen = World(CUBE).one("cube")
    other = World(moved(CUBE, position=(0.3, -0.3, 0.02))).one("cube")
    known = Track(seen, seen)
    assert associate([known], [other]) == [known]  # carried there since
    assert associate([known], [other], here={seen.id}) == [None]
    assert associate([known], [seen], here={seen.id}) == [known]


def test_a_thing_on_another_begins_at_its_top() -> None:
    world = World(BASE, moved(CUBE, position=(0.55, -0.1, 0.08)))
    item = world.one("cube", "red")
    assert abs(item.position[2] - 0.08) < 0.003
    assert abs(item.extent[2] - 0.04) < 0.004


def test_a_ball_in_a_bowl_begins_at_the_bowls_floor() -> None:
    ball = Solid("ball", "sphere", (0.06, 0.06, 0.06), (0.6, 0.15, 0.036), 0.0, "red")
    world = World(BOWL, ball)
    assert abs(world.one("ball").position[2] - 0.036) < 0.004
    assert abs(world.one("bowl").extent[2] - 0.055) < 0.003


def test_a_thing_held_in_the_air_is_not_drawn_down_to_the_table() -> None:
    world = World(moved(CUBE, position=(0.5, 0.0, 0.3)))
    item = world.one("cube")
    assert abs(item.position[2] - 0.3) < 0.004
    assert abs(item.extent[2] - 0.04) < 0.006


def test_a_hidden_thing_is_remembered_and_said_to_be_hidden() -> None:
    world = World(CUBE, BASE)
    wall = Solid("box", "box", (0.02, 0.3, 0.3), (0.36, 0.1, 0.15), 0.0, "green")
    world.look(CUBE, BASE, wall)
    item = world.one("cube", "red")
    assert not world.scene.is_visible(item.id)
    assert "front" in world.scene.why_unseen(item.id)
    assert item.stamp == 1.0


def test_a_thing_that_was_taken_away_is_forgotten_after_some_looks() -> None:
    world = World(CUBE, BASE)
    for _ in range(FORGET_AFTER - 1):
        world.look(BASE)
        assert "empty" in world.scene.why_unseen("cube-1")
    world.look(BASE)
    assert world.scene.get("cube-1") is None


def test_find_returns_the_tracked_object_with_its_description() -> None:
    world = World(CUBE, BASE)
    frame = world.scene._looks["overhead"].frame
    found, grounding = world.scene.find(frame, "red cube")
    assert [item.description for item in found] == ["red cube"]
    assert found[0].id == world.one("cube", "red").id
    assert not grounding.ambiguous
    assert world.scene.find(frame, "cube")[1].ambiguous
    assert world.scene.find(frame, "mug")[0] == ()


def test_a_pixel_names_the_thing_and_the_surface_under_it() -> None:
    world = World(CUBE, BASE)
    camera = world.scene._looks["overhead"].frame.camera
    x, y = camera.project(np.array([0.45, 0.1, 0.04]))[0]
    item = world.scene.object_at((x, y))
    assert item is not None
    assert item.color == "red"
    spot = world.scene.surface_at((x, y))
    assert spot is not None
    assert abs(spot.position[2] - 0.04) < 0.003
    assert world.scene.object_at((5.0, 5.0)) is None


def test_obstacles_hold_all_things_but_the_excepted_and_the_robot() -> None:
    world = World(CUBE, BASE)
    world.look(CUBE, BASE, robot_spheres=np.array([[0.55, -0.1, 0.03, 0.06]]))
    near = world.scene.obstacle_points()
    assert (np.linalg.norm(near[:, :2] - (0.45, 0.1), axis=1) < 0.04).any()
    out = world.scene.obstacle_points(except_ids={world.one("cube", "red").id})
    assert not (np.linalg.norm(out[:, :2] - (0.45, 0.1), axis=1) < 0.04).any()
    assert len(out) > 50  # the cube under the robot's link is remembered
    assert (np.linalg.norm(out[:, :2] - (0.55, -0.1), axis=1) < 0.05).all()  # and nothing of the table
    assert out[:, 2].min() > 0.0


def test_obstacles_reach_down_where_the_camera_cannot_see() -> None:
    world = World(moved(BASE, position=(0.5, 0.0, 0.03)))
    points = world.scene.obstacle_points()
    far_side = points[(points[:, 0] > 0.515) & (points[:, 2] < 0.03)]
    assert len(far_side) > 5


def test_what_no_detection_names_is_reported_as_a_cluster() -> None:
    world = World(CUBE)
    frame, detections = render([CUBE, BASE], stamp=9.0)
    named: list[Detection] = [d for d in detections if d.color == "red"]
    world.scene.look(world.grounder.tell((frame, named)))
    clusters = world.scene.unexplained()
    assert len(clusters) == 1
    assert np.linalg.norm(clusters[0].mean(axis=0)[:2] - (0.55, -0.1)) < 0.02


def test_a_second_view_of_a_still_scene_completes_the_cloud() -> None:
    can = Solid("can", "cylinder", (0.066, 0.066, 0.115), (0.5, 0.0, 0.0575), 0.0, "red")
    world = World(can)
    before = world.one("can")
    far = looking_at((1.05, 0.0, 0.6), (0.5, 0.0, 0.03), "wrist")
    frame = world.grounder.tell(render([can], far, stamp=1.5))
    world.scene.look(frame, still=True)
    after = world.one("can")
    assert after.id == before.id
    assert after.cloud[:, 0].max() > 0.53
    assert (after.cloud[:, 0] > 0.52).sum() > (before.cloud[:, 0] > 0.52).sum()
    assert np.linalg.norm(after.position - (0.5, 0.0, 0.0575)) < 0.003


@pytest.mark.parametrize("wrong", ["apple", "ball"])
def test_one_misnamed_look_does_not_rename_a_thing(wrong: str) -> None:
    world = World(CUBE)
    world.look(CUBE)
    frame, detections = render([CUBE], stamp=5.0)
    misread = [Detection(d.mask, wrong, d.color, 0.4) for d in detections]
    world.scene.look(world.grounder.tell((frame, misread)))
    assert [o.kind for o in world.scene.objects] == ["cube"]


def test_a_thing_is_not_meant_by_a_colour_that_it_only_seems_to_have_now() -> None:
    world = World(CUBE)
    world.look(CUBE)
    frame, detections = render([CUBE], stamp=5.0)
    misread = [Detection(d.mask, d.kind, "purple", 0.4) for d in detections]
    world.grounder.tell((frame, misread))
    world.scene.look(frame)
    assert world.scene.find(frame, "purple cube")[0] == ()
    assert [item.color for item in world.scene.find(frame, "cube")[0]] == ["red"]
    only = World()  # read so from the first look on
    frame, _ = render([CUBE], stamp=1.0)
    only.grounder.tell((frame, misread))
    assert [item.color for item in only.scene.find(frame, "purple cube")[0]] == ["purple"]


@pytest.mark.parametrize("radius", [0.02, 0.031, 0.037])
def test_a_ball_on_the_table_is_not_taken_for_hanging(radius: float) -> None:
    world = World(Solid("ball", "sphere", (2 * radius,) * 3, (0.33, 0.136, radius), 0.0, "blue"))
    assert abs(world.one("ball").position[2] - radius) < 0.003


def test_a_lamp_that_goes_on_changes_the_colours_of_a_thing() -> None:
    cap = Solid("button", "cylinder", (0.05, 0.05, 0.04), (0.5, 0.0, 0.02), 0.0, "red", "b")
    ring = Solid("button", "cylinder", (0.07, 0.07, 0.02), (0.5, 0.0, 0.01), 0.0, "red", "b")
    world = World(cap, ring)
    world.look(cap, ring)
    assert world.scene.change_of_color("button-1") == 0.0
    frame, detections = render([cap, ring], stamp=7.0)
    rgb = frame.rgb.copy()
    rows, columns = detections[0].mask.nonzero()
    rgb[rows[::10], columns[::10]] = (90, 250, 110)
    world.scene.look(world.grounder.tell((replace(frame, rgb=rgb), detections)))
    change = world.scene.change_of_color("button-1")
    assert change is not None
    assert 0.05 < change < 0.15


@pytest.mark.parametrize("shift", [(0, 4), (4, 0), (-3, -3)])
def test_a_mask_a_few_pixels_off_is_moved_onto_the_edges_in_depth(shift: tuple[int, int]) -> None:
    grounder = SyntheticGrounder()
    frame, detections = render([CUBE, BASE], stamp=1.0, noise=0.001)
    off = [Detection(np.roll(d.mask, shift, (0, 1)), d.kind, d.color, d.score) for d in detections]
    found = Scene(grounder).look(grounder.tell((frame, off)))
    places = {item.color: item.position for item in found}
    assert np.linalg.norm(places["red"] - CUBE.position) < 0.004
    assert np.linalg.norm(places["blue"] - BASE.position) < 0.004


def test_a_bowl_that_seems_to_grow_where_something_was_put_keeps_its_shape() -> None:
    cube = moved(CUBE, position=(0.6, 0.15, 0.026))
    world = World(BOWL, CUBE)
    before = world.one("bowl")
    world.look(replace(BOWL, size=(0.2, 0.2, 0.08), position=(0.61, 0.15, 0.04)), cube)
    after = world.one("bowl")
    assert np.allclose(after.extent, before.extent)
    assert np.allclose(after.position, before.position)
    assert after.stamp > before.stamp


def test_a_thing_that_is_seen_whole_for_the_first_time_may_grow() -> None:
    world = World(replace(BOWL, size=(0.12, 0.12, 0.04), position=(0.6, 0.15, 0.02)), CUBE)
    world.look(BOWL, CUBE)
    assert world.one("bowl").extent[0] > 0.15


def test_what_was_carried_elsewhere_and_now_seems_joined_to_another_thing_keeps_its_size() -> None:
    world = World(CUBE, BASE)
    before = world.one("cube", "red")
    world.look(replace(CUBE, size=(0.07, 0.04, 0.04), position=(0.485, -0.1, 0.02), yaw=0.0), BASE)
    after = world.one("cube", "red")
    assert np.allclose(after.extent, before.extent)
    assert np.linalg.norm(after.position[:2] - (0.485, -0.1)) < 0.01
