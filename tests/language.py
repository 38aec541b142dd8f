"""A small library for the tests of the language: typed like the robot's, answering from a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np

from embodied_agent.program import nodes
from embodied_agent.program.check import check
from embodied_agent.program.events import Event, Outcome
from embodied_agent.program.parse import load_skills, parse
from embodied_agent.program.run import run
from embodied_agent.signature import Range, Signature, Type, Unit, signature_of
from embodied_agent.types import Object, Pose, Result

SKILLS = '''
def pick(object: Object):
    """Grasp a thing and lift it.

    Args:
        object: What to pick up.
    """
    with retry(times=2):
        grip(object)
        ensure(is_holding(object))


def place(
    object: Object,
    inside: Object | None = None,
    on: Object | None = None,
    at: Pose | None = None,
    side: Literal["any", "left", "right"] = "any",
):
    """Put a held thing down.

    Args:
        object: What to put down.
        inside: The container it goes into.
        on: What it goes on top of.
        at: The place it goes to.
        side: Which side.

    Exactly one of: inside, on, at.
    """
    if inside is not None:
        ensure(is_inside(object, inside) or not is_inside(object, inside))
    release(object, inside=inside, on=on, at=at, side=side)


def near(object: Object, limit: Annotated[float, Range(0, 2), Unit("m")] = 0.5) -> bool:
    """Whether a thing is near.

    Args:
        object: The thing.
        limit: How far.
    """
    if distance_of(object) <= limit:
        return True
    return False
'''


def thing(name: str) -> Object:
    """An object of no particular shape."""
    zero = np.zeros(3)
    return Object(name, name, "cube", "red", Pose(zero), zero + 0.04, np.zeros((0, 3)), 1.0, 0.0)


@dataclass
class World:
    """What the library's answers come from, and a record of what was asked.

    Attributes:
        answers: By primitive: values (or `Result`s) to give in turn; the last one stays.
        asked: Name and arguments of every call, in order.
        units: Preferences pushed and popped, in order.
    """

    answers: dict[str, list[Any]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    units: list[Any] = field(default_factory=list)
    on_call: Callable[[str], None] = lambda name: None
    settled: list[str] = field(default_factory=list)

    @contextmanager
    def unit(self, preferences: Mapping[str, Any]) -> Iterator[None]:
        """Note a unit's preferences."""
        self.units.append(dict(preferences))
        try:
            yield
        finally:
            self.units.append("end")

    def overlooked(self, found: Sequence[Any], handled: Sequence[Any]) -> list[Any]:
        """Those that were not handled."""
        ids = {item.id for item in handled}
        return [item for item in found if item.id not in ids]

    def settle(self, item: Any) -> None:
        """Note what a loop has done with."""
        self.settled.append(item.id)

    def answer(self, name: str, default: Any, arguments: dict[str, Any]) -> Result:
        """The next answer of a primitive."""
        self.asked.append((name, arguments))
        self.on_call(name)
        given = self.answers.get(name)
        value = default if not given else given.pop(0) if len(given) > 1 else given[0]
        return value if isinstance(value, Result) else Result(value=value, evidence={"from": name})


@dataclass(frozen=True)
class Entry:
    """One primitive of the test library."""

    signature: Signature

    def __call__(self, context: World, /, **arguments: Any) -> Result:
        defaults = {
            Type.OBJECT: thing(str(arguments.get("description", "thing"))),
            Type.OBJECTS: (thing("a"), thing("b")),
            Type.POSE: Pose(np.zeros(3)),
            Type.NUMBER: 0.25,
            Type.INTEGER: 2,
            Type.BOOLEAN: True,
            Type.NONE: None,
        }
        return context.answer(self.signature.name, defaults[self.signature.returns], arguments)


def _entry(returns: Type, function: Callable[..., Any], **more: Any) -> Entry:
    return Entry(signature_of(function, returns=returns, effect=more.pop("effect", "perceive"), **more))


def _library() -> dict[str, Entry]:
    def find(context: Any, description: str) -> Result:
        """Find one thing.

        Args:
            description: A noun phrase.
        """

    def find_all(context: Any, description: str) -> Result:
        """Find all such things.

        Args:
            description: A plural noun phrase.
        """

    def exists(context: Any, description: str) -> Result:
        """Whether there is one.

        Args:
            description: A noun phrase.
        """

    def count(context: Any, description: str) -> Result:
        """How many there are.

        Args:
            description: A plural noun phrase.
        """

    def find_at(context: Any, point: Annotated[int, Range(1, 4)] = 1) -> Result:
        """The thing pointed at.

        Args:
            point: Which point.
        """

    def free_spot(context: Any) -> Result:
        """A free place."""

    def distance_of(context: Any, object: Object) -> Result:
        """How far a thing is.

        Args:
            object: The thing.
        """

    def is_holding(context: Any, object: Object) -> Result:
        """Whether the thing is held.

        Args:
            object: The thing.
        """

    def is_inside(context: Any, object: Object, container: Object) -> Result:
        """Whether a thing is in another.

        Args:
            object: The thing.
            container: The other.
        """

    def grip(context: Any, object: Object) -> Result:
        """Close the hand on a thing.

        Args:
            object: The thing.
        """

    def release(
        context: Any,
        object: Object,
        *,
        inside: Object | None = None,
        on: Object | None = None,
        at: Pose | None = None,
        side: Literal["any", "left", "right", "front"] = "any",
    ) -> Result:
        """Let go of a thing.

        Args:
            object: The thing.
            inside, on, at: Where.
            side: Which side.
        """

    def push(
        context: Any,
        object: Object,
        direction: Literal["left", "right"],
        distance: Annotated[float, Range(0.02, 0.3), Unit("m")] = 0.1,
    ) -> Result:
        """Push a thing.

        Args:
            object: The thing.
            direction: Where to.
            distance: How far.
        """

    def turn(context: Any, knob: Object, angle: Annotated[float, Range(-3.14, 3.14), Unit("rad")]) -> Result:
        """Turn a knob.

        Args:
            knob: The knob.
            angle: How far.
        """

    def wait(context: Any, seconds: Annotated[float, Range(0, 30), Unit("s")]) -> Result:
        """Hold still.

        Args:
            seconds: How long.
        """

    def home(context: Any) -> Result:
        """Fold the arm."""

    def say(context: Any, text: str) -> Result:
        """Tell the person something.

        Args:
            text: What.
        """

    def refuse(context: Any, reason: str) -> Result:
        """Decline.

        Args:
            reason: Why.
        """

    def ask(context: Any, question: str) -> Result:
        """Ask back.

        Args:
            question: What.
        """

    only_skills = {"callable_by_planner": False, "effect": "grip"}
    entries = [
        _entry(Type.OBJECT, find),
        _entry(Type.OBJECTS, find_all),
        _entry(Type.BOOLEAN, exists),
        _entry(Type.INTEGER, count),
        _entry(Type.OBJECT, find_at),
        _entry(Type.POSE, free_spot),
        _entry(Type.NUMBER, distance_of),
        _entry(Type.BOOLEAN, is_holding),
        _entry(Type.BOOLEAN, is_inside),
        _entry(Type.NONE, grip, **only_skills),
        _entry(Type.NONE, release, exactly_one=("inside", "on", "at"), **only_skills),
        _entry(Type.NONE, push, effect="move"),
        _entry(Type.NONE, turn, effect="move"),
        _entry(Type.NONE, wait, effect="move"),
        _entry(Type.NONE, home, effect="move"),
        *(_entry(Type.NONE, function, effect="speak") for function in (say, refuse, ask)),
    ]
    return {entry.signature.name: entry for entry in entries}


LIBRARY = _library()
PRIMITIVES = {name: entry.signature for name, entry in LIBRARY.items()}
SKILL_SET: dict[str, nodes.Skill] = load_skills(SKILLS)
SIGNATURES = {**PRIMITIVES, **{name: skill.signature for name, skill in SKILL_SET.items()}}


def task(*lines: str) -> str:
    """A program of one task with these lines."""
    return 'with task("test"):\n' + "".join(f"    {line}\n" for line in lines)


def checked(text: str) -> nodes.Program:
    """A program that passed the check."""
    program = parse(text)
    check(program, SIGNATURES)
    return program


def ran(text: str, world: World | None = None, **more: Any) -> tuple[Outcome, list[Event]]:
    """The outcome of a checked program, and all events."""
    events: list[Event] = []
    outcome = run(checked(text), LIBRARY, world or World(), skills=SKILL_SET, emit=events.append, **more)
    return outcome, events
