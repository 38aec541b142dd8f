"""One function per kind of task: draws a scene, and the goal and slots of a command about it."""

from __future__ import annotations

import math

from embodied_agent.commands.cast import CARRIED, DISTRACTORS, Cast, Retry, fits, sized
from embodied_agent.commands.draft import Draft, Family, Said, manner_of
from embodied_agent.commands.joining import DIRECTIONS, SIDES
from embodied_agent.commands.parts import PARTS
from embodied_agent.commands.splits import colors_for
from embodied_agent.planners import goal as g
from sim.descriptions import Description, Thing, gap
from sim.dimensions import FRUITS


def place_in(cast: Cast) -> Draft:
    """A thing into a bowl, box or bin."""
    container = cast.spec(cast.kind("bowl", "bowl", "box", "bin"))
    kind, size = cast.carried(lambda k, s: fits(k, s, sized(container.kind, container.size)))
    thing, into = cast.draw(cast.spec(kind, size=size), container)
    a, b = cast.describe(thing), cast.describe(into)
    manner, keys = manner_of(cast, kind)
    return Draft(g.PlaceIn(a, b, manner), "place_in", {"a": a, "b": b}, manner=keys)


def place_on(cast: Cast) -> Draft:
    """A thing onto a plate, a large cube, or the shelf."""
    where = cast.rng.choices(("plate", "cube", "shelf"), (5, 2, 2))[0]
    if where == "plate":
        support = cast.spec("plate")
        kind, size = cast.carried(
            lambda k, s: k not in ("ball", "bottle") and fits(k, s, sized("plate", support.size))
        )
        thing, onto = cast.draw(cast.spec(kind, size=size), support)
    elif where == "cube":
        kind = "cube"
        thing, onto = cast.draw(cast.spec("cube"), cast.spec("cube", size="large"))
    else:
        kind, size = cast.carried(lambda k, s: k not in ("ball", "bottle"))
        (thing,) = cast.draw(cast.spec(kind, size=size), fixtures=("shelf",))
        onto = next(item for item in cast.things if item.id == "shelf")
    a, b = cast.describe(thing), cast.describe(onto)
    manner, keys = manner_of(cast, kind)
    return Draft(g.PlaceOn(a, b, manner), "place_on", {"a": a, "b": b}, manner=keys)


def place_beside(cast: Cast) -> Draft:
    """A thing next to another, perhaps on a given side."""
    kind = cast.kind(*(k for k in CARRIED if k != "ball"))
    thing, other = cast.draw(cast.spec(kind), cast.spec(cast.rng.choice(DISTRACTORS)))
    a, b = cast.describe(thing), cast.describe(other)
    manner, keys = manner_of(cast, kind)
    if gap(thing, other) < 0.14:
        raise Retry  # it stands there already
    if cast.rng.random() < 0.45:
        return Draft(g.PlaceBeside(a, b, "any", manner), "place_beside", {"a": a, "b": b}, manner=keys)
    side = cast.rng.choice([s for s in SIDES if _room_at(cast, thing, other, s)] or ["any"])
    if side == "any":
        raise Retry
    words = cast.rng.choice(SIDES[side])
    return Draft(g.PlaceBeside(a, b, side, manner), "place_side", {"a": a, "b": b, "s": words}, manner=keys)


def _room_at(cast: Cast, thing: Thing, other: Thing, side: str) -> bool:
    """Whether the thing could stand there, in reach and touching nothing."""
    way = {"left": (0, 1), "right": (0, -1), "front": (-1, 0), "behind": (1, 0)}[side]
    reach = (max(thing.extent[:2]) + max(other.extent[:2])) / 2 + 0.03
    x, y = other.position[0] + way[0] * reach, other.position[1] + way[1] * reach
    return is_free(cast, x, y, max(thing.extent[:2]) / 2 + 0.025, ignore=(thing.id, other.id))


def is_free(cast: Cast, x: float, y: float, radius: float, ignore: tuple[str, ...] = ()) -> bool:
    """Whether a disc on the table is in reach and covers no thing (nor room that a part needs)."""
    if not (0.30 <= x <= 0.62 and abs(y) <= 0.36 and math.hypot(x, y) <= 0.66):
        return False
    for thing in cast.things:
        if thing.id in ignore:
            continue
        ahead = 0.28 if thing.kind in ("cabinet", "cupboard") else 0.0  # room for its drawers or door
        dx = max(abs(x + ahead / 2 - thing.position[0]) - (thing.extent[0] + ahead) / 2, 0.0)
        dy = max(abs(y - thing.position[1]) - thing.extent[1] / 2, 0.0)
        if math.hypot(dx, dy) < radius:
            return False
    return True


def stack(cast: Cast) -> Draft:
    """Two or three cubes, the larger below."""
    number = 3 if cast.rng.random() < 0.25 else 2
    sizes = sorted(cast.rng.choice(("small", "large")) for _ in range(number))  # large < small
    cubes = cast.draw(*(cast.spec("cube", size=size) for size in sizes), extra=(0, 2))
    a, *rest = [cast.describe(cube, plain=cast.rng.random() < 0.8) for cube in cubes]
    slots = dict(zip("abc", (a, *rest), strict=False))
    return Draft(g.Stack((a, *rest)), "stack" if number == 2 else "stack_three", slots)


def sort(cast: Cast) -> Draft:
    """Two groups of things, each into its own container."""
    containers = [cast.spec(cast.rng.choice(("bowl", "box", "bin")), size="large") for _ in range(2)]
    by_color = cast.rng.random() < 0.5
    if by_color:
        kind = cast.rng.choice(("cube", "ball", "cylinder"))
        colors = cast.rng.sample(colors_for(kind, cast.split), 2) if len(colors_for(kind, cast.split)) > 1 else []
        groups = [Description(kind, color, plural=True) for color in colors]
    else:
        kinds = cast.rng.sample(("cube", "ball", "cylinder", "fruit", "can"), 2)
        groups = [Description(kind, plural=True) for kind in kinds]
    if len(groups) < 2:
        raise Retry
    numbers = cast.rng.choice(((1, 1), (2, 1), (1, 2), (2, 2)))
    members = []
    for group, number, container in zip(groups, numbers, containers, strict=True):
        for _ in range(number):
            kind = cast.kind(*FRUITS) if group.kind == "fruit" else group.kind
            spec = cast.spec(kind, group.color, "small")
            if not fits(spec.kind, spec.size, sized(container.kind, container.size)):
                raise Retry
            members.append(spec)
    drawn = cast.draw(*containers, *members, extra=(0, 0), gap=0.04)
    _avoid_strays(cast, groups, sum(numbers))
    b, e = (cast.describe(item, plain=True) for item in drawn[:2])
    a, c = groups
    return Draft(g.Sort(((a, b), (c, e))), "sort", {"a": a, "b": b, "c": c, "e": e})


def _avoid_strays(cast: Cast, groups: list[Description], number: int) -> None:
    ids = [name for group in groups for name in cast.safely(group) or ()]
    if len(ids) != number or len(set(ids)) != number:
        raise Retry


def push(cast: Cast) -> Draft:
    """Something that does not roll, over the table."""
    kind = cast.rng.choice(("cube", "cube", "can", "box", "mug", "bowl", "bin"))
    (thing,) = cast.draw(cast.spec(kind), gap=0.06)
    ways = {"left": (0, 1), "right": (0, -1), "forward": (1, 0), "backward": (-1, 0)}
    options = []
    for name, way in ways.items():
        for cm in (5, 8, 10, 12, 15, 20):
            steps = [(cm / 100 + 0.03) * i / 3 for i in (1, 2, 3)]
            radius = max(thing.extent[:2]) / 2 + 0.02
            x, y = thing.position[:2]
            if all(is_free(cast, x + way[0] * s, y + way[1] * s, radius, (thing.id,)) for s in steps):
                back = max(thing.extent[:2]) / 2 + 0.06  # the fingers start behind it
                if is_free(cast, x - way[0] * back, y - way[1] * back, 0.025, (thing.id,)):
                    options.append((name, cm))
    if not options:
        raise Retry
    name, cm = cast.rng.choice(options)
    a, words = cast.describe(thing), cast.rng.choice(DIRECTIONS[name])
    if cm != 10 or cast.rng.random() < 0.5:
        amount = cast.rng.choice(
            (f"{cm} cm", f"{cm} centimeters", f"{cm} centimetres", f"0.{cm:02d} m", f"{cm * 10} mm")
        )
        words = cast.rng.choice((f"{amount} {words}", f"{words} by {amount}", f"by {amount} {words}"))
    return Draft(g.Push(a, name, None if cm == 10 else cm / 100), "push", {"a": a, "d": words})


def clear(cast: Cast) -> Draft:
    """Several things into one container, or off a plate."""
    if cast.rng.random() < 0.15:
        return _clear_off(cast)
    container = cast.spec(cast.rng.choice(("box", "bin", "bowl")), size="large")
    box = sized(container.kind, container.size)
    specs = []
    for _ in range(cast.rng.choice((2, 2, 3, 3, 4))):
        kind, _ = cast.carried(lambda k, s: k not in ("bottle", "mug") and fits(k, "small", box))
        specs.append(cast.spec(kind, size="small"))
    into, *things = cast.draw(container, *specs, extra=(0, 0))
    b = cast.describe(into, plain=True)
    chance = cast.rng.random()
    if chance < 0.25:
        what = Description("object", plural=True, except_=(b,))
        return Draft(g.Clear(what, b), "clear_table", {"b": b}, implied=(what,))
    kept = cast.rng.choice(things)
    if chance < 0.5:
        what = Description("object", plural=True, except_=(b,))
        said = Description("object", plural=True)
    elif chance < 0.75 and len(things) > 1:
        spared = cast.describe(kept, plain=True)
        what = Description("object", plural=True, except_=(b, spared))
        said = Description("object", plural=True, except_=(spared,))
    else:
        kind = "fruit" if kept.kind in FRUITS and cast.rng.random() < 0.5 else kept.kind
        what = said = Description(kind, plural=True)
        if cast.rng.random() < 0.3:
            what = said = Description("object", kept.color, plural=True)
    if into.id in (cast.safely(what) or (into.id,)):
        raise Retry
    return Draft(g.Clear(what, b), "clear", {"a": Said(said, what), "b": b})


def _clear_off(cast: Cast) -> Draft:
    plate = cast.spec("plate", size="large")
    name = f"{plate.color} plate"
    spots = cast.rng.sample(((0.045, 0.0), (-0.04, 0.03), (0.0, -0.045)), cast.rng.choice((1, 2)))
    load = [
        cast.spec(cast.rng.choice(("cube", "cylinder", "lemon")), size="small", on=name, position=spot)
        for spot in spots
    ]
    support, *_ = cast.draw(plate, *load, extra=(0, 1), kinds=("cube", "can", "bowl", "apple"))
    b = cast.describe(support, plain=True)
    what = Description("object", plural=True, relation="on", reference=b)
    return Draft(g.Clear(what), "clear_off", {"a": Said(Description("object", plural=True), what), "b": b})


def swap(cast: Cast) -> Draft:
    """Two things that stand alone."""
    kinds = [cast.rng.choice(("cube", "cylinder", "can", "apple", "lemon", "mug", "banana")) for _ in range(2)]
    first, second = cast.draw(*(cast.spec(kind) for kind in kinds), extra=(0, 2), gap=0.06)
    if math.dist(first.position, second.position) < 0.12:
        raise Retry
    a, b = cast.describe(first, plain=True), cast.describe(second, plain=True)
    return Draft(g.Swap(a, b), "swap", {"a": a, "b": b})


def hold(cast: Cast) -> Draft:
    """Pick one thing up."""
    kind = cast.kind()
    (thing,) = cast.draw(cast.spec(kind))
    a = cast.describe(thing)
    manner, keys = manner_of(cast, kind, 0.15)
    return Draft(g.Hold(a, manner), "hold", {"a": a}, manner=keys)


def home(cast: Cast) -> Draft:
    """Out of the way."""
    cast.draw(cast.spec(), extra=(0, 2))
    return Draft(g.Home(), "home")


FAMILIES: dict[str, Family] = {
    "place_in": place_in,
    "place_on": place_on,
    "place_beside": place_beside,
    "stack": stack,
    "sort": sort,
    **PARTS,
    "push": push,
    "clear": clear,
    "swap": swap,
    "hold": hold,
    "home": home,
}
