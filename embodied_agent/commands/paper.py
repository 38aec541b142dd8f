"""The world on paper: what each primitive and skill does to it, in symbols instead of motions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from embodied_agent.commands.draft import Clicked
from embodied_agent.errors import BadInput
from sim.descriptions import Thing, parse_canonical, relation_test, resolve
from sim.scene import Scene
from sim.things import things_of

_SIDES = {"left": (0.0, 0.1), "right": (0.0, -0.1), "front": (-0.1, 0.0), "behind": (0.1, 0.0), "any": (0.0, 0.0)}
_WAYS = {"left": (0.0, 1.0), "right": (0.0, -1.0), "forward": (1.0, 0.0), "backward": (-1.0, 0.0)}
_FREE = (9.0, 9.0)  # where free_spot() points: nowhere in particular
_USUAL = {"open": 0.9, "turn": 1.57, "push": 0.1}


class Failed(Exception):
    """The program would fail here."""


class Answered(Exception):
    """The program refused or asked."""


@dataclass
class Effect:
    """How a program leaves the world.

    Attributes:
        answer: ("refuse", reason), ("ask", question), or ().
        places: Thing -> where it was put, for those that moved.
        parts: Part -> its state, for those that changed.
        failed: Why it would not come to its end, or "".
        gestures: Homing and waiting; they count only where nothing else happened.
    """

    answer: tuple[str, ...] = ()
    places: dict[str, tuple[object, ...]] = field(default_factory=dict)
    parts: dict[str, object] = field(default_factory=dict)
    failed: str = ""
    gestures: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Effect):
            return NotImplemented
        mine = (self.answer, self.places, self.parts, bool(self.failed))
        if mine != (other.answer, other.places, other.parts, bool(other.failed)):
            return False
        idle = not (self.answer or self.places or self.parts)
        return not idle or self.gestures == other.gestures


class Paper:
    """The world on paper. Objects are ids, poses are places, lists are tuples of ids.

    Args:
        scene: As it starts.
        clicked: What the clicked points show.
        shift: Count that many things more than there are.
    """

    def __init__(self, scene: Scene, clicked: Sequence[Clicked], shift: int) -> None:
        self.things = {thing.id: thing for thing in things_of(scene)}
        self.open = {
            part: float(spec.state.get(part, 0.0))
            for spec in scene.fixtures
            for part in spec.parts
            if part != "knob"
        }
        self.clicked, self.shift = clicked, shift
        self.held = ""
        self.effect = Effect()

    def call(self, name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        """Do what a primitive or skill does.

        Raises:
            Failed: It would fail.
            Answered: It refuses or asks.
        """
        action: Callable[..., Any] | None = getattr(self, f"do_{name}", None)
        if action is None:
            raise Failed(f"no reading of {name}")
        try:
            return action(*arguments, **keywords)
        except (TypeError, KeyError, BadInput, ZeroDivisionError) as error:
            raise Failed(f"{name}: {error}") from None

    # What primitives and skills do

    def do_find(self, description: str) -> str:
        found = resolve(parse_canonical(description), tuple(self.things.values()))
        if len(found) != 1:
            raise Failed(f"{description!r} fits {len(found)} things")
        return found[0].id

    def do_find_all(self, description: str) -> tuple[str, ...]:
        found = resolve(parse_canonical(description), tuple(self.things.values()))
        if not found:
            raise Failed(f"no {description!r}")
        return tuple(thing.id for thing in found)

    def do_count(self, description: str) -> int:
        number = len(resolve(parse_canonical(description), tuple(self.things.values())))
        return max(0, number + self.shift)

    def do_exists(self, description: str) -> bool:
        return self.do_count(description) > 0

    def _clicked(self, point: int) -> Clicked:
        if not 1 <= point <= len(self.clicked):
            raise Failed(f"no clicked point {point}")
        return self.clicked[point - 1]

    def do_find_at(self, point: int = 1) -> str:
        name = self._clicked(point).name
        if not name:
            raise Failed(f"nothing at point {point}")
        return name

    def do_spot_at(self, point: int = 1) -> tuple[float, float]:
        return self._clicked(point).position[:2]

    def do_position_of(self, object: str) -> tuple[float, float]:
        return self.things[object].position[:2]

    def do_free_spot(self) -> tuple[float, float]:
        return _FREE

    def do_pick(self, object: str) -> None:
        if self.held not in ("", object):
            raise Failed(f"the hand already holds the {self.held}")
        self.held = object
        self._put(object, ("held",), self.things[object].position[:2], "", "")

    def do_place(
        self,
        object: str,
        inside: str | None = None,
        on: str | None = None,
        beside: str | None = None,
        at: tuple[float, float] | None = None,
        side: str = "any",
    ) -> None:
        self.do_pick(object)
        self.held = ""
        if inside is not None:
            if self.open.get(inside, 1.0) < 0.3:
                raise Failed(f"the {inside} is closed")
            self._put(object, ("in", inside), self.things[inside].position[:2], inside, "")
        elif on is not None:
            self._put(object, ("on", on), self.things[on].position[:2], "", on)
        elif beside is not None:
            (x, y), (dx, dy) = self.things[beside].position[:2], _SIDES[side]
            self._put(object, ("beside", beside, side), (x + dx, y + dy), "", "")
        elif at is not None:
            self._put(object, ("at", round(at[0], 2), round(at[1], 2)), at, "", "")
        else:
            raise Failed("place without a place")

    def _put(
        self, name: str, place: tuple[object, ...], xy: tuple[float, float], container: str, support: str
    ) -> None:
        thing = self.things[name]
        self.things[name] = replace(thing, position=(*xy, thing.position[2]), container=container, support=support)
        self.effect.places[name] = place

    def do_open(self, part: str, to: float = _USUAL["open"]) -> None:
        self.open[part] = to
        self.effect.parts[part] = round(to, 1)

    def do_close(self, part: str) -> None:
        self.open[part] = 0.0
        self.effect.parts[part] = 0.0

    def do_press(self, button: str) -> None:
        self.effect.parts[button] = "pressed"

    def do_turn(self, knob: str, angle: float = _USUAL["turn"]) -> None:
        before = self.effect.parts.get(knob, 0.0)
        assert isinstance(before, float)
        self.effect.parts[knob] = round(before + angle, 1)

    def do_push(self, object: str, direction: str, distance: float = _USUAL["push"]) -> None:
        thing, (dx, dy) = self.things[object], _WAYS[direction]
        x, y = thing.position[0] + dx * distance, thing.position[1] + dy * distance
        self._put(object, ("pushed", round(x, 2), round(y, 2)), (x, y), "", "")

    def do_home(self) -> None:
        self.effect.gestures += ("home",)

    def do_wait(self, seconds: float) -> None:
        self.effect.gestures += (f"wait {seconds:g}",)

    def do_say(self, text: str) -> None:
        pass

    def do_refuse(self, reason: str) -> None:
        self.effect.answer = ("refuse", reason)
        raise Answered

    def do_ask(self, question: str) -> None:
        self.effect.answer = ("ask", question)
        raise Answered

    # Questions about the state

    def do_is_inside(self, object: str, container: str) -> bool:
        return self.things[object].container == container

    def do_is_on(self, object: str, support: str) -> bool:
        return self.things[object].support == support

    def do_is_beside(self, object: str, other: str) -> bool:
        return self._related("next to", object, other)

    def do_left_of(self, a: str, b: str) -> bool:
        return self._related("left of", a, b)

    def do_right_of(self, a: str, b: str) -> bool:
        return self._related("right of", a, b)

    def do_in_front_of(self, a: str, b: str) -> bool:
        return self._related("in front of", a, b)

    def do_behind(self, a: str, b: str) -> bool:
        return self._related("behind", a, b)

    def _related(self, relation: str, a: str, b: str) -> bool:
        return relation_test(relation)(self.things[a], self.things[b])

    def do_is_open(self, part: str) -> bool:
        return self.open[part] > 0.25

    def do_is_closed(self, part: str) -> bool:
        return self.open[part] <= 0.25

    def do_is_holding(self, object: str) -> bool:
        return self.held == object

    def do_is_pressed(self, button: str) -> bool:
        return self.effect.parts.get(button) == "pressed"

    def do_is_turned(self, knob: str) -> bool:
        return knob in self.effect.parts

    def do_is_at(self, object: str, pose: tuple[float, float]) -> bool:
        thing: Thing = self.things[object]
        return abs(thing.position[0] - pose[0]) < 0.03 and abs(thing.position[1] - pose[1]) < 0.03
