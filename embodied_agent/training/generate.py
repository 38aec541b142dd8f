"""Training data out of nothing but seeds: commands with programs, and phrases with what they mean."""

from __future__ import annotations

from embodied_agent.commands.cast import DISTRACTORS, Cast, Retry, new_cast
from embodied_agent.commands.draw import FAMILY_NAMES, WEIGHTS, Example, Grounded, generate
from embodied_agent.commands.wording import phrase
from sim.descriptions import CATEGORIES, PARTS, RELATIONS, Description, resolve
from sim.scene import Scene
from sim.things import things_of

__all__ = ["FAMILY_NAMES", "WEIGHTS", "Example", "Grounded", "generate", "phrases"]


def phrases(seed: int, split: str, scene: Scene, count: int = 8) -> list[Grounded]:
    """Noun phrases about a scene, canonical and natural, for training the pointer.

    About one in five names nothing that is there, one in five is plural, some fit several things.

    Args:
        seed: Same seed, same phrases.
        split: Whose phrases by use may appear, and whose pairs of colour and kind are named absent.
        scene: Any scene.
        count: How many.

    Returns:
        `count` phrases; `Grounded.ids` are the names of objects and parts meant.
    """
    cast = new_cast(split, seed, "phrases")
    cast.scene, cast.things = scene, things_of(scene)
    found: list[Grounded] = []
    for _ in range(40 * count):
        if len(found) == count:
            break
        description = _described(cast)
        ids = cast.safely(description) if description is not None else None
        if description is None or ids is None:
            continue
        canonical = description.text()
        said = canonical
        if cast.rng.random() < 0.6:
            article = cast.rng.choice(("the", "the", "a", "")) if len(ids) != 1 else "the"
            said = phrase(description, cast.rng, split, cast.things, article)
        found.append(Grounded(said, canonical, tuple(ids), len(ids) > 1 and not description.plural))
    return found


def _described(cast: Cast) -> Description | None:
    """One description: of something there, of several, or of nothing."""

    rng, objects = cast.rng, [thing for thing in cast.things if thing.kind in DISTRACTORS]
    chance = rng.random()
    try:
        if chance < 0.2 or not cast.things:
            return cast.absent()
        if chance < 0.62:
            return cast.describe(rng.choice(cast.things), plain=rng.random() < 0.5)
        if not objects:
            return None
        thing = rng.choice(objects)
        if chance < 0.82:
            return _several(cast, thing.kind, thing.color)
        return Description(thing.kind, rng.choice(("", thing.color)))
    except Retry:
        return None


def _several(cast: Cast, kind: str, color: str) -> Description:

    rng = cast.rng
    category = [name for name, kinds in CATEGORIES.items() if kind in kinds]
    base = rng.choice(
        (
            Description(kind, plural=True),
            Description(kind, color, plural=True),
            Description("object", color, plural=True),
            Description(rng.choice(category), plural=True),
            Description("object", plural=True),
        )
    )
    others = [thing for thing in cast.things if thing.kind not in PARTS]
    other = rng.choice(others)
    try:
        named = cast.describe(other, plain=True)
    except Retry:
        return base
    if rng.random() < 0.25:
        return Description(base.kind, base.color, plural=True, except_=(named,))
    if rng.random() < 0.25:
        relation = rng.choice(RELATIONS[:5])
        related = Description(base.kind, base.color, "", "", relation, named, True)
        return related if resolve(related, cast.things) else base
    return base
