"""What the robot sees: newest images turned into measured things, for the primitives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from embodied_agent.perception.handles import handle_of
from embodied_agent.perception.scene import EMPTY, Scene
from embodied_agent.types import Array, Frame, Grounding, Object, Pose

if TYPE_CHECKING:
    from embodied_agent.perception.grounder import Grounder
    from embodied_agent.primitives.arm import Arm

BODIES = {"drawer": "cabinet", "drawer_handle": "cabinet", "door": "cupboard", "door_handle": "cupboard"}
HANDLES = ("drawer_handle", "door_handle")


class View:
    """The cameras, and the memory of what they saw.

    Args:
        arm: Whose cameras and joints these are.
        grounder: Names what the pixels show.
        fixed: Name of the fixed camera.
        seen: Called with every frame that was looked at, for the report.
        perceived: Called after each of them with all things known.
    """

    def __init__(
        self,
        arm: Arm,
        grounder: Grounder,
        fixed: str,
        seen: Callable[[Frame], None] | None = None,
        perceived: Callable[[tuple[Object, ...]], None] = lambda objects: None,
    ) -> None:
        self.arm = arm
        self.scene = Scene(grounder)
        self.fixed = fixed
        self._seen, self._perceived = seen, perceived
        self._frame: Frame | None = None
        self._motions = -1

    def look(self) -> Frame:
        """The newest frame of the fixed camera, taken in; the last one if nothing moved since."""
        if self._frame is None or self.arm.motions != self._motions:
            self._frame = self.arm.robot.capture(self.fixed)
            self._motions = self.arm.motions
            self.scene.look(self._frame, robot_spheres=self.arm.spheres())
            if self._seen is not None:
                self._seen(self._frame)
            self._perceived(self.scene.objects)
        return self._frame

    @property
    def eye(self) -> Array:
        """Where the fixed camera stands (3,) [m]; no new image is taken."""
        return (self._frame or self.look()).camera.world_from_camera.position

    @property
    def now(self) -> float:
        """Time of the newest look [s]; things measured earlier are not seen now."""
        return self.look().stamp

    def find(self, phrase: str) -> tuple[tuple[Object, ...], Grounding]:
        """The things that a phrase means in the newest image, and the model's reading of it."""
        frame = self.look()
        return self.scene.find(frame, phrase)

    def again(self, item: Object) -> Object | None:
        """A known thing as the newest image shows it; None if it is not seen there."""
        self.look()
        newest = self.fresh(item)
        return newest if newest.stamp >= self.now - 1e-6 and self.scene.get(item.id) is not None else None

    def fresh(self, item: Object) -> Object:
        """A known thing after the newest look; its stamp tells whether that look saw it.

        A thing that is only hidden now, and was measured after the robot last touched anything,
        is where it was.
        """
        self.look()
        known = self.known(item)
        hidden = known.stamp < self.now and self.scene.why_unseen(item.id) != EMPTY
        return replace(known, stamp=self.now) if hidden and known.stamp > self.arm.touched else known

    def look_with(self, camera: str) -> Frame:
        """One reading of a camera that moves with the arm, taken in; its view is not kept as obstacles."""
        frame, table = self.arm.robot.capture(camera), self.scene.table
        self.scene.look(frame, robot_spheres=self.arm.spheres())
        self.scene.table = table  # a near view may hold too little of it
        self.scene.drop_view(camera)
        if self._seen is not None:
            self._seen(frame)
        self._perceived(self.scene.objects)
        return frame

    def leave(self, held: Iterable[str]) -> None:
        """The robot went elsewhere: forget all but the things with these ids, which came along."""
        self.scene.leave(held)
        self._frame = None

    def known(self, item: Object) -> Object:
        """A known thing as last measured; no new image is taken."""
        return self.scene.get(item.id) or item

    def hidden(self, phrase: str) -> Object | None:
        """The only thing that was found by a phrase before and is hidden now, or None."""
        self.look()
        found = [x for x in self.scene.objects if x.description == phrase and x.stamp > self.arm.touched]
        hidden = [x for x in found if not self.scene.is_visible(x.id) and self.scene.why_unseen(x.id) != EMPTY]
        return hidden[0] if len(hidden) == 1 else None

    def first(self, item: Object) -> Object | None:
        """A known thing as first measured in this run."""
        return self.scene.first(item.id)

    def body_of(self, part: Object) -> Object | None:
        """The cabinet or cupboard that a drawer or door belongs to, if it was seen."""
        kind = BODIES.get(part.kind)
        bodies = [item for item in self.scene.objects if item.kind == kind]
        return min(bodies, key=lambda body: _apart(body, part), default=None)

    def handle_of(self, part: Object) -> Object | None:
        """The handle of a drawer or door as last seen."""
        if part.kind in HANDLES:
            return part
        return handle_of(part, self.scene.parts_of(HANDLES))

    def near(self, item: Object, radius: float = 0.25) -> list[Object]:
        """Other remembered things with their centres within `radius` [m] horizontally."""
        return [
            other
            for other in self.scene.objects
            if other.id != item.id and float(((other.position[:2] - item.position[:2]) ** 2).sum()) < radius**2
        ]

    def object_at(self, pixel: tuple[float, float]) -> Object | None:
        """The thing at a pixel of the fixed camera."""
        self.look()
        return self.scene.object_at(pixel, self.fixed)

    def surface_at(self, pixel: tuple[float, float]) -> Pose | None:
        """The surface point at a pixel of the fixed camera, z up."""
        self.look()
        return self.scene.surface_at(pixel, self.fixed)

    def obstacles(self, except_ids: Iterable[str] = ()) -> Array:
        """Where the arm must not go, as points (N, 3) [m] one per voxel, by the last look.

        No new image is taken: with the arm in the way it would show less than the last one.
        """
        if self._frame is None:
            self.look()
        return self.scene.obstacle_points(tuple(except_ids))


def _apart(a: Object, b: Object) -> float:
    return float(((a.position - b.position) ** 2).sum())
