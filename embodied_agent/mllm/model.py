"""The built-in model: sees, grounds phrases, and writes programs. Loads once, answers often."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embodied_agent.errors import CommandRefused
from embodied_agent.mllm.canonical import is_canonical
from embodied_agent.mllm.clauses import conditional_of, joined
from embodied_agent.mllm.decode import ODDS, Grammar, Link, Timer, Writer
from embodied_agent.mllm.faults import faults_of, question_about
from embodied_agent.mllm.instances import Instances, find_instances, full_mask
from embodied_agent.mllm.language import SentenceEncoder, WordReader
from embodied_agent.mllm.mask import point_of
from embodied_agent.mllm.network import EmbodiedNetwork, Memory, stack_scenes
from embodied_agent.mllm.objects import Float, Seen, describe, point_features
from embodied_agent.mllm.phrases import phrases_of
from embodied_agent.mllm.picture import Picture, picture_from_frame
from embodied_agent.mllm.precision import fast_precision
from embodied_agent.mllm.recognize import recognize
from embodied_agent.mllm.tokenizer import MENTIONS, ProgramTokenizer
from embodied_agent.mllm.vision import Dense, fold_norms, stack_inputs
from embodied_agent.mllm.vocabulary import CLASS_INDEX, CLASSES, COLORS, KINDS
from embodied_agent.mllm.weights import load_weights
from embodied_agent.mllm.writing import Draft, ProgramWriter
from embodied_agent.types import Command, Detection, Frame, Grounding

DETECTION_THRESHOLD = 0.4
SMALLEST_ROBOT = 12  # cells
ROBOT = CLASS_INDEX["robot"]
SURE = -0.3  # log-probability of grounding and program from which on no other grounding is tried
TRUSTED = 0.6  # confidence from which on a phrase is one
LEFT_OUT = 5.0  # log of how much less likely a grounding is without such a phrase
SAME_THING = 0.5  # IoU of mask decoder and instance from which the mask decoder's shape is taken


@dataclass(frozen=True)
class Looked:
    """One frame, seen."""

    frame: Frame
    picture: Picture
    dense: Dense
    instances: Instances
    seen: Seen


@dataclass(frozen=True)
class Written:
    """A program and how it came about.

    Attributes:
        text: The program.
        groundings: What each phrase of the command was taken to mean.
        timings: Seconds: vision_s, words_s, ground_s, decode_s, masking_s, total_s; and counts.
    """

    text: str
    groundings: tuple[Grounding, ...]
    timings: dict[str, float]


@dataclass(frozen=True)
class _Attempt:
    """One way to ground a command, the program that follows, and what it took."""

    draft: Draft
    links: list[Link]
    ground_s: float
    masking_s: float
    timer: Timer

    @property
    def is_sure(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.draft.faults and self.draft.score > SURE

    def beside(self, other: _Attempt) -> _Attempt:
        """The same, the less likely for whatever the other one found with confidence and this one leaves out."""
        missing = sum(
            link.confidence > TRUSTED and not any(_means(own, link) for own in self.links) for link in other.links
        )
        return replace(self, draft=replace(self.draft, score=self.draft.score - LEFT_OUT * missing))

    def speaks_of_the_same(self, other: _Attempt) -> bool:
        """Whether both have the same phrases, in whatever order."""
        return {link.words for link in self.links} == {link.words for link in other.links}

    @property
    def rank(self) -> tuple[int, float]:
        """Sound ones first, then likely ones; that a person speaks of what is not there is less likely."""
        soundness, score = self.draft.rank
        return soundness, score - ODDS * sum(link.state == "absent" for link in self.links)


@dataclass(frozen=True)
class _Composed:
    """A program, the phrases that it was made from, and seconds by part."""

    text: str
    links: list[Link]
    timings: dict[str, float]


def _means(own: Link, other: Link) -> bool:
    """Whether a phrase says at least what another one says, or points at the same."""
    return other.words in own.words or (own.objects == other.objects != ())


class BuiltinModel:
    """A trained network with everything around it. Not safe to share between threads."""

    def __init__(self, network: EmbodiedNetwork, tokenizer: ProgramTokenizer, facts: dict[str, Any]) -> None:
        self.network = network.eval()
        self.tokenizer = tokenizer
        self.facts = facts
        self._words = WordReader(network.settings)
        self._sentences = SentenceEncoder()
        self._grammar = Grammar(tokenizer, network.settings.vocabulary)
        self._last: Looked | None = None

    @staticmethod
    def load(directory: Path | None = None) -> BuiltinModel:
        """Read the model that comes with the package, or one that was trained into `directory`.

        Raises:
            WeightsError: Weights are missing, truncated, or of another version.
            MissingDependency: The sentence encoder's package is not installed.
        """
        network, tokenizer, facts = load_weights(directory)
        fold_norms(network)
        return BuiltinModel(network, tokenizer, facts)

    def detect(self, frame: Frame) -> list[Detection]:
        """Everything in a frame that the model has a name for, best first, and the robot last."""
        with torch.inference_mode():
            looked = self._look(frame)
            scores = looked.instances.scores
            found = [self._detection(looked, i) for i in range(len(scores)) if scores[i] > DETECTION_THRESHOLD]
            return found + _robot(looked)

    def ground(self, frame: Frame, phrase: str, points: Sequence[tuple[float, float]] = ()) -> Grounding:
        """Which things in a frame a phrase means.

        Args:
            frame: From any camera.
            phrase: E.g. "the large red mug left of the plate".
            points: Clicked pixels (x, y) of this frame that the phrase may refer to.

        Raises:
            CommandRefused: The phrase is empty or too long.
        """
        with torch.inference_mode():
            looked = self._look(frame)
            link = self.find(phrase, looked.seen, self._clicked(looked, tuple(points)))
            return self._grounding(looked, link, refine=True)

    def plan(self, command: Command, frames: Sequence[Frame], grammar: str = "", again: bool = False) -> Written:
        """Write a program for a command.

        Args:
            command: The sentence, and clicked points in the first frame.
            frames: Newest readings; the first is the fixed camera's and the one that is planned on.
            grammar: Lark text that the program must match; "" = unconstrained.
            again: An earlier program for this command failed; what already holds is left alone.

        Raises:
            CommandRefused: The command is empty or too long for the model, or there is no frame.
            PlannerError: The program did not end.
        """
        if not frames:
            raise CommandRefused("the built-in model plans on a picture; no camera frame was given")
        start = time.perf_counter()
        with torch.inference_mode():
            looked = self._look(frames[0])
            seen = time.perf_counter()
            clicked = self._clicked(looked, command.points)
            text, links, timings = self.compose(command.text, looked.seen, clicked, grammar, again)
            groundings = tuple(self._grounding(looked, link, refine=False) for link in links)
        timings |= {"vision_s": seen - start, "total_s": time.perf_counter() - start}
        return Written(text, groundings, timings)

    def compose(
        self, text: str, seen: Seen, clicked: Float, grammar: str = "", again: bool = False
    ) -> tuple[str, list[Link], dict[str, float]]:
        """Write a program from visual tokens; `plan` without the looking.

        Where every program that comes to mind is wrong by itself, the program asks.

        Args:
            text: The command.
            seen: Visual tokens of the scene.
            clicked: Clicked points as `point_features` gives them, (P, 5).
            grammar, again: As for `plan`.

        Returns:
            Program, links in the order of the phrases, and seconds by part.
        """
        text = " ".join(text.split())
        start = time.perf_counter()
        with torch.inference_mode():
            memory = self.fuse(text, seen, clicked)
            words_s = time.perf_counter() - start
            found = self._by_clauses(text, memory, seen, clicked, grammar, again)
            whole = found or self._whole(text, memory, seen, clicked, grammar, again)
        return whole.text, whole.links, whole.timings | {"words_s": whole.timings["words_s"] + words_s}

    def _by_clauses(
        self, text: str, memory: Memory, seen: Seen, clicked: Float, grammar: str, again: bool
    ) -> _Composed | None:
        """A conditional out of what is written for its clauses; None if it is none, or that is not sound."""
        spoken = torch.ones(memory.said.shape[:2], dtype=torch.bool)
        asked = conditional_of(text, self.network.clauses(memory.said, spoken)[0], self._words.places(text))
        if asked is None:
            return None
        pieces = []
        for words in (asked.plain, asked.then, *filter(None, (asked.otherwise,))):
            pieces.append(self._whole(words, self.fuse(words, seen, clicked), seen, clicked, grammar, again))
        program = joined(*(piece.text for piece in pieces), *([] if asked.otherwise else [""]))
        if program is None or faults_of(program, (), text):
            return None
        links = {link.words: link for piece in pieces for link in piece.links}
        timings = {name: sum(piece.timings[name] for piece in pieces) for name in pieces[0].timings}
        return _Composed(program, list(links.values()), timings)

    def _whole(
        self, text: str, memory: Memory, seen: Seen, clicked: Float, grammar: str, again: bool
    ) -> _Composed:
        """The program for a command that is written as one."""
        start = time.perf_counter()
        opening = self.tokenizer.again if again else self.tokenizer.start
        matcher = self._grammar.matcher(grammar) if grammar else None
        told = self._phrases(text, memory, seen, clicked)
        attempts = [self._attempt(memory, opening, told, matcher, text)]
        if told and not attempts[0].is_sure:  # phrases cut out wrongly: let the decoder find them itself
            attempts.append(self._attempt(memory, opening, [], matcher, text).beside(attempts[0]))
        best = max(attempts, key=lambda attempt: attempt.rank)
        if not attempts[0].draft.faults and attempts[0].speaks_of_the_same(best):
            best = attempts[0]  # its phrases are in the order in which they were said
        ground_s = sum(attempt.ground_s for attempt in attempts)
        timings = {
            "words_s": 0.0,
            "ground_s": ground_s,
            "decode_s": time.perf_counter() - start - ground_s,
            "masking_s": sum(attempt.masking_s for attempt in attempts),
            "tokens": float(sum(attempt.timer.tokens for attempt in attempts)),
            "steps": float(sum(attempt.timer.steps for attempt in attempts)),
            "score": best.draft.score,
        }  # fmt: skip
        faults = best.draft.faults
        return _Composed(question_about(faults) if faults else best.draft.text, best.links, timings)

    def _attempt(
        self, memory: Memory, opening: int, told: Sequence[Link | None], matcher: Any | None, said: str
    ) -> _Attempt:
        """Ground a command's phrases, some of them told, and write its program."""
        start = time.perf_counter()
        writer = Writer(self.network, self.tokenizer, memory)
        links, hidden = writer.ground_all(opening, told)
        grounded = time.perf_counter() - start
        program = ProgramWriter(writer, hidden, matcher, links, said)
        draft = program.write()
        return _Attempt(draft, links, grounded, program.masking, writer.timer)

    def find(self, phrase: str, seen: Seen, clicked: Float) -> Link:
        """Ground one phrase among visual tokens; `ground` without the looking."""
        with torch.inference_mode():
            memory = self.fuse(phrase, seen, clicked)
            return Writer(self.network, self.tokenizer, memory).ground(self.tokenizer.find, phrase)

    def _phrases(self, text: str, memory: Memory, seen: Seen, clicked: Float) -> list[Link | None]:
        """What the phrases of a command mean, each read by itself; None for one that needs the others."""
        text = " ".join(text.split())
        spoken = phrases_of(self.network.phrases(memory.words)[0], self._words.places(text))[:MENTIONS]
        alone = [text[item.start : item.end] for item in spoken if item.alone]
        if not alone:
            return [None] * len(spoken)
        together = self._fuse(alone, seen, clicked)
        opening = self.tokenizer.find
        told = [Writer(self.network, self.tokenizer, together.row(k)).ground(opening) for k in range(len(alone))]
        told = [self._asked_again(link, seen, clicked) for link in told]
        return [told.pop(0) if item.alone else None for item in spoken]

    def _asked_again(self, link: Link, seen: Seen, clicked: Float) -> Link:
        """A phrase that names nothing, or no one thing, as the program would ask for it: that may be plainer."""
        if link.state not in ("absent", "ambiguous") or not is_canonical(link.words):
            return link
        plainer = self.find(link.words, seen, clicked)
        return plainer if plainer.state in ("found", "several") else link

    def _look(self, frame: Frame) -> Looked:
        if self._last is not None and self._last.frame is frame:
            return self._last
        picture = picture_from_frame(frame)
        dense = look(self.network, [picture])
        instances = find_instances(dense, 0, self.network.settings.max_objects)
        instances = recognize(self.network.recognizer, picture, instances)
        seen = describe(picture, instances, dense.coarse[0])
        self._last = Looked(frame, picture, dense, instances, seen)
        return self._last

    def _clicked(self, looked: Looked, points: tuple[tuple[float, float], ...]) -> Float:
        most = self.network.settings.max_points
        if len(points) > most:
            raise CommandRefused(f"{len(points)} points were clicked; the model reads {most}")
        camera = looked.frame.camera
        return point_features(looked.picture, points, camera.width, camera.height)

    def fuse(self, text: str, seen: Seen, clicked: Float) -> Memory:
        """What the decoder reads of a command in sight of a scene.

        Raises:
            CommandRefused: The command is empty or too long.
        """
        text = " ".join(text.split())
        if not text:
            raise CommandRefused("the command is empty")
        return self._fuse([text], seen, clicked)

    def _fuse(self, texts: list[str], seen: Seen, clicked: Float) -> Memory:
        words = self._words.read(texts)
        scenes = stack_scenes([seen] * len(texts), [clicked] * len(texts), self.network.settings)
        tokens = self._sentences(words.pieces)
        return self.network.fuse(tokens, words.letters, words.pieces != 0, scenes)

    def _detection(self, looked: Looked, index: int, mask: NDArray[np.bool_] | None = None) -> Detection:
        instances = looked.instances
        if mask is None:
            camera = looked.frame.camera
            mask = full_mask(instances, index, camera.width, camera.height)
        kind = CLASSES[int(instances.classes[index].argmax())]
        color = COLORS[int(instances.colors[index].argmax())] if kind in KINDS else ""
        return Detection(mask, kind, color, float(instances.scores[index]))

    def _grounding(self, looked: Looked, link: Link, refine: bool) -> Grounding:
        detections = []
        for index in link.objects:
            mask = self._refined(looked, link, index) if refine and len(link.objects) == 1 else None
            detections.append(self._detection(looked, index, mask))
        point = None
        if detections:
            x, y = point_of(torch.from_numpy(looked.instances.ids == link.objects[0]))
            camera = looked.frame.camera
            rows, columns = looked.instances.ids.shape
            point = ((x + 0.5) * camera.width / columns - 0.5, (y + 0.5) * camera.height / rows - 0.5)
        return Grounding(
            detections=tuple(detections),
            ambiguous=link.state == "ambiguous",
            confidence=link.confidence,
            point=point,
            words=f"{link.words} <{link.state}>",
        )

    def _refined(self, looked: Looked, link: Link, index: int) -> NDArray[np.bool_] | None:
        """The mask decoder's answer at frame size; None where it does not show the same thing."""
        own = looked.instances.ids == index
        logits = self.network.mask(
            looked.dense.features.float(),
            torch.from_numpy(own)[None].float(),
            link.embedding[None],
            link.pointed[None],
        )
        shape = logits[0].numpy() > 0
        union = float((shape | own).sum())
        if union == 0 or float((shape & own).sum()) / union < SAME_THING:
            return None
        size = (looked.frame.camera.height, looked.frame.camera.width)
        fine = torch.nn.functional.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)
        mask: NDArray[np.bool_] = fine[0, 0].numpy() > 0
        return mask


def _robot(looked: Looked) -> list[Detection]:
    """The robot's pixels as one detection, if it shows."""
    share = looked.dense.classes[:1].softmax(1)[:, ROBOT : ROBOT + 1]
    seen = share > 0.5
    if int(seen.sum()) < SMALLEST_ROBOT:
        return []
    size = (looked.frame.camera.height, looked.frame.camera.width)
    fine = torch.nn.functional.interpolate(share, size=size, mode="bilinear", align_corners=False)
    return [Detection(fine[0, 0].numpy() > 0.5, "robot", "", float(share[seen].mean()))]


def look(network: EmbodiedNetwork, pictures: list[Picture]) -> Dense:
    """Dense outputs of pictures, in bfloat16 where the processor has it."""
    rgb, depth, height = (
        torch.from_numpy(np.stack([getattr(picture, name) for picture in pictures]))
        for name in ("rgb", "depth", "height")
    )
    device = next(network.parameters()).device
    inputs: Tensor = stack_inputs(rgb.to(device), depth.to(device), height.to(device))
    with fast_precision(device):
        dense: Dense = network.vision(inputs)
        return dense
