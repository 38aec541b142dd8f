"""A description said in natural words: synonyms, order, links, uses, plurals and exceptions."""

from __future__ import annotations

import random
from collections.abc import Sequence

from embodied_agent.commands import lexicon as words
from embodied_agent.commands.splits import of_split
from sim.descriptions import Description, Thing, plural_of

CANONICAL = 0.45  # chance of the plain word for a kind, colour or size


def pick(rng: random.Random, options: Sequence[str]) -> str:
    """The canonical word often, a synonym otherwise."""
    return options[0] if rng.random() < CANONICAL else rng.choice(options)


def noun_words(description: Description, things: Sequence[Thing]) -> tuple[str, ...]:
    """Words for the kind that mislead nobody in this scene."""
    kind = description.kind
    if description.plural:
        return words.PLURAL_WORDS.get(kind) or tuple(plural_of(word) for word in words.KIND_WORDS[kind])
    present = {thing.kind for thing in things}
    confusing = {
        "dish": "plate",
        "saucer": "bowl",
        "open box": "bin",
        "round block": "ball",
        "square block": "box",
        "trash can": "can",
        "case": "cupboard door",
        "citrus fruit": "",
        "cupboard": "",
    }
    return tuple(
        word
        for index, word in enumerate(words.KIND_WORDS[kind])
        if index == 0 or confusing.get(word, "nothing") not in present
    )


def phrase(
    description: Description,
    rng: random.Random,
    split: str,
    things: Sequence[Thing],
    article: str = "the",
    bare: bool = False,
) -> str:
    """Say a description.

    Args:
        description: What is meant.
        rng: Source of chance.
        split: Whose phrases by use may appear.
        things: The scene, to avoid words that would mislead in it.
        article: "the", "a" or "" for a singular one.
        bare: Say a plural one without "all the".

    Returns:
        A noun phrase with its article.
    """
    if described := _by_use(description, rng, split, things, article):
        return described
    if description.plural:
        return _plural(description, rng, split, things, bare)
    body = _ordered(description, rng, _adjectives(description, rng, things))
    body += _relation(description, rng, split, things)
    if article == "a":
        article = "an" if body[0] in "aeiou" else "a"
    return f"{article} {body}".strip()


def _by_use(
    description: Description, rng: random.Random, split: str, things: Sequence[Thing], article: str
) -> str:
    """A phrase by use or taste, now and then, for a bare kind that is alone in the scene."""
    if article != "the" or description != Description(description.kind) or rng.random() > 0.25:
        return ""
    alone = [thing for thing in things if thing.kind == description.kind]
    uses = of_split(words.USES.get(description.kind, ()), split)
    return rng.choice(uses) if uses and len(alone) == 1 else ""


def _adjectives(description: Description, rng: random.Random, things: Sequence[Thing]) -> str:
    noun = pick(rng, noun_words(description, things))
    color = pick(rng, words.COLOR_WORDS[description.color]) if description.color else ""
    size = pick(rng, words.SIZE_WORDS[description.size]) if description.size else ""
    order = [color, size] if color and size and rng.random() < 0.08 else [size, color]
    return " ".join(word for word in (*order, noun) if word)


def _ordered(description: Description, rng: random.Random, noun: str) -> str:
    ordinal = description.ordinal
    if " from the " in ordinal:
        rank, side = ordinal.split(" from the ")
        return f"{pick(rng, words.RANK_WORDS[rank])} {noun} {pick(rng, words.SIDE_WORDS[side])}"
    return pick(rng, words.ORDINAL_WORDS[ordinal]).replace("{n}", noun) if ordinal else noun


def _relation(description: Description, rng: random.Random, split: str, things: Sequence[Thing]) -> str:
    if description.reference is None:
        return ""
    link = rng.choice(words.LINKS)
    if description.plural and link:
        link = "that are"
    relation = pick(rng, words.RELATION_WORDS[description.relation])
    reference = phrase(description.reference, rng, split, things)
    return "".join(f" {word}" for word in (link, relation, reference) if word)


def _plural(description: Description, rng: random.Random, split: str, things: Sequence[Thing], bare: bool) -> str:
    anything = description == Description("object", plural=True, except_=description.except_)
    if anything and not bare and rng.random() < 0.7:
        text = pick(rng, words.EVERYTHING)
    else:
        quantifier = "" if bare else pick(rng, ("all the", "all", "the", "all of the", "every one of the"))
        text = f"{quantifier} {_adjectives(description, rng, things)}".strip()
        text += _relation(description, rng, split, things)
    if description.except_:
        named = " and ".join(phrase(item, rng, split, things) for item in description.except_)
        text += f" {pick(rng, words.BUT)} {named}"
    return text
