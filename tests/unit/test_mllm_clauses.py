"""The clauses of a conditional: which words they are, and one program out of theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby, product

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from embodied_agent.library import library
from embodied_agent.mllm.clauses import CLAUSES, Conditional, best_labels, clause_labels, conditional_of, joined
from embodied_agent.program.check import check
from embodied_agent.program.parse import parse

COMMAND = "unless there is a bin, press the button, in which case open the door"
PARTS = {"if": "there is a bin", "2": "press the button", "1": "open the door"}
PLACES = [match.span() for match in re.finditer(r"\w+", COMMAND)]

PLAIN = """with task("decide"):
    if exists("bin"):
        with unit("door", grasp_at="handle"):
            door = find("door")
            open(door)
"""
THEN = """with task("open"):
    with unit("cupboard door", grasp_at="handle"):
        door = find("cupboard door")
        open(door)
"""
OTHERWISE = """with task("press"):
    with unit("button"):
        button = find("button")
        press(button)
"""


def spans(**parts: str) -> dict[str, tuple[int, int]]:
    found = {name.strip("_"): COMMAND.index(words) for name, words in parts.items()}
    return {name: (place, place + len(PARTS[name])) for name, place in found.items()}


def logits(labels: list[int]) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(labels), len(CLAUSES)).float() * 4


def whole() -> list[int]:
    return clause_labels({name: spans(**{f"_{name}": words})[name] for name, words in PARTS.items()}, PLACES)


def test_the_clauses_of_a_command_come_back_from_their_labels() -> None:
    asked = conditional_of(COMMAND, logits(whole()), PLACES)
    assert asked == Conditional(PARTS["if"], PARTS["1"], PARTS["2"])
    assert asked.plain == "if there is a bin, open the door"


def test_a_word_between_that_was_missed_belongs_to_its_clause() -> None:
    labels = whole()
    labels[PLACES.index(re.search("is", COMMAND).span())] = 0  # type: ignore[union-attr]
    assert conditional_of(COMMAND, logits(labels), PLACES) == Conditional(PARTS["if"], PARTS["1"], PARTS["2"])


def test_clauses_in_shreds_are_none() -> None:
    labels = [label if k % 2 else 0 for k, label in enumerate(whole())]
    assert conditional_of(COMMAND, logits(labels), PLACES) is None
    assert conditional_of(COMMAND, logits([0] * len(PLACES)), PLACES) is None


@given(st.lists(st.lists(st.floats(-9, 0), min_size=4, max_size=4), max_size=5))
def test_no_other_labels_with_whole_clauses_are_likelier(rows: list[list[float]]) -> None:
    likely = np.array(rows).reshape(-1, len(CLAUSES))

    def is_whole(path: Sequence[int]) -> bool:
        pieces = [label for label, _ in groupby(path) if label]
        return len(set(pieces)) == len(pieces) and (not pieces or {1, 2} <= set(pieces))

    def score(path: Sequence[int]) -> float:
        return float(sum(likely[k, label] for k, label in enumerate(path)))

    best = best_labels(likely)
    every = [path for path in product(range(len(CLAUSES)), repeat=len(likely)) if is_whole(path)]
    assert is_whole(best) and len(best) == len(likely)
    assert score(best) >= max(map(score, every)) - 1e-9


def test_a_command_without_a_condition_has_no_clauses() -> None:
    labels = [label if label != CLAUSES.index("if") else 0 for label in whole()]
    assert conditional_of(COMMAND, 3 * logits(labels), PLACES) is None


def test_the_condition_of_one_and_the_branches_of_others_make_a_program() -> None:
    text = joined(PLAIN, THEN, OTHERWISE)
    assert text is not None
    assert text.splitlines()[1] == '    if exists("bin"):' and "    else:" in text.splitlines()
    assert text.count("find(") == 2 and 'find("cupboard door")' in text
    check(parse(text), library().for_planner)


DECLINED = 'with task("refuse"):\n    refuse("there is no button here")\n'


def test_a_condition_that_is_declined_leaves_the_command_to_be_written_as_a_whole() -> None:
    assert joined(DECLINED, THEN, OTHERWISE) is None


def test_what_makes_no_sense_by_itself_is_done_as_it_was_written_with_its_condition() -> None:
    assert joined(PLAIN, DECLINED, "") == PLAIN


def test_what_cannot_be_done_otherwise_is_refused_when_it_comes_to_that() -> None:
    text = joined(PLAIN, THEN, DECLINED)
    assert text is not None and text.endswith('    else:\n        refuse("there is no button here")\n')
    check(parse(text), library().for_planner)


def test_what_has_no_single_condition_is_left_to_be_written_as_a_whole() -> None:
    assert joined(THEN, THEN, OTHERWISE) is None
