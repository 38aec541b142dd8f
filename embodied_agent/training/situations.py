"""Scenes as the language stages see them: visual tokens, what stands there, and the command."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator

from embodied_agent.errors import BadInput
from embodied_agent.mllm.instances import Instances, find_instances
from embodied_agent.mllm.network import EmbodiedNetwork
from embodied_agent.mllm.objects import Float, Seen, describe
from embodied_agent.mllm.picture import Picture, camera_from_array, picture_from_arrays
from embodied_agent.mllm.precision import fast_precision
from embodied_agent.mllm.recognize import recognize
from embodied_agent.mllm.settings import ModelSettings
from embodied_agent.mllm.vision import STRIDE, Dense, stack_inputs
from embodied_agent.training.augment import augment_color, augment_depth
from embodied_agent.training.queries import draw_queries
from embodied_agent.training.sequences import Example, Phrase, Sets
from embodied_agent.training.shards import FIRST_INSTANCE, Shot
from sim.descriptions import Thing, parse_canonical, resolve

_MATCH = 0.4  # IoU from which a detected instance counts as the thing


@dataclass(frozen=True)
class Episode:
    """A command and the right answer.

    Attributes:
        command: The sentence.
        program, repair: Canonical program at first, and after a failure ("" = none).
        phrases: Canonical descriptions that the answer speaks of, in order, each with the ids of
            the things that it fits and its state.
        points: Clicked points as the model reads them, (P, 5).
        family: Of tasks, for the evaluation.
        seed: What generated it; -1 = unknown.
        spans: Where phrases stand in the command, see `Example.spans`; None = not known.
    """

    command: str
    program: str
    repair: str
    phrases: tuple[tuple[str, tuple[str, ...], str], ...]
    points: Float = field(default_factory=lambda: np.zeros((0, 5), dtype=np.float32))
    family: str = ""
    seed: int = -1
    spans: tuple[tuple[int, int, bool, int], ...] | None = None


@dataclass(frozen=True)
class Situation:
    """One scene.

    Attributes:
        seen: Visual tokens.
        things: What can be seen there.
        token_of: Object token of each thing that was detected, by id.
        episode: A command in this scene, or None.
        natural: Noun phrases as people say them: phrase, canonical wording, ids of what is meant.
    """

    seen: Seen
    things: tuple[Thing, ...]
    token_of: dict[str, int]
    episode: Episode | None = None
    natural: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


def episode_from_record(record: dict[str, Any], points: Float) -> Episode:
    """The episode of a JSON record; `points` as the model reads them, (P, 5)."""
    return Episode(
        command=record["command"],
        program=record["program"],
        repair=record["repair"],
        phrases=tuple((text, tuple(ids), state) for text, ids, state in record["phrases"]),
        points=points,
        family=record["family"],
        seed=record["seed"],
        spans=tuple((first, last, bool(alone), int(k)) for first, last, alone, k in record["spans"])
        if "spans" in record
        else None,
    )


def thing_from_dict(data: dict[str, Any]) -> Thing:
    """Inverse of `dataclasses.asdict` after a trip through JSON."""
    values = dict(data)
    for name in ("position", "extent"):
        values[name] = tuple(values[name])
    return Thing(**values)


def thing_to_dict(thing: Thing) -> dict[str, Any]:
    """JSON-ready."""
    return asdict(thing)


def ground_phrase(
    text: str, ids: Sequence[str], state: str, token_of: dict[str, int], things: Sequence[Thing] = ()
) -> Phrase:
    """The phrase as the pointer should learn it; with `things`, also what it means on the way."""
    tokens = tuple(token_of[name] for name in ids if name in token_of)
    sets = _sets_of(text, token_of, things) if things else None
    return Phrase(text, tokens, state, certain=len(tokens) == len(ids), sets=sets)


def _sets_of(text: str, token_of: dict[str, int], things: Sequence[Thing]) -> Sets | None:
    """What a description means on the way to what it means; None for other wordings."""
    try:
        said = parse_canonical(text)
    except BadInput:
        return None

    def tokens(group: Iterable[Thing]) -> tuple[int, ...]:
        return tuple(token_of[thing.id] for thing in group if thing.id in token_of)

    others = [item for item in (said.reference, *said.except_) if item is not None]
    return Sets(
        alike=tokens(resolve(replace(said, ordinal="", relation="", reference=None, except_=()), things)),
        reference=tokens(thing for item in others for thing in resolve(item, things)),
        fitting=tokens(resolve(replace(said, ordinal=""), things)),
        gates=(bool(said.relation), bool(said.except_)),
    )


def plan_example(situation: Situation, rng: Generator, again: float = 0.12) -> Example | None:
    """The command of a situation; None where something that it speaks of is not seen at all."""
    episode = situation.episode
    if episode is None:
        return None
    phrases = []
    for text, ids, state in episode.phrases:
        phrase = ground_phrase(text, ids, state, situation.token_of, situation.things)
        if ids and not phrase.objects:
            return None
        phrases.append(phrase)
    repeated = bool(episode.repair) and rng.random() < again
    return Example(
        words=episode.command,
        seen=dropped(situation.seen, rng),
        phrases=tuple(phrases),
        program=episode.repair if repeated else episode.program,
        points=episode.points,
        again=repeated,
        spans=episode.spans,
    )


def query_examples(situation: Situation, count: int, rng: Generator) -> list[Example]:
    """Descriptions to find, canonical and natural, where all that they mean was detected."""
    told: list[tuple[str, str, Sequence[str], str]] = []
    for description, matches, state in draw_queries(situation.things, count, rng):
        text = description.text()
        words = f"the {text}" if rng.random() < 0.3 else text
        told.append((words, text, [thing.id for thing in matches], state))
    told += _spoken(situation)
    if situation.natural:
        shown = {thing.id for thing in situation.things}
        for index in rng.integers(len(situation.natural), size=count):
            words, text, named = situation.natural[int(index)]
            if all(name in shown for name in named):
                told.append((words, text, named, _state(text, len(named))))
    examples = []
    for index in rng.permutation(len(told))[:count]:
        words, text, ids, state = told[int(index)]
        phrase = ground_phrase(text, ids, state, situation.token_of, situation.things)
        if phrase.certain:
            examples.append(Example(words, dropped(situation.seen, rng), (phrase,)))
    return examples


def _spoken(situation: Situation) -> list[tuple[str, str, Sequence[str], str]]:
    """Phrases of the situation's command as they were typed: words, canonical wording, ids, state."""
    episode = situation.episode
    if episode is None:
        return []
    found: list[tuple[str, str, Sequence[str], str]] = []
    for start, end, alone, number in episode.spans or ():
        text, ids, state = episode.phrases[number]
        if alone:
            found.append((episode.command[start:end], text, ids, state))
    return found


def _state(text: str, count: int) -> str:
    if count == 0:
        return "absent"
    if parse_canonical(text).plural:
        return "several"
    return "found" if count == 1 else "ambiguous"


def dropped(seen: Seen, rng: Generator) -> Seen:
    """At times without the grid: attributes and places must suffice."""
    return replace(seen, grid=np.zeros_like(seen.grid)) if rng.random() < 0.5 else seen


def look_at(network: EmbodiedNetwork, shots: list[Shot], rng: Generator | None) -> tuple[list[Picture], Dense]:
    """Shots as pictures, and what the first look makes of them.

    Args:
        network: Its vision is trained.
        shots: Of one batch.
        rng: Augments the pictures; None = as they are.
    """
    device = next(network.parameters()).device
    pictures, inputs = [], []
    for shot in shots:
        picture = shot.picture()
        depth, height = picture.depth, picture.height
        if rng is not None:
            depth, height = augment_depth(depth, height, rng)
            image = augment_color(picture.image, rng)
            picture = picture_from_arrays(image, depth, camera_from_array(shot.camera))
        pictures.append(picture)
        inputs.append(stack_inputs(*(torch.from_numpy(a)[None] for a in (picture.rgb, depth, height))))
    with torch.inference_mode(), fast_precision(device):
        return pictures, network.vision(torch.cat(inputs).to(device))


def see_shots(
    network: EmbodiedNetwork, shots: list[Shot], settings: ModelSettings, rng: Generator | None
) -> list[tuple[Seen, Instances, dict[str, int], Dense]]:
    """Look at shots with the trained eyes and match what they found to what is there.

    Args:
        network: Its vision and its recognizer are trained.
        shots: Of one batch.
        settings: Sizes.
        rng: Augments the pictures; None = as they are.
    """
    pictures, dense = look_at(network, shots, rng)
    results = []
    for index, (shot, picture) in enumerate(zip(shots, pictures, strict=True)):
        instances = find_instances(dense, index, settings.max_objects)
        instances = recognize(network.recognizer, picture, instances)
        seen = describe(picture, instances, dense.coarse[index])
        results.append((seen, instances, match_instances(shot, instances), dense))
    return results


def match_instances(shot: Shot, instances: Instances) -> dict[str, int]:
    """Detected instance of each true one by name, by greatest overlap."""
    labels = np.asarray(shot.labels)[::STRIDE, ::STRIDE]
    pairs = []
    for true, (name, _, _) in enumerate(shot.instances):
        mask = labels == FIRST_INSTANCE + true
        area = int(mask.sum())
        if not area:
            continue
        hits = np.bincount(instances.ids[mask] + 1, minlength=len(instances) + 1)[1:]
        for found in np.flatnonzero(hits).tolist():
            union = area + int((instances.ids == found).sum()) - int(hits[found])
            pairs.append((float(hits[found]) / union, name, found))
    matched: dict[str, int] = {}
    taken: set[int] = set()
    for overlap, name, found in sorted(pairs, reverse=True):
        if overlap >= _MATCH and name not in matched and found not in taken:
            matched[name] = found
            taken.add(found)
    return matched


Tokens = dict[str, tuple[Seen, dict[str, int]]]


def save_tokens(path: Path, tokens: Tokens) -> None:
    """Visual tokens of many pictures in one file, by the keys of their shots."""
    seen = [item[0] for item in tokens.values()]
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        counts=np.array([len(item) for item in seen]),
        attributes=np.concatenate([item.attributes for item in seen]),
        geometry=np.concatenate([item.geometry for item in seen]),
        grid=np.stack([item.grid for item in seen]).astype(np.float16),
        names=np.frombuffer(json.dumps([(key, item[1]) for key, item in tokens.items()]).encode(), dtype=np.uint8),
    )
    partial.rename(path)


def load_tokens(path: Path) -> Tokens:
    """Inverse of `save_tokens`."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    names = json.loads(arrays["names"].tobytes())
    ends = np.cumsum(arrays["counts"])
    result: Tokens = {}
    for index, (count, end) in enumerate(zip(arrays["counts"], ends, strict=True)):
        own = slice(int(end - count), int(end))
        seen = Seen(
            arrays["attributes"][own],
            arrays["geometry"][own],
            arrays["grid"][index].astype(np.float32),
        )
        key, token_of = names[index]
        result[key] = (seen, token_of)
    return result
