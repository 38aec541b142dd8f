"""What the primitives of one run share: the arm, the view, the person's points, the unit's preferences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embodied_agent.perception.geometry import voxel_centers
from embodied_agent.perception.grasps import BEST, propose
from embodied_agent.perception.hand import Hand
from embodied_agent.primitives.far import Far
from embodied_agent.primitives.meanings import Meanings
from embodied_agent.types import Array, Command, Grasp, Object, Pose, Result

if TYPE_CHECKING:  # signatures are needed where no simulator is installed
    from embodied_agent.primitives.arm import Arm
    from embodied_agent.primitives.view import View

AVOIDED = 0.06  # [m] kept around what a unit says to stay away from
SAME_PLACE = 0.04  # [m] nearer than that, a new thing is one that was handled, seen anew
AVOIDED_VOXEL = 0.015  # [m] between the points of its widened shape
HELD = Result(value=False, evidence={"held": True})  # what is in the hand lies nowhere


@dataclass(frozen=True)
class Preferences:
    """How the current unit wants its object treated (the keywords of `with unit(...)`).

    Attributes:
        approach: "above", "side", "front" or "any".
        grasp_at: "body", "handle" or "rim"; "" lets the object's shape decide.
        max_force: Gripper and contact force limit [N]; None = the robot's own.
        keep_upright: Never tilt what is held.
        speed: Share of the robot's speed limits, (0, 1].
        avoid: Description of something to keep away from, or "".
    """

    approach: str = "any"
    grasp_at: str = ""
    max_force: float | None = None
    keep_upright: bool = False
    speed: float = 1.0
    avoid: str = ""


@dataclass(frozen=True)
class Held:
    """What the gripper holds, as measured when it closed.

    Attributes:
        object: The thing, as last seen before the grasp.
        tool_from_object: Its pose in the tool frame.
        width: Measured finger opening on it [m].
    """

    object: Object
    tool_from_object: Pose
    width: float


@dataclass
class Context:
    """The state of one run. The interpreter pushes unit preferences; primitives read and write the rest."""

    arm: Arm
    view: View
    command: Command
    held: Held | None = None
    intended: tuple[Object, Grasp] | None = None  # set by propose_grasp; closing on it makes it `held`
    failed_grasps: dict[str, list[Pose]] = field(default_factory=dict)  # tool poses, by object id
    remarks: list[str] = field(default_factory=list)
    preferences: Preferences = field(default_factory=Preferences)
    led: dict[str, tuple[Object, Array]] = field(default_factory=dict)  # parts led away from where they were seen
    far: dict[str, Far] = field(default_factory=dict)  # where things could not be put as they were held, by id
    brought: Held | None = None  # what the hand held already when a repaired program began
    memory: dict[str, Any] = field(default_factory=dict)  # earlier readings, e.g. a knob's first angle
    meanings: Meanings = field(default_factory=Meanings)
    left_at: float = -math.inf  # robot's clock when the base drove last [s]

    @contextmanager
    def unit(self, preferences: Mapping[str, Any]) -> Iterator[None]:
        """Apply a unit's preferences to everything inside its block."""
        outer = self.preferences
        self.preferences = replace(outer, **preferences)
        self.arm.speed, self.arm.upright = self.preferences.speed, self.preferences.keep_upright
        try:
            yield
        finally:
            self.preferences = outer
            self.arm.speed, self.arm.upright = outer.speed, outer.keep_upright

    def obstacles(self, *near: Object) -> Array:
        """Points (N, 3) [m] that the arm must keep off: all that was seen but what is held, and `near`."""
        near_ids = {item.id for item in near}
        out = set(near_ids)
        if self.held is not None:
            out.add(self.held.object.id)
        # A door that was opened stands elsewhere than the last look showed it.
        led = [(seen, cloud) for seen, cloud in self.led.values() if self.view.known(seen).stamp <= seen.stamp]
        out |= {seen.id for seen, _ in led}
        clouds = [cloud for seen, cloud in led if seen.id not in near_ids]
        wide = [widened(item.cloud, AVOIDED) for item in self._avoided() if item.id not in out]
        return np.concatenate([self.view.obstacles(out), *clouds, *wide])

    def _avoided(self) -> tuple[Object, ...]:
        """What the unit says to stay away from, as last seen."""
        phrase = self.preferences.avoid
        if not phrase:
            return ()
        key = f"avoid:{phrase}"
        if key not in self.memory:
            self.memory[key] = self.view.find(phrase)[0]
            if not self.memory[key]:
                self.remarks.append(f"nothing here is {phrase!r}, to stay away from")
        return tuple(self.view.known(item) for item in self.memory[key])

    def grasps(self, item: Object, at: str, approach: str, best: int = BEST) -> list[Grasp]:
        """At most `best` ranked grasps on a thing, free of what was seen around it."""
        handle = self.view.handle_of(item)
        near = [item] if handle is None else [item, handle]
        return propose(
            item,
            Hand.of(self.arm.description.gripper),
            approach=approach,
            grasp_at="" if at == "auto" else at,
            obstacles=self.obstacles(*near),
            handle=handle,
            viewpoint=self.view.eye,
            best=best,
        )

    def holds(self, item: Object) -> bool:
        """Whether the hand closed on a thing and has not let go of it."""
        return self.held is not None and self.held.object.id == item.id

    def remembered(self, description: str) -> Object | None:
        """The one thing that a phrase meant earlier in this run and that is held or hidden now."""
        if self.held is not None and self.held.object.description == description:
            return self.view.known(self.held.object)
        return self.view.hidden(description)

    def begin_repair(self) -> None:
        """A repaired program begins; what the hand holds it finds there."""
        self.brought = self.held
        self.meanings.begin_repair()

    def still_meant(self, description: str) -> Object | None:
        """What a phrase meant before the repair, if that is seen now; asked again, the phrase is read anew."""
        id = self.meanings.before(description)
        known = self.view.scene.get(id) if id else None
        return self.view.again(known) if known is not None else None

    def leave(self) -> None:
        """The base drove: all but what the hand holds is behind, and so is what was learnt of it."""
        self.left_at = self.arm.robot.now()
        self.view.leave(() if self.held is None else (self.held.object.id,))
        self.meanings, self.brought = Meanings(), self.held
        for gone in (self.failed_grasps, self.led, self.far, self.memory):
            gone.clear()
        self.intended = None

    def left_behind(self, values: Iterable[Any]) -> str:
        """Why one of these values means nothing where the base drove since; "" if none does."""
        for value in values:
            if isinstance(value, Object) and value.stamp <= self.left_at and self.view.scene.get(value.id) is None:
                return f"'{value.description or value.kind}' was found before the base drove; find it again here"
        return ""

    def settle(self, item: Object) -> None:
        """A loop has done with a thing all that it does."""
        self.meanings.settle(item)

    def overlooked(self, found: Sequence[Object], handled: Sequence[Object]) -> tuple[Object, ...]:
        """Those of the things found that are none of those handled, nor stand where one of these was put.

        Where there is none, those that a loop which was broken off was to handle and nobody has seen since.
        """
        ids = {item.id for item in handled}
        places = [self.view.known(item).position for item in handled]
        new = tuple(
            item
            for item in found
            if item.id not in ids and all(np.abs(item.position - place).max() > SAME_PLACE for place in places)
        )
        return new or tuple(self.view.known(item) for item in self.meanings.lost(handled))

    def clicked(self, point: int) -> Result:
        """The person's clicked pixel number `point` (from 1), (x, y); ok=False where they gave none."""
        points = self.command.points
        if self.left_at > -math.inf:
            return Result(ok=False, reason="the clicked points lie in a picture from before the base drove")
        if not 1 <= point <= len(points):
            return Result(ok=False, reason=f"the command came with {len(points)} clicked points")
        return Result(points[point - 1], evidence={"pixel": list(points[point - 1])})


def widened(cloud: Array, by: float) -> Array:
    """A shell around a cloud (N, 3) [m] at the distance `by` [m], without what would lie under the table."""
    steps = np.array([(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if x or y or z])
    around = by * steps / np.linalg.norm(steps, axis=1, keepdims=True)
    shell = (voxel_centers(cloud, AVOIDED_VOXEL)[:, None] + around).reshape(-1, 3)
    return voxel_centers(shell[shell[:, 2] > 0], AVOIDED_VOXEL)
