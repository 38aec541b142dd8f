"""A small model server for exercises: a few fixed sentences, and eyes for one colour.

It speaks the same protocol as `embodied-agent serve` and needs no weights, so that exercises of
the node test the node: nothing here measures how well a model understands.

    python -m embodied_agent.ros.faults.model --port 8123
"""

from __future__ import annotations

import argparse
import re
import time

import numpy as np

from embodied_agent.errors import PlannerError
from embodied_agent.planners.planner import Plan, PlanRequest
from embodied_agent.serve import Limits, serve
from embodied_agent.types import Detection, Frame, Grounding

LONGEST_THOUGHT = 60.0  # [s]
MIN_PIXELS = 40
PICK = """\
with task("pick up the red cube"):
    with unit("red cube"):
        cube = find("red cube")
        pick(cube)
"""
HOME_AND_LOOK = """\
with task("go home slowly and look"):
    with unit("arm", speed=0.1):
        home()
    find("red cube")
"""
SENTENCES = (
    (r"go home", 'with task("go home"):\n    home()\n'),
    (r"wait (?P<n>[\d.]+) seconds", 'with task("wait"):\n    wait(seconds={n})\n'),
    (r"say (?P<n>[\w ]+)", 'with task("say"):\n    say("{n}")\n'),
    (r"think (?P<n>[\d.]+) seconds", 'with task("think"):\n    say("thought")\n'),
    (r"refuse", 'with task("refuse"):\n    refuse("that is not mine to do")\n'),
    (r"ask back", 'with task("ask"):\n    ask("which one?")\n'),
    (r"look for the (?P<n>[\w ]+)", 'with task("look"):\n    find("{n}")\n'),
    (r"write nonsense", 'with task("nonsense"):\n    fly(to="the moon")\n'),
    (r"go home slowly", 'with task("go home slowly"):\n    with unit("arm", speed=0.1):\n        home()\n'),
    (r"go home slowly and look", HOME_AND_LOOK),
    (r"pick up the red cube", PICK),
)


class ExerciseModel:
    """Knows the sentences above, and sees red things as things of one kind."""

    name = "exercise"

    def __init__(self, kind: str = "cube") -> None:
        self._kind = kind

    def plan(self, request: PlanRequest) -> Plan:
        """The program of a sentence.

        Raises:
            PlannerError: The sentence is none of those above.
        """
        for pattern, program in SENTENCES:
            found = re.fullmatch(pattern, request.command.text)
            if found is None:
                continue
            if pattern.startswith("think"):
                time.sleep(min(float(found["n"]), LONGEST_THOUGHT))
            return Plan(program.format(**found.groupdict()), ("exercise",))
        raise PlannerError(f"the exercise model does not know the sentence {request.command.text[:60]!r}")

    def detect(self, frame: Frame) -> list[Detection]:
        """Connected red areas, largest first."""
        from scipy import ndimage

        red, green, blue = (frame.rgb[..., k].astype(np.int16) for k in range(3))
        areas, count = ndimage.label((red > 90) & (red > 2 * green) & (red > 2 * blue))
        masks = [areas == k + 1 for k in range(count)]
        masks = sorted((mask for mask in masks if mask.sum() >= MIN_PIXELS), key=lambda mask: -int(mask.sum()))
        return [Detection(mask, self._kind, "red", 0.9) for mask in masks]

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        """The largest red thing, for a phrase that asks for a red one."""
        found = self.detect(frame)[:1] if "red" in phrase or self._kind in phrase else []
        return Grounding(tuple(found), ambiguous=False, confidence=0.9, words=phrase)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    serve(ExerciseModel(), given.host, given.port, Limits())


if __name__ == "__main__":
    main()
