"""Train the built-in model from one command: look first, then point, then write.

1. look: dense labels of rendered pictures (classes, colours, centres, offsets, depth);
2. recognize: cut-outs of things are named one by one;
3. tokens: the trained vision describes every picture once;
4. point: phrases point at object tokens, or at none, or at several;
5. settle: the pointer alone, which costs a third and learns ranks and relations best;
6. write: commands are grounded phrase by phrase, then written as programs;
7. sharpen: decoder and pointer alone, most on the commands that are written wrongly most;
8. clauses: words are labelled as the condition and the branches of a conditional;
9. outline: super links condition the mask decoder.

Each stage resumes from its checkpoint, follows the clock, and shows its losses. On a machine with
CUDA the same command uses it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional as F

from embodied_agent.errors import BadInput
from embodied_agent.mllm.language import SentenceEncoder, WordReader
from embodied_agent.mllm.network import EmbodiedNetwork
from embodied_agent.mllm.objects import Seen
from embodied_agent.mllm.settings import ModelSettings
from embodied_agent.mllm.tokenizer import FILE_NAME, MENTIONS, ProgramTokenizer, train_tokenizer
from embodied_agent.mllm.weights import save_weights
from embodied_agent.training.batches import batches_of_like_length, cut_short, draw_examples
from embodied_agent.training.clauses import clause_batches, clause_loss
from embodied_agent.training.cutouts import (
    CutoutBatch,
    chances_of,
    cutout_batch,
    cutout_loss,
    detected_samples,
    true_samples,
)
from embodied_agent.training.dense import dense_batch, dense_loss, rareness
from embodied_agent.training.loop import Stage, drawn_ahead, run_stage
from embodied_agent.training.sequences import (
    Example,
    run_sequences,
    sequence_batch,
    sequence_loss,
    settling_loss,
)
from embodied_agent.training.shards import Shots
from embodied_agent.training.situations import (
    Situation,
    load_tokens,
    query_examples,
    save_tokens,
    see_shots,
    thing_from_dict,
)


@dataclass(frozen=True)
class Preset:
    """How much of everything.

    Attributes:
        pictures: Rendered for training (a tenth more for the evaluation).
        looked: Of them, seen by the trained first look for what it gets wrong.
        imagined: Scenes with commands that are not rendered.
        minutes: Of the stages look, recognize, point, settle, write, sharpen, clauses, outline.
        crops, cutouts, queries, plans: Batch sizes of look, recognize, point, write; clauses has that of point.
    """

    pictures: int
    looked: int
    imagined: int
    minutes: tuple[float, float, float, float, float, float, float, float]
    crops: int
    cutouts: int
    queries: int
    plans: int


PRESETS = {
    "cpu": Preset(6000, 1500, 60000, (40.0, 15.0, 6.0, 12.0, 40.0, 15.0, 14.0, 5.0), 24, 192, 96, 48),
    "accelerator": Preset(
        30000, 15000, 200000, (25.0, 10.0, 20.0, 10.0, 45.0, 15.0, 10.0, 10.0), 96, 512, 256, 128
    ),
    "smoke": Preset(24, 8, 40, (0.1, 0.1, 0.1, 0.05, 0.1, 0.05, 0.05, 0.05), 4, 8, 8, 4),
}
_POOL = 16  # batches drawn at once in the language stages, to sort by length
_RATES = {
    "look": 1.5e-3, "recognize": 2e-3, "point": 1.2e-3, "write": 1.2e-3, "settle": 1.5e-3, "sharpen": 3e-4,
    "clauses": 1.5e-3, "outline": 1e-3,
}  # fmt: skip
_OTHERS = ("vision", "recognizer", "clauses", "mask")  # parts that the language stages leave alone
# Pools of commands and of queries that the language stages draw at once.
_SHARES = {
    "point": (0, _POOL),
    "write": (_POOL, _POOL // 5),
    "settle": (_POOL // 4, _POOL),
    "sharpen": (_POOL, _POOL // 8),
}


class Trainer:
    """Folders, data, network and stages of one training."""

    def __init__(self, preset: Preset, data: Path, settings: ModelSettings | None = None) -> None:
        self.preset = preset
        self.data = data
        self.settings = settings or ModelSettings()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(0)
        self.network = EmbodiedNetwork(self.settings).to(self.device)
        for part in (self.network.vision, self.network.recognizer):
            eye: Any = part  # the stubs lack the memory format
            eye.to(memory_format=torch.channels_last)  # a third faster on CPUs
        self.rng = np.random.default_rng(int(time.time()))
        self.curves: dict[str, list[dict[str, float]]] = {}
        self._console = Console(stderr=True)

    @property
    def checkpoints(self) -> Path:
        """Where stages save."""
        return self.data / "checkpoints"

    def look(self, minutes: float) -> None:
        """Stage 1: dense labels."""
        shots = Shots(self.data / "train")
        if not len(shots):
            raise BadInput(f"no pictures in {self.data / 'train'}: the data set was not built")
        vision = self.network.vision.train()
        chances, drawn = _chances(shots), 0

        def prepare() -> Any:
            nonlocal shots, chances, drawn
            drawn += 1
            if drawn % 100 == 0:  # a build may still be under way
                shots = Shots(self.data / "train")
                chances = _chances(shots)
            chosen = self.rng.choice(len(shots), size=self.preset.crops, p=chances)
            return dense_batch([shots[int(i)] for i in chosen], self.rng)

        with drawn_ahead(prepare) as take:

            def step(number: int, progress: float) -> dict[str, Tensor]:
                batch = take().to(self.device)
                return dense_loss(vision(batch.inputs), batch)

            self._run("look", minutes, step, (vision,))
        self.network.eval()

    def recognize(self, minutes: float) -> None:
        """Stage 2: the second look at each thing."""
        shots = Shots(self.data / "train")
        self.network.eval()
        samples = true_samples(shots) + detected_samples(self.network, shots, self.preset.looked, self.rng)
        chances = chances_of(samples)
        recognizer = self.network.recognizer.train()

        def prepare() -> CutoutBatch:
            chosen = self.rng.choice(len(samples), size=self.preset.cutouts, p=chances)
            return cutout_batch(shots, [samples[int(i)] for i in chosen], self.rng)

        with drawn_ahead(prepare) as take:

            def step(number: int, progress: float) -> dict[str, Tensor]:
                batch = take().to(self.device)
                return cutout_loss(recognizer, batch)

            self._run("recognize", minutes, step, (recognizer,))
        self.network.eval()

    def tokens(self) -> list[Situation]:
        """Stage 3: pictures as visual tokens."""
        return make_situations(self, "train")

    def language(
        self, situations: list[Situation], imagined: list[dict[str, Any]], minutes: float, name: str
    ) -> None:
        """Stages 4 to 7: `name` is "point" (queries), "settle" (the pointer), "write" (commands) or "sharpen"."""
        sentences = SentenceEncoder().to(self.device)
        reader, tokenizer = WordReader(self.settings), self.tokenizer()
        plans, queries = _SHARES[name][0] * self.preset.plans, _SHARES[name][1] * self.preset.queries
        alone = name == "settle"
        pool_of_batches: list[list[Example]] = []

        def prepare() -> Any:
            if not pool_of_batches:
                told = draw_examples(situations, imagined, plans, 0, self.settings, self.rng)
                asked = draw_examples(situations, imagined, 0, queries, self.settings, self.rng)
                told = [cut_short(example, self.rng) for example in told]
                pool_of_batches.extend(batches_of_like_length(told, self.preset.plans))
                pool_of_batches.extend(batches_of_like_length(asked, self.preset.queries))
                self.rng.shuffle(pool_of_batches)  # type: ignore[arg-type]
            return sequence_batch(pool_of_batches.pop(), tokenizer, reader, self.settings)

        self.network.train(not alone)
        self.network.vision.eval()
        n = self.network
        parts = {"settle": (n.pointer,), "sharpen": (n.decoder, n.pointer)}.get(
            name, tuple(part for own, part in n.named_children() if own not in _OTHERS)
        )
        blocks = () if name in ("settle", "sharpen") else (n.fusion.blocks, n.decoder.layers)
        n.requires_grad_(False)  # what is not trained is not traced either, which costs half
        for part in parts:
            part.requires_grad_(True)
        with drawn_ahead(prepare) as take:

            def step(number: int, progress: float) -> dict[str, Tensor]:
                batch = take().to(self.device)
                scales = 1 if progress < 0.7 and not alone else len(self.settings.grid_scales)
                if alone:
                    return settling_loss(n, sentences, batch, scales)
                return sequence_loss(n, sentences, batch, scales)

            self._run(name, minutes, step, parts, blocks)
        n.requires_grad_(True)
        self.network.eval()

    def clauses(self, records: list[dict[str, Any]], minutes: float) -> None:
        """Stage 8: the clauses of commands."""
        sentences, reader = SentenceEncoder().to(self.device), WordReader(self.settings)
        tagger = self.network.clauses.train()
        following = clause_batches(records, self.preset.queries, sentences, reader, self.device, self.rng)
        with drawn_ahead(following) as take:

            def step(number: int, progress: float) -> dict[str, Tensor]:
                return clause_loss(tagger, take())

            self._run("clauses", minutes, step, (tagger,))
        self.network.eval()

    def outline(self, minutes: float) -> None:
        """Stage 9: masks of what links point at."""
        shots = Shots(self.data / "train")
        sentences = SentenceEncoder().to(self.device)
        reader, tokenizer = WordReader(self.settings), self.tokenizer()
        self.network.eval()

        def step(number: int, progress: float) -> dict[str, Tensor]:
            while True:
                loss = self._outline_step(shots, sentences, reader, tokenizer)
                if loss is not None:
                    return loss

        self._run("outline", minutes, step, (self.network.mask,))

    def _outline_step(
        self, shots: Shots, sentences: SentenceEncoder, reader: WordReader, tokenizer: ProgramTokenizer
    ) -> dict[str, Tensor] | None:
        chosen = [shots[int(i)] for i in self.rng.integers(0, len(shots), size=6)]
        seen = see_shots(self.network, chosen, self.settings, self.rng)
        examples, priors, targets, rows = [], [], [], []
        for row, (shot, (tokens, instances, token_of, _)) in enumerate(zip(chosen, seen, strict=True)):
            things = visible_things(shot)
            for example in query_examples(Situation(tokens, things, token_of), 4, self.rng):
                phrase = example.phrases[0]
                if phrase.state != "found":
                    continue
                examples.append(example)
                priors.append(torch.from_numpy(instances.ids == phrase.objects[0]))
                name = next(key for key, value in token_of.items() if value == phrase.objects[0])
                index = [item[0] for item in shot.instances].index(name)
                targets.append(torch.from_numpy(np.asarray(shot.labels)[::2, ::2] == 3 + index))
                rows.append(row)
        if not examples:
            return None
        batch = sequence_batch(examples, tokenizer, reader, self.settings).to(self.device)
        with torch.no_grad():
            memory, _, pointing = run_sequences(self.network, sentences, batch, len(self.settings.grid_scales))
            chosen_objects = batch.members[:, :1].to(memory.objects.dtype)
            pointed = (chosen_objects @ memory.objects)[:, 0]
        features = seen[0][3].features[rows].clone()
        prior = torch.stack(priors).float().to(self.device)
        if self.rng.random() < 0.5:  # priors are not always right: wear their edges off
            prior = -F.max_pool2d(-prior[:, None], 3, stride=1, padding=1)[:, 0]
        logits = self.network.mask(features, prior, pointing.link[:, 0].clone(), pointed.clone())
        truth = torch.stack(targets).float().to(self.device)
        near = F.max_pool2d(torch.maximum(prior, truth)[:, None], 25, stride=1, padding=12)[:, 0]
        cross = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        inside = logits.sigmoid() * near
        dice = 1 - (2 * (inside * truth).sum((1, 2)) + 1) / (inside.sum((1, 2)) + truth.sum((1, 2)) + 1)
        return {"cross": (cross * near).sum() / near.sum() + 0.1 * cross.mean(), "dice": dice.mean()}

    def tokenizer(self) -> ProgramTokenizer:
        """The tokenizer of this training; learnt by `learn_tokens` before."""
        return ProgramTokenizer(self.data / FILE_NAME)

    def learn_tokens(self, records: list[dict[str, Any]]) -> None:
        """Byte pairs from programs and descriptions, unless there is a tokenizer already."""
        if (self.data / FILE_NAME).is_file():
            return
        texts: list[str] = []
        for record in records:
            texts += [record["program"], record["repair"], *(text for text, _, _ in record["phrases"])]
        train_tokenizer(texts, self.data / FILE_NAME, self.settings.vocabulary - MENTIONS)

    def export(self, directory: Path, facts: dict[str, Any]) -> None:
        """Write weights, tokenizer and index to a folder."""
        save_weights(self.network, directory, facts)
        target = directory / FILE_NAME
        if target != self.data / FILE_NAME:
            target.write_text((self.data / FILE_NAME).read_text())

    def restore(self, stage: str) -> bool:
        """Load the newest weights of a stage, averaged; False where it has none."""
        path = self.checkpoints / f"{stage}.pt"
        if not path.is_file():
            return False
        saved = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(saved["average"])
        self.curves[stage] = saved["curve"]
        return True

    def _run(
        self, name: str, minutes: float, step: Any, parts: tuple[Any, ...], blocks: tuple[Any, ...] = ()
    ) -> None:
        stage = Stage(name, minutes, _RATES[name], step, parts, blocks)
        self.curves[name] = run_stage(stage, self.network, self.checkpoints, self.device)
        (self.data / "curves.json").write_text(json.dumps(self.curves))


def _chances(shots: Shots) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How often each shot is drawn: those that show something rare more often, (n,)."""
    most = np.array([float(rareness(shots[i]).max(initial=1.0)) for i in range(len(shots))])
    chances: np.ndarray[Any, np.dtype[np.float64]] = most / most.sum()
    return chances


def train(
    preset: str = "cpu",
    minutes: float | None = None,
    data: Path = Path("data"),
    weights: Path | None = None,
) -> Path:
    """Build the data, run every stage, evaluate, and write weights with their card.

    Args:
        preset: "cpu" (2.5 hours on 2 cores), "accelerator", or "smoke" (a test of the machinery).
        minutes: Total of the training stages; None = the preset's.
        data: Folder for data and checkpoints; a second call goes on from what is there.
        weights: Where the model is written; None = `data/weights`.

    Returns:
        The folder of the weights.

    Raises:
        BadInput: Unknown preset, or minutes that are not positive.
    """
    from embodied_agent.training.dataset import HARD, build, build_commands
    from embodied_agent.training.evaluate import evaluate, write_card

    if preset not in PRESETS:
        raise BadInput(f"unknown preset '{preset}'; known: {', '.join(PRESETS)}")
    chosen = PRESETS[preset]
    if minutes is not None and not minutes > 0:
        raise BadInput(f"minutes must be positive, not {minutes:g}")
    scale = 1.0 if minutes is None else minutes / sum(chosen.minutes)
    minutes_of = [value * scale for value in chosen.minutes]
    look, recognize, point, settle, write, sharpen, clauses, outline = minutes_of
    build(data, "train", chosen.pictures)
    for split in ("validation", "evaluation"):
        build(data, split, max(chosen.pictures // 14, 8))
    trainer = Trainer(chosen, data)
    trainer.look(look)
    trainer.recognize(recognize)
    situations = trainer.tokens()
    imagined = build_commands(data, "train", chosen.imagined)
    trainer.learn_tokens(imagined)
    trainer.language(situations, imagined, point, "point")
    trainer.language(situations, imagined, settle, "settle")  # before what reads the pointer's answers
    trainer.language(situations, imagined, write, "write")
    hard = build_commands(data, "train", chosen.imagined // 2, HARD)
    trainer.language(situations, hard, sharpen, "sharpen")
    trainer.clauses(imagined + hard, clauses)
    trainer.outline(outline)
    target = weights or data / "weights"
    trainer.export(target, {"preset": preset, "minutes": minutes_of})
    write_card(target, evaluate(target, data), trainer.curves, data)
    return target


def make_situations(trainer: Trainer, split: str) -> list[Situation]:
    """Look at the pictures of a split; the tokens are kept beside the checkpoints.

    Every picture of the fixed camera counts, of the other views one in three: commands are given
    in sight of the fixed one. Half are seen as a worse camera would see them.
    """
    from rich.progress import track

    from embodied_agent.training.dataset import episode_of

    shots = Shots(trainer.data / split)
    trainer.network.eval()
    path = trainer.data / f"tokens-{split}.npz"
    chosen = [i for i in range(len(shots)) if shots.view(i) == "overhead" or i % 9 < 3]
    if not path.is_file():
        tokens: dict[str, tuple[Seen, dict[str, int]]] = {}
        starts = range(0, len(chosen), 8)
        for start in track(starts, description=f"tokens {split}", console=Console(stderr=True)):
            batch = chosen[start : start + 8]
            rng = trainer.rng if (start // 8) % 2 else None
            looks = see_shots(trainer.network, [shots[i] for i in batch], trainer.settings, rng)
            tokens |= {shots.key(i): (look[0], look[2]) for i, look in zip(batch, looks, strict=True)}
        save_tokens(path, tokens)
    situations = []
    index_of = {shots.key(index): index for index in chosen}
    for key, (seen, token_of) in load_tokens(path).items():
        if key not in index_of:
            continue
        shot = shots[index_of[key]]
        natural = tuple((phrase, text, tuple(ids)) for phrase, text, ids in shot.natural)
        situations.append(Situation(seen, visible_things(shot), token_of, episode_of(shot), natural))
    return situations


def visible_things(shot: Any) -> tuple[Any, ...]:
    """The things of a shot of which at least some pixels show."""
    counts = np.bincount(np.asarray(shot.labels).reshape(-1), minlength=256)[3:]
    shown = {item[0] for index, item in enumerate(shot.instances) if counts[index] >= 24}
    return tuple(thing for thing in map(thing_from_dict, shot.things) if thing.id in shown)
