"""Commands made of simpler ones: several steps, conditions, and clicked points."""

from __future__ import annotations

import math

from embodied_agent.commands.cast import CARRIED, Cast, Retry, fits
from embodied_agent.commands.draft import Clicked, Draft, Slot
from embodied_agent.commands.families import is_free
from embodied_agent.planners import goal as g
from sim.descriptions import CATEGORIES, Description, Thing, gap, relation_test, resolve
from sim.dimensions import KINDS
from sim.scene import FixtureSpec

PART_NAMES = ("top drawer", "bottom drawer", "cupboard door")


def rich_scene(cast: Cast, crowd: tuple[int, int] = (0, 2)) -> None:
    """A scene in which many things can be done: things to carry, a container, perhaps a fixture."""
    container = cast.spec(cast.rng.choice(("bowl", "box", "bin", "plate")), size="large")
    carried = [cast.spec(size="small") for _ in range(cast.rng.choice((2, 2, 3)))]
    fixtures: list[str | FixtureSpec] = []
    chance = cast.rng.random()
    if chance < 0.75:
        fixtures.append(cast.rng.choice(("button", "knob", "cabinet", "cupboard", "button", "knob")))
    if chance < 0.15 and fixtures[0] in ("button", "knob"):
        fixtures.append("knob" if fixtures[0] == "button" else "button")
    state = {}
    for part in ("top drawer", "cupboard door"):
        if cast.rng.random() < 0.4:
            state[part] = round(cast.rng.uniform(0.6, 1.0), 2)
    cast.draw(container, *carried, fixtures=fixtures, state=state, extra=crowd)


def actions(cast: Cast, used: set[str], plain: bool) -> list[Draft]:
    """Simple things that can be done in the drawn scene with things not in `used`, in random order."""
    found: list[tuple[Draft, set[str]]] = []
    free = [thing for thing in cast.things if thing.id not in used]
    carried = [thing for thing in free if thing.kind in CARRIED and not (thing.container or thing.support)]
    for thing in carried[:3]:
        found += [(draft, {thing.id}) for draft in _carrying(cast, thing, plain)]
    for thing in free:
        a = {"a": Description(thing.kind)}
        if thing.kind == "button":
            found.append((Draft(g.Press(a["a"]), "press", a), {thing.id}))
        elif thing.kind == "knob":
            found.append((Draft(g.Turn(a["a"]), "turn", a), {thing.id}))
        elif thing.id in PART_NAMES and thing.id != "bottom drawer":
            part = cast.describe(thing)
            opened = cast.scene.fixture(thing.id).state.get(thing.id, 0.0) > 0.3
            goal = g.Close(part) if opened else g.Open(part)
            found.append((Draft(goal, "close" if opened else "open", {"a": part}), {thing.id}))
    if not found:
        raise Retry
    cast.rng.shuffle(found)
    chosen: list[Draft] = []
    for draft, ids in found:
        if not ids & used:
            used |= ids
            chosen.append(draft)
    return chosen


def _carrying(cast: Cast, thing: Thing, plain: bool) -> list[Draft]:
    a = cast.describe(thing, plain)
    found: list[Draft] = []
    for other in cast.things:
        slots: dict[str, Slot] = {"a": a}
        if other.id == thing.id or other.kind not in KINDS or other.kind in CARRIED:
            continue
        slots["b"] = b = cast.describe(other, plain)
        if other.kind in CATEGORIES["container"] and fits(thing.kind, thing.size, other):
            found.append(Draft(g.PlaceIn(a, b), "place_in", slots))
        elif other.kind == "plate" and thing.kind != "ball" and fits(thing.kind, thing.size, other):
            found.append(Draft(g.PlaceOn(a, b), "place_on", slots))
        if cast.rng.random() < 0.4 and thing.kind != "ball" and gap(thing, other) > 0.14:
            found.append(Draft(g.PlaceBeside(a, b), "place_beside", slots))
    cast.rng.shuffle(found)
    return found[:1]


def steps(cast: Cast) -> tuple[Draft, ...]:
    """Two or three goals for one sentence."""
    rich_scene(cast)
    wanted = 3 if cast.rng.random() < 0.25 else 2
    found = actions(cast, set(), plain=True)[:wanted]
    if len(found) < 2:
        raise Retry
    if cast.rng.random() < 0.08:
        found[-1] = Draft(g.Home(), "home")
    elif cast.rng.random() < 0.06:
        seconds = cast.rng.choice((1, 2, 3, 5, 10))
        found.insert(1, Draft(g.Wait(float(seconds)), "wait", {"d": str(seconds)}))
    return tuple(found[:3])


def conditional(cast: Cast) -> tuple[g.Condition, tuple[Draft, ...]]:
    """A condition, what to do if it holds, and perhaps what to do if not."""
    rich_scene(cast, (0, 3))
    used: set[str] = set()
    condition = _condition(cast, used)
    found = actions(cast, used, plain=True)
    if cast.rng.random() < 0.5 and len(found) > 1:
        return condition, tuple(found[:2])
    return condition, tuple(found[:1])


def _condition(cast: Cast, used: set[str]) -> g.Condition:
    rng, chance = cast.rng, cast.rng.random()
    objects = [thing for thing in cast.things if thing.kind in KINDS]
    if chance < 0.35:
        present = rng.random() < 0.5
        what = _plain(cast, rng.choice(objects)) if present else cast.absent()
        return g.Exists(what, rng.random() < 0.2)
    if chance < 0.6:
        thing = rng.choice(objects)
        options = [Description(thing.kind, plural=True), Description("object", thing.color, plural=True)]
        what = rng.choice([*options, Description("object", plural=True)])
        number = max(1, min(5, len(resolve(what, cast.things)) + rng.choice((-1, 0, 0, 1))))
        sign = rng.choice((">", ">=", "==", "<"))
        return g.Counted(what, sign, max(2, number) if sign in (">=", "<") else number)
    parts = [thing for thing in cast.things if thing.id in PART_NAMES]
    if parts and chance < 0.85:
        part = rng.choice(parts)
        used.add(part.id)
        return g.PartState(cast.describe(part), rng.random() < 0.5)
    return _related(cast, objects)


def _related(cast: Cast, objects: list[Thing]) -> g.Related:
    first, second = cast.rng.sample(objects, 2)
    test, relation = cast.rng.choice(
        (
            ("left_of", "left of"),
            ("right_of", "right of"),
            ("in_front_of", "in front of"),
            ("behind", "behind"),
        )
    )
    axis = 1 if test in ("left_of", "right_of") else 0
    if abs(first.position[axis] - second.position[axis]) < 0.06:
        raise Retry
    relation_test(relation)  # the relation is one that truth can decide
    return g.Related(cast.describe(first, plain=True), test, cast.describe(second, plain=True))


def _plain(cast: Cast, thing: Thing) -> Description:
    options = [
        Description(thing.kind, thing.color),
        Description(thing.kind),
        Description("object", thing.color),
    ]
    return cast.rng.choices(options, (3, 2, 1))[0]


def holds(condition: g.Condition, cast: Cast) -> bool:
    """Whether a condition is true in the scene as it starts.

    Raises:
        Retry: What it speaks of is not one thing.
    """
    things = cast.things
    if isinstance(condition, g.Exists):
        return bool(resolve(condition.thing, things)) != condition.negated
    if isinstance(condition, g.Counted):
        return compare(len(resolve(condition.things, things)), condition.sign, condition.number)
    if isinstance(condition, g.PartState):
        (part,) = resolve(condition.part, things)
        return (cast.scene.fixture(part.id).state.get(part.id, 0.0) > 0.25) == condition.open
    first, second = resolve(condition.first, things), resolve(condition.second, things)
    if len(first) != 1 or len(second) != 1:
        raise Retry
    names = {"left_of": "left of", "right_of": "right of", "in_front_of": "in front of", "behind": "behind"}
    names |= {"is_inside": "in", "is_on": "on", "is_beside": "next to"}
    return relation_test(names[condition.test])(first[0], second[0]) != condition.negated


def compare(left: float, sign: str, right: float) -> bool:
    """left sign right."""
    return {
        "<": left < right,
        "<=": left <= right,
        "==": left == right,
        "!=": left != right,
        ">=": left >= right,
        ">": left > right,
    }[sign]


def point(cast: Cast) -> Draft:
    """A command with clicked points: this, that, here, there."""
    kind = cast.rng.choice([k for k in CARRIED if k != "ball"])
    container = cast.spec(cast.rng.choice(("bowl", "box", "bin")), size="large")
    thing, into = cast.draw(cast.spec(kind, size="small"), container)
    if not fits(thing.kind, thing.size, into):
        raise Retry
    top = Clicked(_top(thing), thing.id)
    inside = Clicked((into.position[0], into.position[1], 0.02), into.id)
    which = cast.rng.choice(("spot", "spot", "thing", "into", "pair", "put", "hold"))
    if which == "thing":
        b = cast.describe(into)
        return Draft(g.PlaceIn(g.Click(1), b), "point_thing", {"b": b}, (top,))
    if which == "into":
        a = cast.describe(thing)
        return Draft(g.PlaceIn(a, g.Click(1)), "point_into", {"a": a}, (inside,))
    if which == "pair":
        return Draft(g.PlaceIn(g.Click(1), g.Click(2)), "point_pair", {}, (top, inside))
    if which == "hold":
        return Draft(g.Hold(g.Click(1)), "point_hold", {}, (top,))
    spot = _free_spot(cast, max(thing.extent[:2]) / 2 + 0.03)
    if which == "put":
        a = cast.describe(thing)
        return Draft(g.PlaceAt(a, g.Click(1)), "point_put", {"a": a}, (spot,))
    return Draft(g.PlaceAt(g.Click(1), g.Click(2)), "point_spot", {}, (top, spot))


def _top(thing: Thing) -> tuple[float, float, float]:
    """A visible point of a thing: on its top, or on a mug's rim."""
    x, y, z = thing.position
    forward = -0.9 * 0.029 if thing.kind == "mug" else 0.0
    return x + forward, y, z + (0.5 if thing.kind != "banana" else 0.2) * thing.extent[2] - 0.004


def _free_spot(cast: Cast, radius: float) -> Clicked:
    for _ in range(60):
        x, y = cast.rng.uniform(0.32, 0.60), cast.rng.uniform(-0.32, 0.32)
        if is_free(cast, x, y, radius) and math.hypot(x, y) > 0.34:
            return Clicked((x, y, 0.0))
    raise Retry
