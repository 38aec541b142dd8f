"""Random descriptions of the things in a scene: what `find` may be asked there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from numpy.random import Generator

from embodied_agent.commands.splits import colors_for
from sim.descriptions import (
    CATEGORIES,
    ORDINALS,
    RELATIONS,
    Description,
    Thing,
    resolve,
)
from sim.dimensions import COLORS, KINDS, SIZES

_SIDED = tuple(o for o in ORDINALS if o not in ("top", "bottom"))
_STATES_WANTED = {"found": 0.6, "several": 0.8, "absent": 0.35, "ambiguous": 0.35}


def state_of(description: Description, matches: Sequence[Thing]) -> str:
    """How a phrase that fits these things is grounded."""
    if not matches:
        return "absent"
    if description.plural:
        return "several"
    return "found" if len(matches) == 1 else "ambiguous"


def draw_queries(
    things: Sequence[Thing], count: int, rng: Generator
) -> list[tuple[Description, list[Thing], str]]:
    """Descriptions with what they mean, balanced over found, several, absent, ambiguous."""
    queries: list[tuple[Description, list[Thing], str]] = []
    for _ in range(40 * count):
        if len(queries) == count:
            break
        description = _draw(things, rng)
        matches = resolve(description, things)
        state = state_of(description, matches)
        if rng.random() < _STATES_WANTED[state]:
            queries.append((description, matches, state))
    return queries


def _draw(things: Sequence[Thing], rng: Generator) -> Description:
    objects = [thing for thing in things if thing.kind in KINDS]
    parts = [thing for thing in things if thing.kind not in KINDS]
    draw = rng.random()
    if parts and draw < 0.2:
        return _part(parts[int(rng.integers(len(parts)))], rng)
    if not objects or draw < 0.27:
        return _anything(rng)
    base = _about(objects[int(rng.integers(len(objects)))], rng)
    draw = rng.random()
    if draw < 0.3:
        return replace(base, ordinal=str(rng.choice(_SIDED)))
    if draw < 0.6 and len(things) > 1:
        other = things[int(rng.integers(len(things)))]
        reference = _name(other, rng)
        if rng.random() < 0.35:  # what truly holds: things on and in others are rare
            carried = [t for t in objects if t.container or t.support]
            if carried:
                thing = carried[int(rng.integers(len(carried)))]
                carrier = next((t for t in things if t.id in (thing.container, thing.support)), None)
                if carrier is not None:
                    relation = "in" if thing.container else "on"
                    return replace(_about(thing, rng), relation=relation, reference=_name(carrier, rng))
        return replace(base, relation=str(rng.choice(RELATIONS)), reference=reference)
    if draw < 0.78:
        plural = replace(base, plural=True)
        if rng.random() < 0.3:
            left_out = objects[int(rng.integers(len(objects)))]
            return replace(plural, except_=(Description(left_out.kind, left_out.color),))
        return plural
    return base


def _about(thing: Thing, rng: Generator) -> Description:
    """A description of this thing that may fit others as well, or by one word fit none."""
    kind = thing.kind
    if rng.random() < 0.18:
        kind = str(rng.choice([c for c, kinds in CATEGORIES.items() if thing.kind in kinds]))
    color = thing.color if rng.random() < 0.6 else ""
    size = thing.size if rng.random() < 0.2 else ""
    if rng.random() < 0.1:
        color = str(rng.choice(_colors(kind) if kind in KINDS else COLORS))
    if rng.random() < 0.06:
        size = str(rng.choice(SIZES))
    return Description(kind, color, size)


def _colors(kind: str) -> tuple[str, ...]:
    """Colours that training shows a kind in: one that it never shows would be learnt to be absent always."""
    return colors_for(kind, "train")


def _name(thing: Thing, rng: Generator) -> Description:
    """As a reference inside another description."""
    if thing.id in ("top drawer", "bottom drawer"):
        return Description("drawer", ordinal=thing.id.split()[0])
    if thing.kind not in KINDS:
        return Description(thing.kind)
    return Description(thing.kind, thing.color if rng.random() < 0.5 else "")


def _part(thing: Thing, rng: Generator) -> Description:
    if thing.kind == "drawer" and rng.random() < 0.75:
        return Description("drawer", ordinal=str(rng.choice(("top", "bottom"))))
    return Description(thing.kind)


def _anything(rng: Generator) -> Description:
    draw = rng.random()
    if draw < 0.2:
        return Description(str(rng.choice(list(CATEGORIES))), plural=bool(rng.random() < 0.7))
    if draw < 0.5:
        kind = str(rng.choice(("drawer", "cupboard door", "button", "knob", "shelf", "cabinet", "cupboard")))
        return Description(kind, ordinal="top" if kind == "drawer" and rng.random() < 0.5 else "")
    kind = str(rng.choice(KINDS))
    color = str(rng.choice(_colors(kind))) if rng.random() < 0.6 else ""
    return Description(kind, color, plural=bool(rng.random() < 0.3))
