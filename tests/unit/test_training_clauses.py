"""What the tagger of clauses learns from: commands with where their clauses stand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from embodied_agent.mllm.clauses import CLAUSES, IF, OTHERWISE, OUTSIDE, THEN, ClauseTagger
from embodied_agent.mllm.language import SentenceEncoder, WordReader
from embodied_agent.mllm.settings import TINY
from embodied_agent.training.clauses import Clauses, clause_batches, clause_loss, draw_clauses

ONE = {
    "command": "open the door if you see a cube, otherwise press the button",
    "clauses": {"1": [0, 13], "if": [17, 31], "2": [43, 59]},
}
OTHER = {"command": "when there is a bowl, turn the knob", "clauses": {"if": [5, 20], "1": [22, 35]}}
SIMPLE = {"command": "put the lemon on the plate", "clauses": {}}


@pytest.fixture(scope="module")
def sentences() -> SentenceEncoder:
    return SentenceEncoder()


def test_a_sentence_takes_the_clauses_of_another_one() -> None:
    mixed = Clauses.of(OTHER).with_clauses_of(Clauses.of(ONE))
    assert mixed.command == "when you see a cube, open the door"
    assert {name: mixed.said(name) for name in mixed.spans} == {"if": "you see a cube", "1": "open the door"}


def test_what_the_other_one_does_not_say_stays() -> None:
    mixed = Clauses.of(ONE).with_clauses_of(Clauses.of(OTHER))
    assert mixed.command == "turn the knob if there is a bowl, otherwise press the button"
    assert mixed.said("2") == "press the button"


def test_most_of_what_is_drawn_is_conditional_and_the_short_ones_come_first() -> None:
    conditionals, others = [Clauses.of(ONE), Clauses.of(OTHER)], [Clauses.of(SIMPLE)]
    drawn = draw_clauses(conditionals, others, 300, np.random.default_rng(0))
    kinds = Counter(bool(item.spans) for item in drawn)
    assert 150 < kinds[True] < 250
    assert [len(item.command) for item in drawn] == sorted(len(item.command) for item in drawn)


def test_words_of_a_batch_are_labelled_by_their_clause(sentences: SentenceEncoder) -> None:
    rng = np.random.default_rng(0)
    batch = clause_batches([ONE], 2, sentences, WordReader(TINY), torch.device("cpu"), rng)()
    labels = batch.labels[0][batch.spoken[0]].tolist()
    assert labels[0] == labels[-1] == OUTSIDE  # the marks around the sentence
    assert labels[1:14] == [THEN] * 3 + [OUTSIDE] + [IF] * 4 + [OUTSIDE] * 2 + [OTHERWISE] * 3


def test_a_tagger_learns_two_sentences_by_heart(sentences: SentenceEncoder) -> None:
    torch.manual_seed(0)
    tagger = ClauseTagger(TINY)
    following = clause_batches(
        [ONE, OTHER, SIMPLE], 4, sentences, WordReader(TINY), torch.device("cpu"), np.random.default_rng(0)
    )
    optimizer = torch.optim.AdamW(tagger.parameters(), lr=2e-3)
    for _ in range(60):
        optimizer.zero_grad()
        sum(clause_loss(tagger, following()).values(), torch.zeros(())).backward()
        optimizer.step()
    batch, tagger = following(), tagger.eval()
    known = batch.labels >= 0
    right = tagger(batch.words, batch.spoken).argmax(-1)[known] == batch.labels[known]
    assert len(CLAUSES) == 4 and right.float().mean() > 0.9
