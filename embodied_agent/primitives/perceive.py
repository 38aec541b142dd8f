"""Finding things: a phrase or a clicked point in, measured objects and places out."""

from __future__ import annotations

from typing import Annotated

from embodied_agent.primitives.context import Context
from embodied_agent.primitives.registry import primitive
from embodied_agent.signature import Range, Type
from embodied_agent.types import Object, Result


def _measured(found: tuple[Object, ...]) -> list[dict[str, object]]:
    return [
        {
            "id": item.id,
            "kind": item.kind,
            "color": item.color,
            "position": [round(float(v), 4) for v in item.position],
            "extent": [round(float(v), 4) for v in item.extent],
            "confidence": round(item.confidence, 3),
        }
        for item in found
    ]


@primitive(returns=Type.OBJECT, effect="perceive")
def find(context: Context, description: str) -> Result:
    """Find the one thing that a description means; fails if none is seen or several fit.

    Args:
        description: A noun phrase, e.g. "large red mug", "cube left of the bowl", "top drawer".
    """
    brought = context.brought
    if brought is not None and brought is context.held and brought.object.description == description:
        # Before it was lifted this was what the phrase meant; of what is left it may mean another.
        return Result(value=context.view.known(brought.object), evidence={"held": brought.object.id})
    found, grounding = context.view.find(description)
    evidence = {"description": description, "understood": grounding.words, "found": _measured(found)}
    before = context.still_meant(description)
    if before is not None:
        context.meanings.note(description, before)
        return Result(value=before, evidence=evidence | {"meant_before": before.id})
    if not found:
        known = context.remembered(description)
        if known is not None:  # held, or hidden where it was put: what it is called is known
            return Result(value=known, evidence=evidence | {"remembered": known.id})
        return Result(ok=False, reason=f"found no {description!r} in the image", evidence=evidence)
    if grounding.ambiguous:
        return Result(ok=False, reason=f"{description!r} fits {len(found)} things equally well", evidence=evidence)
    context.meanings.note(description, found[0])
    return Result(value=found[0], evidence=evidence)


@primitive(returns=Type.OBJECTS, effect="perceive")
def find_all(context: Context, description: str) -> Result:
    """Find every thing that a description means; fails if none is seen.

    A `for` over it looks again at its end, and goes on with what was hidden before.

    Args:
        description: A plural noun phrase, e.g. "cubes", "fruits", "objects except the bowl".
    """
    found, grounding = context.view.find(description)
    evidence = {"description": description, "understood": grounding.words, "found": _measured(found)}
    known = context.remembered(description)  # what was one of them is one still, held or hidden
    if known is not None and known.id not in {item.id for item in found}:
        found, evidence = (*found, known), evidence | {"remembered": known.id}
    if not found:
        return Result(value=(), ok=False, reason=f"found no {description!r} in the image", evidence=evidence)
    context.meanings.note_all(description, found)
    return Result(value=found, evidence=evidence)


@primitive(returns=Type.BOOLEAN, effect="perceive")
def exists(context: Context, description: str) -> Result:
    """Whether at least one such thing is seen.

    Args:
        description: A noun phrase.
    """
    found, grounding = context.view.find(description)
    return Result(
        value=bool(found),
        evidence={"description": description, "understood": grounding.words, "found": _measured(found)},
    )


@primitive(returns=Type.INTEGER, effect="perceive")
def count(context: Context, description: str) -> Result:
    """How many such things are seen.

    Args:
        description: A plural noun phrase.
    """
    found, grounding = context.view.find(description)
    return Result(
        value=len(found),
        evidence={"description": description, "understood": grounding.words, "count": len(found)},
    )


@primitive(returns=Type.OBJECT, effect="perceive")
def find_at(context: Context, point: Annotated[int, Range(1, 4)] = 1) -> Result:
    """The thing that the person pointed at.

    Args:
        point: Which of the person's clicked points, counted from 1.
    """
    clicked = context.clicked(point)
    if not clicked.ok:
        return clicked
    item = context.view.object_at(clicked.value)
    if item is None:
        return Result(ok=False, reason=f"nothing but the table is seen at pixel {clicked.value}")
    return Result(value=item, evidence={**clicked.evidence, "found": _measured((item,))})


@primitive(returns=Type.POSE, effect="perceive")
def spot_at(context: Context, point: Annotated[int, Range(1, 4)] = 1) -> Result:
    """The place on a surface that the person pointed at.

    Args:
        point: Which of the person's clicked points, counted from 1.
    """
    clicked = context.clicked(point)
    if not clicked.ok:
        return clicked
    spot = context.view.surface_at(clicked.value)
    if spot is None:
        return Result(ok=False, reason=f"the depth camera has no reading at pixel {clicked.value}")
    return Result(value=spot, evidence={**clicked.evidence, "position": spot.position.round(4).tolist()})


@primitive(returns=Type.POSE, effect="compute")
def position_of(context: Context, object: Object) -> Result:
    """Where a thing stands as last measured; use it to put something there later.

    Args:
        object: The thing.
    """
    return Result(value=object.pose, evidence={"position": object.position.round(4).tolist()})


@primitive(returns=Type.OBJECT, effect="perceive", for_skills=True)
def locate(context: Context, object: Object) -> Result:
    """Measure a known thing again, in a new image if anything moved since the last.

    Args:
        object: The thing as last measured.
    """
    newest = context.view.again(object)
    if newest is None:
        return Result(
            ok=False,
            reason=f"{object.description!r} is no longer seen near where it was",
            evidence={"last_position": object.position.round(4).tolist()},
        )
    moved = float(((newest.position - object.position) ** 2).sum() ** 0.5)
    return Result(value=newest, evidence={"moved": round(moved, 4), "found": _measured((newest,))})
