"""Memory of what the cameras saw: objects with lasting ids, the table, and obstacles.

One `Scene` lives as long as a run. It is told of every frame (`look`) and answers from
measurements only; what it could not see it says it could not see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from embodied_agent.perception import cloud as clouds
from embodied_agent.perception.appeared import made_way, missed
from embodied_agent.perception.borders import parted
from embodied_agent.perception.geometry import Plane, voxel_centers
from embodied_agent.perception.grounder import ROBOT, SURROUNDINGS, Grounder
from embodied_agent.perception.handles import unnamed_handles
from embodied_agent.perception.localize import (
    CONTAINERS,
    FIXED,
    FURNITURE,
    HANDLES,
    MIN_PIXELS,
    PANELS,
    ROLLING,
    SPHERES,
    NoDepth,
    boxed,
    localize,
)
from embodied_agent.perception.looks import (
    Look,
    empty_share,
    filled,
    in_box,
    partly_hidden,
    robot_mask,
    visible_obstacles,
)
from embodied_agent.perception.panels import split_drawer
from embodied_agent.perception.support import FLOATING, hangs, heights
from embodied_agent.perception.tracks import (
    FORGET_AFTER,
    Track,
    associate,
    has_swallowed,
    has_taken_in,
    kept_shape,
)
from embodied_agent.types import Array, Detection, Frame, Grounding, Object, Pose

LIT = frozenset({"button"})  # kinds with a lamp
EMPTY = "its place is empty"
VOXEL = 0.01  # [m] of obstacle points
SAME_MASK = 0.35  # intersection over union: a grounded mask is that tracked thing


class Scene:
    """Everything seen so far.

    Args:
        grounder: Gives pixels their names.
    """

    def __init__(self, grounder: Grounder) -> None:
        self.grounder = grounder
        self.table = Plane(np.array([0.0, 0.0, 1.0]), 0.0)
        self._tracks: dict[str, Track] = {}
        self._looks: dict[str, Look] = {}
        self._before: dict[str, Look] = {}
        self._numbers: Counter[str] = Counter()

    @property
    def objects(self) -> tuple[Object, ...]:
        """All things remembered, as last measured, seen now or not."""
        return tuple(track.item for track in self._tracks.values())

    @property
    def visible(self) -> tuple[Object, ...]:
        """The things that the newest look saw."""
        return tuple(track.item for track in self._tracks.values() if track.visible)

    def look(self, frame: Frame, robot_spheres: Array | None = None, still: bool = False) -> tuple[Object, ...]:
        """Take in one frame.

        Args:
            frame: RGB-D reading of any camera.
            robot_spheres: The robot's links where its joints say they are, (M, 4) as centre
                and radius [m]; readings in them are the robot.
            still: Nothing moved since the other cameras' newest frames, so that their views of
                the same thing may be joined.

        Returns:
            The objects seen in this frame.
        """
        detections = self.grounder.detect(frame)
        points = clouds.world_points(frame)
        robot = robot_mask(points, detections, robot_spheres)
        things = [d for d in detections if d.kind != ROBOT and d.kind not in SURROUNDINGS]
        self.table = clouds.table_plane(points, robot)
        movable = [d.kind not in FIXED for d in things]
        masks = parted([d.mask & ~robot for d in things], frame.rgb, points, movable)
        masks = clouds.snapped(masks, points, self.table.offset, robot)
        measured, kept = self._measure(frame, points, things, masks)
        while pieces := split_drawer(measured):
            first, second = (kept[k] for k in pieces)
            masks[first] = masks[first] | masks[second]
            del things[second], masks[second]
            measured, kept = self._measure(frame, points, things, masks)
        handles = unnamed_handles(measured, [masks[k] for k in kept], points, robot)
        if handles:  # nothing stands on a handle, so the others need no second measurement
            shapes = [handle.mask for handle in handles]
            more, those = self._measure(frame, points, handles, shapes)
            measured, kept = measured + more, kept + [len(things) + k for k in those]
            things, masks = things + handles, masks + shapes
        look = Look(frame, points, robot, {})
        found = self._compared(look, measured, [masks[k] for k in kept])
        if found:  # measured with the rest, since what stands below tells how far a thing reaches down
            things, masks = made_way(things, masks, found)
            measured, kept = self._measure(frame, points, things, masks)
        seen = self._track(measured, [masks[k] for k in kept], look, still)
        self._looks[frame.camera.name] = look
        self._judge_unseen(look, {item.id for item in seen})
        return seen

    def find(
        self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()
    ) -> tuple[tuple[Object, ...], Grounding]:
        """The measured things that a phrase means, best first, and the model's reading of it.

        Things whose depth cannot be read are left out, and those of another colour in earlier looks; `Grounding`
        still holds them.
        """
        look = self._looks.get(frame.camera.name)
        if look is None or look.frame is not frame:
            self.look(frame)
            look = self._looks[frame.camera.name]
        grounding = self.grounder.ground(frame, phrase, points)
        found: list[Object] = []
        for detection in grounding.detections:
            item = self._matching(look, detection) or self._newly_measured(look, detection)
            if item is None or _only_seems(detection, item, phrase):
                continue
            if item.id not in {other.id for other in found}:
                track = self._tracks[item.id]
                track.item = replace(item, description=phrase)
                found.append(track.item)
        return tuple(found), grounding

    def leave(self, held: Iterable[str]) -> None:
        """Forget all but the things with these ids: the cameras are elsewhere now."""
        self._tracks = {id: self._tracks[id] for id in held if id in self._tracks}
        for track in self._tracks.values():
            track.views.clear()
            track.before = {}
        self._looks, self._before = {}, {}

    def taken(self, id: str) -> None:
        """The hand took a thing: what the cameras saw until now tells later what appeared elsewhere."""
        track = self._tracks.get(id)
        if track is not None and track.item.kind not in FIXED:
            track.before = self._before = dict(self._looks)

    def carried(self, id: str, pose: Pose) -> None:
        """Expect a thing where the hand let go of it; when it is seen there, it keeps its id.

        Args:
            id: Of the thing.
            pose: Of its centre [m]; nothing is claimed to be measured there.
        """
        track = self._tracks.get(id)
        if track is not None:
            move = pose @ track.item.pose.inverse()
            track.item = replace(track.item, pose=pose, cloud=move.apply(track.item.cloud))
            track.views.clear()

    def drop_view(self, camera: str) -> None:
        """Forget what a camera sees as obstacles, before it moves on; measured things stay."""
        self._looks.pop(camera, None)

    def get(self, id: str) -> Object | None:
        """A remembered thing as last measured, or None."""
        track = self._tracks.get(id)
        return track.item if track else None

    def first(self, id: str) -> Object | None:
        """A remembered thing as first measured (the rest position of a part), or None."""
        track = self._tracks.get(id)
        return track.first if track else None

    def is_visible(self, id: str) -> bool:
        """Whether the newest look at its place saw it."""
        track = self._tracks.get(id)
        return bool(track and track.visible)

    def why_unseen(self, id: str) -> str:
        """Why a thing is not visible, one clause; "" if it is."""
        track = self._tracks.get(id)
        return track.why if track else "it was never seen"

    def change_of_color(self, id: str) -> float | None:
        """Largest share of a thing's pixels that took on a colour it did not show at first.

        A lamp that went on shows here. None for kinds without a lamp.
        """
        track = self._tracks.get(id)
        if track is None or track.first_colors is None or track.colors is None:
            return None
        return float(np.maximum(track.colors - track.first_colors, 0.0).sum())

    def object_at(self, pixel: tuple[float, float], camera: str = "overhead") -> Object | None:
        """The thing at a pixel (x, y) of a camera's newest frame, within 8 px, or None."""
        look = self._looks.get(camera)
        if look is None:
            return None
        best, nearest = None, 8.0
        for id, mask in look.masks.items():
            rows, columns = mask.nonzero()
            if len(rows) == 0:
                continue
            distance = float(np.sqrt(((columns - pixel[0]) ** 2 + (rows - pixel[1]) ** 2).min()))
            if distance < nearest:
                best, nearest = id, distance
        return self.get(best) if best else None

    def surface_at(self, pixel: tuple[float, float], camera: str = "overhead") -> Pose | None:
        """The surface point at a pixel (x, y), z up, or None where depth cannot be read."""
        look = self._looks.get(camera)
        if look is None:
            return None
        column, row = round(pixel[0]), round(pixel[1])
        patch = look.points[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4].reshape(-1, 3)
        patch = patch[np.isfinite(patch[:, 2])]
        return Pose(np.median(patch.astype(np.float64), axis=0)) if len(patch) >= 5 else None

    def parts_of(self, kinds: Iterable[str]) -> tuple[Object, ...]:
        """Remembered things of these kinds."""
        wanted = frozenset(kinds)
        return tuple(item for item in self.objects if item.kind in wanted)

    def obstacle_points(self, except_ids: Iterable[str] = (), voxel: float = VOXEL) -> Array:
        """Where the arm must not go, as points (N, 3) [m], one per voxel.

        Everything measured above the table in the newest frame of each camera, but the robot
        and the things excepted; solid things are filled down to where they stand, and things
        that are hidden now stay where they were last seen.
        """
        out = set(except_ids)
        gathered = [visible_obstacles(look, out, self.table) for look in self._looks.values()]
        for id, track in self._tracks.items():
            if id in out:
                continue
            if not track.visible and track.misses == 0:
                gathered.append(voxel_centers(track.item.cloud, voxel))
            if track.item.kind not in FURNITURE | PANELS | HANDLES | CONTAINERS:
                gathered.append(filled(track.item, voxel))
        points = np.concatenate([np.zeros((0, 3)), *gathered])
        for id in out:  # other views and mixed border pixels of what is excepted
            known = self._tracks.get(id)
            if known is not None and known.item.kind not in FURNITURE:
                points = points[~in_box(points, known.item, 0.01)]
        return voxel_centers(points, voxel)

    def unexplained(self, camera: str = "overhead") -> list[Array]:
        """Clouds (n, 3) above the table that no detection names, largest first."""
        look = self._looks.get(camera)
        if look is None:
            return []
        points = visible_obstacles(look, set(look.masks), self.table)
        for track in self._tracks.values():
            points = points[~in_box(points, track.item, 0.015)]
        return clouds.clusters(voxel_centers(points, 0.006), gap=0.02, smallest=25)

    def fused(self, item: Object, frames: Iterable[Frame]) -> Object:
        """An object measured again from one surface fused out of several still views."""
        surface, _ = clouds.fuse(frames)
        near = surface[in_box(surface, item, 0.015)] if len(surface) else surface
        if len(near) < MIN_PIXELS:
            return item
        bottom = float(item.position[2] - item.extent[2] / 2)
        above = near[near[:, 2] > bottom + clouds.BORDER_LEAK]
        return boxed(replace(item, cloud=above if len(above) >= MIN_PIXELS else near), bottom)

    def _measure(
        self, frame: Frame, points: clouds.Points, things: list[Detection], masks: list[clouds.Mask]
    ) -> tuple[list[Object], list[int]]:
        items: list[Object] = []
        kept: list[int] = []
        for k, (detection, mask) in enumerate(zip(things, masks, strict=True)):
            try:
                items.append(localize(replace(detection, mask=mask), frame, support=self.table.offset))
            except NoDepth:
                continue
            kept.append(k)
        bottoms = heights(items, self.table.offset)
        for k, item in enumerate(items):
            low = float(np.percentile(item.cloud[:, 2], 2.0))
            spans = np.ptp(item.cloud, axis=0)
            lying = item.kind in ROLLING and spans[2] < 0.9 * spans[:2].max()
            under = float(item.cloud[:, 2].max()) - low if lying or item.kind in SPHERES else 0.0
            if item.kind in FIXED or low < bottoms[k] + FLOATING + under:
                continue  # of what is round below, the camera sees the upper half at least
            if hangs(points, masks[kept[k]], item, frame.camera.world_from_camera):
                bottoms[k] = low
        return [boxed(item, z) for item, z in zip(items, bottoms, strict=True)], kept

    def _compared(self, look: Look, items: list[Object], masks: list[clouds.Mask]) -> list[Detection]:
        """Things that no detection is, but an earlier look tells of."""
        if look.frame.camera.name not in self._before:
            return []
        matches = associate(list(self._tracks.values()), items)
        seen = {
            match.item.id: mask
            for match, item, mask in zip(matches, items, masks, strict=True)
            if match is not None and not has_swallowed(match.item, item)
        }
        return missed(list(self._tracks.values()), seen, self._before, look)

    def _track(self, items: list[Object], masks: list[clouds.Mask], look: Look, still: bool) -> tuple[Object, ...]:
        camera = look.frame.camera.name
        matches = associate(list(self._tracks.values()), items, look.masks)
        seen = []
        for item, mask, match in zip(items, masks, matches, strict=True):
            track = match or self._begin(item)
            others = [c for name, c in track.views.items() if name != camera] if still else []
            if match is not None and partly_hidden(match.item, item):
                item = replace(match.item, stamp=item.stamp, confidence=item.confidence)
            elif match is not None and has_taken_in(match.item, item, self._others(match, items, item)):
                item = kept_shape(match.item, item)
            elif others:
                bottom = float(item.position[2] - item.extent[2] / 2)
                item = boxed(replace(item, cloud=np.concatenate([item.cloud, *others])), bottom)
            elif not still:
                track.views.clear()
            track.accept(replace(item, description=track.item.description), camera)
            look.masks[track.item.id] = mask
            if item.kind in LIT and camera == next(iter(self._looks), camera):  # one camera's colours
                track.note_colors(look.frame.rgb[mask])
            seen.append(track.item)
        return tuple(seen)

    def _others(self, track: Track, items: list[Object], item: Object) -> list[Object]:
        """What else is there, by this look or as remembered."""
        seen = [other for other in items if other is not item]
        return seen + [other.item for other in self._tracks.values() if other is not track]

    def _begin(self, item: Object) -> Track:
        self._numbers[item.kind] += 1
        named = replace(item, id=f"{item.kind}-{self._numbers[item.kind]}", description=item.kind)
        track = Track(named, named)
        self._tracks[named.id] = track
        return track

    def _matching(self, look: Look, detection: Detection) -> Object | None:
        best, overlap = None, SAME_MASK
        for id, mask in look.masks.items():
            union = int((mask | detection.mask).sum())
            share = int((mask & detection.mask).sum()) / union if union else 0.0
            if share > overlap:
                best, overlap = id, share
        return self.get(best) if best else None

    def _newly_measured(self, look: Look, detection: Detection) -> Object | None:
        masked = replace(detection, mask=detection.mask & ~look.robot)
        measured, _ = self._measure(look.frame, look.points, [masked], [masked.mask])
        return self._track(measured, [masked.mask], look, still=False)[0] if measured else None

    def _judge_unseen(self, look: Look, seen: set[str]) -> None:
        """Say of each thing not seen whether it is hidden, or gone from where it was."""
        for id, track in list(self._tracks.items()):
            if id in seen:
                continue
            share, covered = empty_share(look, track.item)
            if covered < 0.5:
                continue  # outside this camera's view: it says nothing
            track.visible = False
            if share > 0.5 and track.item.kind not in FIXED:
                track.misses += 1
                track.why = EMPTY
            else:
                track.why = "something stands in front of it"
            if track.misses >= FORGET_AFTER:
                del self._tracks[id]


def _only_seems(detection: Detection, known: Object, phrase: str) -> bool:
    """Whether a thing is what is meant only by a colour that it was not read to have until now."""
    words = phrase.split()
    return known.color not in ("", detection.color, *words) and detection.color in words
