"""Stages 2 and 3: what the decoder should write and where its links should point."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from embodied_agent.mllm.language import SentenceEncoder, WordReader
from embodied_agent.mllm.network import EmbodiedNetwork, Memory, Scenes, seen_at, stack_scenes
from embodied_agent.mllm.objects import Float, Seen
from embodied_agent.mllm.phrases import labels_of
from embodied_agent.mllm.pointer import Pointing
from embodied_agent.mllm.settings import ModelSettings
from embodied_agent.mllm.tokenizer import STATES, ProgramTokenizer

IGNORED = -100


@dataclass(frozen=True)
class Sets:
    """What a phrase means on the way to what it means, see `pointer.Pointing`.

    Attributes:
        alike, reference, fitting: Object tokens.
        gates: Whether there is a relation, and whether something is left out.
    """

    alike: tuple[int, ...]
    reference: tuple[int, ...]
    fitting: tuple[int, ...]
    gates: tuple[bool, bool]


@dataclass(frozen=True)
class Phrase:
    """One thing that a command speaks of.

    Attributes:
        text: Canonical description.
        objects: Object tokens that it means.
        state: "found", "several", "absent" or "ambiguous".
        certain: False = some of what it means was not detected: no pointer loss.
        sets: What the pointer should find on the way; None = not known.
    """

    text: str
    objects: tuple[int, ...]
    state: str
    certain: bool = True
    sets: Sets | None = None


@dataclass(frozen=True)
class Example:
    """One thing to learn.

    Attributes:
        words: The command, or the phrase of a query.
        seen: Visual tokens.
        phrases: Grounding, in order.
        program: Program text; "" = a query of one phrase.
        points: Clicked points, (P, 5).
        again: An earlier program failed.
        until: Tokens of the program that are learnt; 0 = all.
        spans: Of each phrase in the words first and last character, whether it says all by itself,
            and its number among `phrases`; None = not known.
    """

    words: str
    seen: Seen
    phrases: tuple[Phrase, ...]
    program: str = ""
    points: Float = field(default_factory=lambda: np.zeros((0, 5), dtype=np.float32))
    again: bool = False
    until: int = 0
    spans: tuple[tuple[int, int, bool, int], ...] | None = None


@dataclass(frozen=True)
class SequenceBatch:
    """Examples as tensors; T tokens, P links, N objects.

    Attributes:
        pieces, letters: Words as numbers, (B, L), (B, L, 20).
        spoken: Label of each word, see `phrases.LABELS`, (B, L); IGNORED where nothing is asked.
        scenes: Visual tokens.
        tokens: (B, T).
        labels: Next token at each position, (B, T); IGNORED where nothing is asked.
        links: Positions of `<link>`, (B, P); `linked` tells which are there, (B, P) bool.
        pointed: Which links have a pointer loss, (B, P) bool.
        members: Objects meant, (B, P, N) bool.
        sets, gates: Alike, reference and fitting objects, (B, P, 3, N) bool, and the gates, (B, P, 2)
            bool; `parted` tells for which links they are known, (B, P) bool.
        states: Index of the state, (B, P).
        feedback: Row of the link whose objects are fed back at a position, (B, T); -1 = none.
    """

    pieces: Tensor
    letters: Tensor
    spoken: Tensor
    scenes: Scenes
    tokens: Tensor
    labels: Tensor
    links: Tensor
    linked: Tensor
    pointed: Tensor
    members: Tensor
    sets: Tensor
    gates: Tensor
    parted: Tensor
    states: Tensor
    feedback: Tensor

    def to(self, device: torch.device) -> SequenceBatch:
        """The same on another device."""
        return SequenceBatch(*(getattr(self, item.name).to(device) for item in fields(self)))


def encode_example(example: Example, tokenizer: ProgramTokenizer) -> tuple[list[int], list[int], list[int]]:
    """Tokens, positions of the links, and which tokens are not to be predicted."""
    query = not example.program
    tokens = [tokenizer.find if query else tokenizer.again if example.again else tokenizer.start]
    links: list[int] = []
    silent = [0]
    for phrase in example.phrases:
        tokens += [tokenizer.ground, *tokenizer.encode(phrase.text), tokenizer.link]
        links.append(len(tokens) - 1)
        if not query:
            silent.append(len(tokens))  # the pointer decides the state, not the language head
            tokens.append(tokenizer.found + STATES.index(f"<{phrase.state}>"))
    if not query:
        texts = [phrase.text for phrase in example.phrases]
        program = [*tokenizer.encode_program(example.program, texts), tokenizer.end]
        tokens += [tokenizer.program, *program[: example.until or None]]
    return tokens, links, silent


def sequence_batch(
    examples: list[Example], tokenizer: ProgramTokenizer, reader: WordReader, settings: ModelSettings
) -> SequenceBatch:
    """Pad examples to one batch."""
    coded = [encode_example(example, tokenizer) for example in examples]
    scenes = stack_scenes([e.seen for e in examples], [e.points for e in examples], settings)
    words = reader.read([example.words for example in examples])
    batch, length = len(examples), max(len(item[0]) for item in coded)
    most, objects = max(1, *(len(item[1]) for item in coded)), scenes.present.shape[1]
    tokens = np.full((batch, length), tokenizer.pad, dtype=np.int64)
    labels = np.full((batch, length), IGNORED, dtype=np.int64)
    feedback = np.full((batch, length), -1, dtype=np.int64)
    links = np.zeros((batch, most), dtype=np.int64)
    linked = np.zeros((batch, most), dtype=bool)
    pointed = np.zeros((batch, most), dtype=bool)
    members = np.zeros((batch, most, objects), dtype=bool)
    sets = np.zeros((batch, most, 3, objects), dtype=bool)
    gates = np.zeros((batch, most, 2), dtype=bool)
    parted = np.zeros((batch, most), dtype=bool)
    states = np.zeros((batch, most), dtype=np.int64)
    for row, (example, (ids, at, silent)) in enumerate(zip(examples, coded, strict=True)):
        tokens[row, : len(ids)] = ids
        labels[row, : len(ids) - 1] = ids[1:]
        for place in silent:
            if place:
                labels[row, place - 1] = IGNORED
        for column, (place, phrase) in enumerate(zip(at, example.phrases, strict=True)):
            links[row, column] = place
            linked[row, column] = True
            pointed[row, column] = phrase.certain
            members[row, column, list(phrase.objects)] = True
            if phrase.sets is not None:
                for number, name in enumerate(("alike", "reference", "fitting")):
                    sets[row, column, number, list(getattr(phrase.sets, name))] = True
                gates[row, column], parted[row, column] = phrase.sets.gates, True
            states[row, column] = STATES.index(f"<{phrase.state}>")
            if example.program:
                feedback[row, place + 1] = column
    arrays = (tokens, labels, links, linked, pointed, members, sets, gates, parted, states, feedback)
    spoken = torch.from_numpy(_spoken(examples, reader, words.pieces.shape[1]))
    return SequenceBatch(words.pieces, words.letters, spoken, scenes, *(torch.from_numpy(a) for a in arrays))


def _spoken(examples: list[Example], reader: WordReader, length: int) -> NDArray[np.int64]:
    """Labels of the words, (B, L)."""
    labels = np.full((len(examples), length), IGNORED, dtype=np.int64)
    for row, example in enumerate(examples):
        if example.spans is not None:
            found = labels_of(example.spans, reader.places(example.words))
            labels[row, : len(found)] = found
    return labels


def run_sequences(
    network: EmbodiedNetwork, sentences: SentenceEncoder, batch: SequenceBatch, scales: int
) -> tuple[Memory, Tensor, Pointing]:
    """Teacher-forced pass: memory, hidden states (B, T, D), and where the links point."""
    memory, hidden = _read(network, sentences, batch, scales)
    return memory, hidden, network.point(_at_links(hidden, batch), memory)


def _read(
    network: EmbodiedNetwork, sentences: SentenceEncoder, batch: SequenceBatch, scales: int
) -> tuple[Memory, Tensor]:
    words = sentences(batch.pieces)
    memory = network.fuse(words, batch.letters, batch.pieces != 0, batch.scenes, scales)
    fed = seen_at(memory.objects, batch.members)
    fed = torch.cat([fed, torch.zeros_like(fed[:, :1])], dim=1)  # the last row serves "none"
    rows = torch.where(batch.feedback < 0, fed.shape[1] - 1, batch.feedback)
    seen = fed.gather(1, rows[..., None].expand(-1, -1, fed.shape[-1]))
    return memory, network.decoder(batch.tokens, seen, memory.tokens, memory.mask)


def _at_links(hidden: Tensor, batch: SequenceBatch) -> Tensor:
    return hidden.gather(1, batch.links[..., None].expand(-1, -1, hidden.shape[-1]))


def settling_loss(
    network: EmbodiedNetwork, sentences: SentenceEncoder, batch: SequenceBatch, scales: int
) -> dict[str, Tensor]:
    """The parts of the pointer's loss, where all that it reads stays as it is."""
    with torch.no_grad():
        memory, hidden = _read(network, sentences, batch, scales)
    return pointer_loss(network.point(_at_links(hidden, batch), memory), batch)


def sequence_loss(
    network: EmbodiedNetwork, sentences: SentenceEncoder, batch: SequenceBatch, scales: int
) -> dict[str, Tensor]:
    """The weighted parts of the loss, by name; their sum is minimised."""
    memory, hidden, pointing = run_sequences(network, sentences, batch, scales)
    asked = batch.labels != IGNORED
    logits = network.decoder.logits(hidden[asked]).float()
    losses = {"words": F.cross_entropy(logits, batch.labels[asked])}
    told = batch.spoken != IGNORED
    if told.any():
        losses["phrases"] = F.cross_entropy(network.phrases(memory.words[told]), batch.spoken[told])
    return losses | pointer_loss(pointing, batch)


def pointer_loss(pointing: Pointing, batch: SequenceBatch) -> dict[str, Tensor]:
    """Best object, members, the sets on the way to them, and state of each link."""
    where = batch.pointed & batch.linked
    count = where.sum().clamp(min=1)
    none = ~batch.members.any(-1, keepdim=True)
    target = torch.cat([batch.members, none], dim=-1)
    likely = pointing.best.log_softmax(-1).masked_fill(~target, -1e4).logsumexp(-1)
    present = batch.scenes.present[:, None] & where[..., None]
    members = F.binary_cross_entropy_with_logits(pointing.members, batch.members.float(), reduction="none")
    parted = batch.parted & batch.linked
    asked = batch.scenes.present[:, None, None] & parted[..., None, None]
    named = torch.stack([pointing.alike, pointing.reference, pointing.fitting], dim=2)
    sets = F.binary_cross_entropy_with_logits(named, batch.sets.float(), reduction="none")
    gates = F.binary_cross_entropy_with_logits(pointing.gates, batch.gates.float(), reduction="none")
    told = parted.sum().clamp(min=1)
    state = F.cross_entropy(pointing.states.transpose(1, 2), batch.states, reduction="none")
    return {
        "point": -(likely * where).sum() / count,
        "members": (members * present).sum() / count * 0.5,
        "sets": ((sets * asked).sum() + (gates * parted[..., None]).sum()) / told * 0.2,
        "state": (state * where).sum() / count,
    }


def pointer_accuracy(pointing: Pointing, batch: SequenceBatch) -> dict[str, float]:
    """Shares of links: right best object, right state, exactly the right members."""
    where = batch.pointed & batch.linked
    total = max(int(where.sum()), 1)
    none = ~batch.members.any(-1, keepdim=True)
    target = torch.cat([batch.members, none], dim=-1)
    best = target.gather(-1, pointing.best.argmax(-1, keepdim=True))[..., 0]
    state = pointing.states.argmax(-1) == batch.states
    members = ((pointing.members > 0) == batch.members) | ~batch.scenes.present[:, None]
    return {
        "best": int((best & where).sum()) / total,
        "state": int((state & where).sum()) / total,
        "members": int((members.all(-1) & where).sum()) / total,
    }
