"""The built-in model: sees, grounds phrases, and writes programs. Loads once, answers often."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embodied_agent.errors import CommandRefused
from embodied_agent.mllm.composing import Composer
from embodied_agent.mllm.decode import Link
from embodied_agent.mllm.instances import Instances, find_instances, full_mask
from embodied_agent.mllm.mask import point_of
from embodied_agent.mllm.network import EmbodiedNetwork
from embodied_agent.mllm.objects import Float, Seen, describe, point_features
from embodied_agent.mllm.picture import Picture, picture_from_frame
from embodied_agent.mllm.precision import fast_precision
from embodied_agent.mllm.recognize import recognize
from embodied_agent.mllm.tokenizer import ProgramTokenizer
from embodied_agent.mllm.vision import Dense, fold_norms, stack_inputs
from embodied_agent.mllm.vocabulary import CLASS_INDEX, CLASSES, COLORS, KINDS
from embodied_agent.mllm.weights import load_weights
from embodied_agent.types import Command, Detection, Frame, Grounding

DETECTION_THRESHOLD = 0.4
SMALLEST_ROBOT = 12  # cells
ROBOT = CLASS_INDEX["robot"]
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


class BuiltinModel:
    """A trained network with everything around it. Not safe to share between threads."""

    def __init__(self, network: EmbodiedNetwork, tokenizer: ProgramTokenizer, facts: dict[str, Any]) -> None:
        self.network = network.eval()
        self.tokenizer = tokenizer
        self.facts = facts
        self._composer = Composer(self.network, tokenizer)
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
        """Write a program from visual tokens; `plan` without the looking. See `Composer.compose`."""
        return self._composer.compose(text, seen, clicked, grammar, again)

    def find(self, phrase: str, seen: Seen, clicked: Float) -> Link:
        """Ground one phrase among visual tokens; `ground` without the looking."""
        return self._composer.find(phrase, seen, clicked)

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
