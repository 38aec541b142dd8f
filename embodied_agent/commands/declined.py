"""Drawing commands that end in a refusal or a question instead of a motion."""

from __future__ import annotations

import math
from dataclasses import replace

from embodied_agent.commands import refusals as words
from embodied_agent.commands.cast import CARRIED, DISTRACTORS, Cast, Retry, fits
from embodied_agent.commands.draft import Draft, Slot
from embodied_agent.commands.families import FAMILIES
from embodied_agent.commands.splits import of_split
from embodied_agent.planners import goal as g
from sim.descriptions import Description, Thing, resolve
from sim.dimensions import CONTAINERS
from sim.scene import ObjectSpec
from sim.things import things_of

NAMING = (
    "place_in",
    "place_on",
    "place_beside",
    "hold",
    "push",
    "swap",
    "stack",
    "open",
    "close",
    "press",
    "turn",
)


def absent(cast: Cast) -> Draft:
    """A task about something that is not there."""
    if cast.rng.random() < 0.2:
        return _absent_fixture(cast)
    draft = FAMILIES[cast.rng.choice(NAMING[:7])](cast)
    keys = [k for k, slot in draft.slots.items() if isinstance(slot, Description) and slot.kind in DISTRACTORS]
    key = cast.rng.choice(keys) if keys else None
    if key is None:
        raise Retry
    named = draft.slots[key]
    assert isinstance(named, Description)
    carried = named.kind in CARRIED
    what = cast.absent(tuple(CARRIED) if carried else tuple(k for k in DISTRACTORS if k not in CARRIED))
    if cast.rng.random() < 0.15 and not resolve(sized := replace(what, size="large"), cast.things):
        what = sized
    return Draft(_absence(what), draft.pattern, {**draft.slots, key: what})


def _absent_fixture(cast: Cast) -> Draft:
    """A button, knob, drawer or door where there is none."""
    pattern, kind = cast.rng.choice(
        (
            ("press", "button"),
            ("turn", "knob"),
            ("open", "drawer"),
            ("close", "drawer"),
            ("open", "cupboard door"),
        )
    )
    cast.draw(cast.spec(), cast.spec(), extra=(0, 3))
    what = Description(kind)
    if kind == "drawer" and cast.rng.random() < 0.6:
        what = Description(kind, ordinal=cast.rng.choice(("top", "bottom")))
    if resolve(what, cast.things):
        raise Retry
    return Draft(_absence(what), pattern, {"a": what})


def _absence(what: Description) -> g.Refuse:
    return g.Refuse(f"there is no {what.text()} here", "absent")


def unreachable(cast: Cast) -> Draft:
    """A thing that is seen, but stands farther away than any arm here can reach."""
    cast.draw(cast.spec("bowl", size="large"), cast.spec(size="small"), extra=(0, 2))
    kind = cast.kind("cube", "can", "apple", "lemon", "mug", "cylinder")
    angle = cast.rng.choice((-1, 1)) * cast.rng.uniform(0.45, 0.62)
    radius = cast.rng.uniform(0.97, 1.03)
    far = cast.spec(kind, size="large" if kind != "apple" else "small")
    far = replace(far, position=(radius * math.cos(angle), radius * math.sin(angle)), yaw=cast.rng.uniform(-3, 3))
    objects: tuple[ObjectSpec, ...] = (*cast.scene.objects, far)
    cast.scene = replace(cast.scene, objects=objects)
    cast.things = things_of(cast.scene)
    thing = next(item for item in cast.things if item.id == cast.scene.objects[-1].name)
    a = cast.describe(thing, plain=True)
    slots: dict[str, Slot] = {"a": a}
    pattern = cast.rng.choice(("hold", "place_in", "place_beside"))
    if pattern != "hold":
        slots["b"] = cast.describe(cast.things[0], plain=True)
    return Draft(g.Refuse(f"the {a.text()} is out of reach", "unreachable"), pattern, slots)


def misfit(cast: Cast) -> Draft:
    """A thing into a container that is clearly too small for it."""
    thing = cast.spec(cast.rng.choice(("bowl", "plate", "box", "bin", "bottle", "banana")), size="large")
    into = cast.spec(cast.rng.choice(("mug", "mug", "bowl", "bin")), size="small")
    if into.kind != "mug" and thing.kind not in ("plate", "box", "bowl"):
        raise Retry
    first, second = cast.draw(thing, into, extra=(0, 2))
    if fits(first.kind, first.size, second):
        raise Retry
    a, b = cast.describe(first, plain=True), cast.describe(second, plain=True)
    reason = f"the {a.text()} does not fit in the {b.text()}"
    return Draft(g.Refuse(reason, "fit"), "place_in", {"a": a, "b": b})


def two_fit(cast: Cast) -> Draft:
    """A phrase that fits two or more things, or a drawer without saying which."""
    if cast.rng.random() < 0.15:
        cast.draw(cast.spec(), fixtures=("cabinet",), extra=(0, 2))
        what = Description("drawer")
        question = "which drawer do you mean, the top one or the bottom one?"
        return Draft(g.Ask(question, "two_fit"), cast.rng.choice(("open", "close")), {"a": what})
    kind = cast.kind("cube", "cube", "ball", "mug", "can", "apple", "lemon", "cylinder", "bottle")
    base = cast.spec(kind)
    twins = [base, cast.spec(kind)]
    if cast.rng.random() < 0.25:
        twins[1] = cast.spec(kind, base.color, base.size)
    if cast.rng.random() < 0.2:
        twins.append(cast.spec(kind))
    pattern = cast.rng.choice(("hold", "place_in", "place_in", "place_on", "place_beside", "push"))
    goal_kind = {"place_in": "bowl", "place_on": "plate", "place_beside": "box"}.get(pattern, "bowl")
    drawn = cast.draw(*twins, cast.spec(goal_kind, size="large"), extra=(0, 2))
    what = Description(kind)
    if len({twin.color for twin in twins}) == 1 and cast.rng.random() < 0.6:
        what = Description(kind, twins[0].color)
    found = resolve(what, cast.things)
    if len(found) < 2:
        raise Retry
    slots: dict[str, Slot] = {"a": what, "b": cast.describe(drawn[-1], plain=True)}
    slots["d"] = cast.rng.choice(("to the left", "to the right", "forward"))
    question = which(what, found)
    return Draft(g.Ask(question, "two_fit" if len(found) == 2 else "many_fit"), pattern, slots)


def which(what: Description, found: list[Thing]) -> str:
    """The question that tells candidates apart: by colour, else by size, else by side."""
    stem = f"which {what.text()} do you mean"
    if len(found) > 2:
        return f"{stem}?"
    first, second = found  # left to right
    if first.color != second.color:
        return f"{stem}, the {first.color} one or the {second.color} one?"
    if first.size != second.size:
        return f"{stem}, the {first.size} one or the {second.size} one?"
    return f"{stem}, the left one or the right one?"


def unsaid(cast: Cast) -> Draft:
    """A command that leaves out what, or where to."""
    if cast.rng.random() < 0.25:
        cast.draw(cast.spec(), extra=(0, 3))
        return Draft(g.Ask("what should I do?", "what"), _pool(cast, words.VAGUE))
    if cast.rng.random() < 0.5:
        (thing,) = cast.draw(cast.spec())
        a = cast.describe(thing)
        return Draft(g.Ask(f"where should I put the {a.text()}?", "where"), _pool(cast, words.WHERE), {"a": a})
    container = cast.spec(cast.rng.choice([k for k in CONTAINERS if k != "mug"]))
    (into, *_) = cast.draw(container, cast.spec(), cast.spec())
    b = cast.describe(into, plain=True)
    return Draft(g.Ask(f"what should I put in the {b.text()}?", "what"), _pool(cast, words.WHAT), {"b": b})


def declined(cast: Cast) -> Draft:
    """Not a task, beyond abilities, unsafe, in another language, or junk."""
    things = cast.draw(cast.spec(), cast.spec("bowl"), extra=(0, 3))
    a = cast.describe(things[0])
    why = cast.rng.choices(("not_a_task", "ability", "unsafe", "language", "junk"), (3, 4, 4, 2, 1))[0]
    goal = g.Refuse(words.ANSWERS[why], why)
    if why == "junk":
        return Draft(goal, junk(cast))
    pools = {
        "not_a_task": words.NOT_A_TASK,
        "ability": words.NOT_ABLE,
        "unsafe": words.UNSAFE,
        "language": words.FOREIGN,
    }
    parts: dict[str, Slot] = {"p": f"put {a.text()} in the bowl", "a": a}
    return Draft(goal, _pool(cast, pools[why]), parts)


def _pool(cast: Cast, texts: tuple[str, ...]) -> str:
    """One of a split's templates, marked as a template itself and not a key of `PATTERNS`."""
    return "=" + cast.rng.choice(of_split(texts, cast.split))


def junk(cast: Cast) -> str:
    """Random words or letters; its own text is no template."""
    rng = cast.rng
    if rng.random() < 0.5:
        return "!" + " ".join(rng.sample(words.JUNK_WORDS, rng.randint(2, 6)))
    letters = "abcdefghijklmnopqrstuvwxyz0123456789#$%&*+?"
    return "!" + " ".join("".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(rng.randint(1, 5)))


DECLINED = {
    "absent": absent,
    "unreachable": unreachable,
    "misfit": misfit,
    "ambiguous": two_fit,
    "unsaid": unsaid,
    "declined": declined,
}
