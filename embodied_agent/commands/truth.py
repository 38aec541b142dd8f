"""A goal and the scene it was drawn in, to the predicate that simulator truth is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from embodied_agent.commands.draft import Clicked
from embodied_agent.planners import goal as g
from sim import tasks
from sim.descriptions import Thing, resolve
from sim.scene import Scene
from sim.tasks import Predicate
from sim.things import things_of

QUARTER = math.pi / 2
PUSHED = 0.1  # [m] the usual distance


def predicate_of(
    goal: g.Goal, scene: Scene, branch: bool | None = None, clicked: Sequence[Clicked] = ()
) -> Predicate:
    """What must be true at the end.

    Args:
        goal: Any goal whose descriptions fit one thing each in the scene.
        scene: As it starts.
        branch: Of a conditional: whether its condition holds at the start.
        clicked: What the command's points show.

    Raises:
        ValueError: A description fits nothing, or several things; or a click is missing.
    """
    return _Reader(things_of(scene), branch, clicked).read(goal)


class _Reader:
    def __init__(self, things: tuple[Thing, ...], branch: bool | None, clicked: Sequence[Clicked]) -> None:
        self.things, self.branch, self.clicked = things, branch, clicked

    def click(self, target: g.Click) -> Clicked:
        """What a point shows."""
        if not 1 <= target.point <= len(self.clicked):
            raise ValueError(f"the command came with {len(self.clicked)} clicked points, not {target.point}")
        return self.clicked[target.point - 1]

    def one(self, target: g.Target) -> str:
        """Name of the thing that a target means."""
        if isinstance(target, g.Click):
            name = self.click(target).name
            if not name:
                raise ValueError(f"no thing is at clicked point {target.point}")
            return name
        found = resolve(target, self.things)
        if len(found) != 1:
            raise ValueError(f"{target.text()!r} fits {len(found)} things")
        return found[0].id

    def read(self, goal: g.Goal) -> Predicate:
        match goal:
            case g.PlaceIn(thing, container):
                return tasks.Inside(self.one(thing), self.one(container))
            case g.PlaceOn(thing, support):
                return tasks.On(self.one(thing), self.one(support))
            case g.PlaceBeside(thing, other, side):
                return tasks.Beside(self.one(thing), self.one(other), side)
            case g.PlaceAt(thing, spot):
                return tasks.At(self.one(thing), self.click(spot).position[:2])
            case g.Hold(thing):
                return tasks.Lifted(self.one(thing))
            case g.Stack(things):
                names = [self.one(thing) for thing in things]
                return tasks.All(tuple(tasks.On(b, a) for a, b in pairwise(names)))
            case g.PutInDrawer(thing, drawer, close_after):
                part = self.one(drawer)
                inside = tasks.Inside(self.one(thing), part)
                return tasks.All((inside, tasks.Closed(part))) if close_after else tasks.All((inside,))
            case g.Swap(first, second):
                a, b = self.one(first), self.one(second)
                return tasks.All((tasks.Exchanged(a, b), tasks.Exchanged(b, a)))
            case g.Sort() | g.Clear():
                return self._many(goal)
            case _:
                return self._other(goal)

    def _many(self, goal: g.Sort | g.Clear) -> Predicate:
        parts: list[Predicate] = []
        if isinstance(goal, g.Sort):
            for what, where in goal.groups:
                test = tasks.Inside if goal.how == "inside" else tasks.On
                parts += [test(thing.id, self.one(where)) for thing in resolve(what, self.things)]
        elif goal.container is not None:
            into = self.one(goal.container)
            parts += [tasks.Inside(thing.id, into) for thing in resolve(goal.things, self.things)]
        elif goal.things.reference is not None:
            source = self.one(goal.things.reference)
            parts += [tasks.Off(thing.id, source) for thing in resolve(goal.things, self.things)]
        if not parts:
            raise ValueError("there is nothing to clear or sort")
        return tasks.All(tuple(parts))

    def _other(self, goal: g.Goal) -> Predicate:
        match goal:
            case g.Open(part, to):
                return tasks.Opened(self.one(part), to)
            case g.Close(part):
                return tasks.Closed(self.one(part))
            case g.Press(button):
                return tasks.Pressed(self.one(button))
            case g.Turn(knob, angle):
                return tasks.Turned(QUARTER if angle is None else angle, self.one(knob))
            case g.Push(thing, direction, distance):
                return tasks.Pushed(self.one(thing), direction, PUSHED if distance is None else distance)
            case g.Sequence(steps):
                return tasks.All(tuple(self.read(step) for step in steps if not isinstance(step, g.Home | g.Wait)))
            case g.Conditional(_, then, otherwise):
                if self.branch is None:
                    raise ValueError("a conditional is judged by the branch that its condition takes")
                chosen = then if self.branch else otherwise
                return tasks.Untouched() if chosen is None else self.read(chosen)
            case _:  # refusals, questions, going home, waiting
                return tasks.Untouched()
