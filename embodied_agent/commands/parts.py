"""Commands about parts of furniture: drawers, the cupboard's door, the button, the knob."""

from __future__ import annotations

import math

from embodied_agent.commands.cast import Cast, fits
from embodied_agent.commands.draft import Draft, Family, manner_of
from embodied_agent.planners import goal as g
from sim.descriptions import Thing

# How far to open, as a share of the range, and how people say it.
AMOUNTS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0.5, ("halfway", "half way", "by half", "half of the way", "to fifty percent", "to 50 %")),
    (1.0, ("fully", "all the way", "completely", "as far as it goes", "entirely",
           "wide", "to the end", "the whole way")),
    (0.3, ("a third of the way", "just a little", "a bit", "a crack", "to thirty percent", "slightly", "to 30 %")),
    (0.7, ("most of the way", "to seventy percent", "about two thirds of the way", "to 70 percent")),
)  # fmt: skip


def open_part(cast: Cast) -> Draft:
    """A drawer, or the cupboard's door; now and then only some way."""
    part = _part(cast, {})
    a = cast.describe(part)
    if cast.rng.random() < 0.8:
        return Draft(g.Open(a), "open", {"a": a})
    to, words = cast.rng.choice(AMOUNTS)
    return Draft(g.Open(a, to), "open_to", {"a": a, "d": cast.rng.choice(words)})


def close_part(cast: Cast) -> Draft:
    """A drawer, or the cupboard's door, that is open."""
    part = _part(cast, {"": round(cast.rng.uniform(0.45, 1.0), 2)})
    a = cast.describe(part)
    return Draft(g.Close(a), "close", {"a": a})


def _part(cast: Cast, state: dict[str, float]) -> Thing:
    """A drawn scene's drawer or door, in a state given under the key ""."""
    name = cast.rng.choice(("top drawer", "bottom drawer", "cupboard door"))
    fixture = "cupboard" if name == "cupboard door" else "cabinet"
    states = {name: state[""]} if state else {}
    cast.draw(cast.spec(), fixtures=(fixture,), state=states, extra=(0, 2))
    return next(thing for thing in cast.things if thing.id == name)


def put_in_drawer(cast: Cast) -> Draft:
    """A thing into a drawer, which is closed more often than not."""
    name = cast.rng.choice(("top drawer", "top drawer", "bottom drawer"))
    drawer = Thing(name, "drawer", "", "", (0, 0, 0), (0, 0, 0))
    kind, size = cast.carried(lambda k, s: k != "mug" and fits(k, s, drawer))
    is_open = cast.rng.random() < 0.4
    state = {name: round(cast.rng.uniform(0.85, 1.0), 2)} if is_open else {}
    (thing,) = cast.draw(cast.spec(kind, size=size), fixtures=("cabinet",), state=state, extra=(0, 2))
    a = cast.describe(thing)
    b = cast.describe(next(item for item in cast.things if item.id == name))
    close_after = cast.rng.random() < 0.35
    manner, keys = manner_of(cast, kind, 0.0 if close_after else 0.08)
    pattern = "put_in_drawer_close" if close_after else "put_in_drawer"
    return Draft(g.PutInDrawer(a, b, close_after, manner), pattern, {"a": a, "b": b}, manner=keys)


def press(cast: Cast) -> Draft:
    """The button."""
    cast.draw(cast.spec(), fixtures=("button",))
    a = cast.describe(next(thing for thing in cast.things if thing.id == "button"))
    return Draft(g.Press(a), "press", {"a": a})


def turn(cast: Cast) -> Draft:
    """The knob, by an angle or a quarter."""
    cast.draw(cast.spec(), fixtures=("knob",))
    a = cast.describe(next(thing for thing in cast.things if thing.id == "knob"))
    chance = cast.rng.random()
    if chance < 0.25:
        return Draft(g.Turn(a), "turn", {"a": a})
    right = cast.rng.random() < 0.5
    way = cast.rng.choice(
        ("clockwise", "to the right") if right else ("counterclockwise", "anticlockwise", "to the left")
    )
    degrees = 90 if chance < 0.55 else cast.rng.choice((30, 45, 60, 90, 120))
    if chance < 0.4:
        words = way
    elif degrees == 90 and cast.rng.random() < 0.5:
        words = cast.rng.choice((f"a quarter turn {way}", f"by a quarter turn {way}", f"{way} by a quarter"))
    else:
        amount = cast.rng.choice((f"{degrees} degrees", f"{degrees} deg", f"{degrees}°"))
        words = cast.rng.choice((f"{way} by {amount}", f"by {amount} {way}", f"{amount} {way}"))
    angle = round(math.radians(degrees), 2) * (-1 if right else 1)
    return Draft(g.Turn(a, None if angle == 1.57 else angle), "turn_by", {"a": a, "d": words})


PARTS: dict[str, Family] = {
    "open": open_part,
    "close": close_part,
    "put_in_drawer": put_in_drawer,
    "press": press,
    "turn": turn,
}
