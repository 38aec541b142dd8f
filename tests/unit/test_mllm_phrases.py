"""Phrases of a command: which words they are, that they are read alone, and that programs mention them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from embodied_agent.commands.draw import generate
from embodied_agent.mllm.decode import Grammar, Link, Writer
from embodied_agent.mllm.language import WordReader
from embodied_agent.mllm.mentions import fitting, place_of
from embodied_agent.mllm.network import EmbodiedNetwork, stack_scenes
from embodied_agent.mllm.objects import GEOMETRY, Seen
from embodied_agent.mllm.phrases import LABELS, OUTSIDE, Spoken, labels_of, phrases_of
from embodied_agent.mllm.settings import TINY
from embodied_agent.mllm.tokenizer import MENTIONS, ProgramTokenizer, train_tokenizer
from embodied_agent.mllm.vocabulary import CLASSES, COLORS
from embodied_agent.mllm.writing import ProgramWriter
from embodied_agent.training.dataset import example_record

PHRASES = ("cube", "red cube", "red cube left of the mug")
PROGRAM = """with task("put on"):
    with unit("cube"):
        cube = find("red cube left of the mug")
        cube_2 = find("cube")
        pick(cube)
        place(cube, on=cube_2)
"""
EXAMPLES = [generate(seed, "train") for seed in range(150)]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ProgramTokenizer:
    path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    train_tokenizer([PROGRAM, *(item.program for item in EXAMPLES)], path, TINY.vocabulary - MENTIONS)
    return ProgramTokenizer(path)


@pytest.fixture(scope="module")
def network() -> EmbodiedNetwork:
    torch.manual_seed(0)
    return EmbodiedNetwork(TINY).eval().requires_grad_(False)


def mentions(tokenizer: ProgramTokenizer, tokens: list[int]) -> list[int]:
    return [token - len(tokenizer) for token in tokens if token >= len(tokenizer)]


def test_a_grounded_description_is_one_token_and_comes_back_in_full(tokenizer: ProgramTokenizer) -> None:
    tokens = tokenizer.encode_program(PROGRAM, PHRASES)
    assert mentions(tokenizer, tokens) == [2, 0]
    assert tokenizer.decode_program(tokens, PHRASES) == PROGRAM
    assert len(tokens) < len(tokenizer.encode(PROGRAM))


def test_labels_of_units_are_no_descriptions(tokenizer: ProgramTokenizer) -> None:
    assert mentions(tokenizer, tokenizer.encode_program('with unit("cube"):\n', ("cube",))) == []


def test_answers_mention_what_they_speak_of(tokenizer: ProgramTokenizer) -> None:
    text = '    refuse("the red cube does not fit in the mug")\n'
    tokens = tokenizer.encode_program(text, ("mug", "red cube"))
    assert mentions(tokenizer, tokens) == [1, 0]
    assert tokenizer.decode_program(tokens, ("mug", "red cube")) == text


def test_a_word_inside_another_is_not_mentioned(tokenizer: ProgramTokenizer) -> None:
    text = '    thing = find("bowls")\n'
    assert mentions(tokenizer, tokenizer.encode_program(text, ("bowl", ""))) == []


def test_no_more_phrases_are_mentioned_than_there_are_tokens_for(tokenizer: ProgramTokenizer) -> None:
    many = [f"cube {k}" for k in range(MENTIONS + 2)]
    assert mentions(tokenizer, tokenizer.encode_program(f'find("{many[-1]}")', many)) == []


@pytest.mark.parametrize("example", EXAMPLES[:60], ids=lambda example: str(example.seed))
def test_every_program_of_the_oracle_comes_back(tokenizer: ProgramTokenizer, example) -> None:
    record = example_record(example)
    texts = [text for text, _, _ in record["phrases"]]
    for program in (record["program"], record["repair"]):
        assert tokenizer.decode_program(tokenizer.encode_program(program, texts), texts) == program


def test_phrases_come_back_from_the_labels_of_their_words() -> None:
    reader = WordReader(TINY)
    partial = 0
    for example in EXAMPLES:
        spans = example_record(example)["spans"]
        places = reader.places(example.command)
        logits = one_hot(torch.tensor(labels_of(spans, places)), len(LABELS)).float()
        found = phrases_of(logits, places)
        told = [(example.command[a:b].strip("',. "), bool(alone)) for a, b, alone, _ in spans]
        assert [(example.command[s.start : s.end].strip("',. "), s.alone) for s in found] == told
        partial += sum(not alone for _, alone in told)
    assert partial  # "everything" does not mean the bin that it goes into


def test_spans_name_the_words_of_the_phrase_and_its_grounding() -> None:
    for example in EXAMPLES:
        record = example_record(example)
        said = [item for item in example.groundings if item.phrase]
        for item, (start, end, alone, number) in zip(said, record["spans"], strict=True):
            assert example.command[start:end] == item.phrase
            assert record["phrases"][number][0] == item.canonical
            assert bool(alone) == item.alone


def test_a_label_inside_without_a_first_one_begins_a_phrase_and_marks_are_none() -> None:
    logits = one_hot(torch.tensor([1, OUTSIDE, 2, 2, 1]), len(LABELS)).float()
    places = [(0, 0), (0, 3), (4, 7), (8, 12), (0, 0)]
    assert phrases_of(logits, places) == [Spoken(4, 12, True)]


def _memory(network: EmbodiedNetwork, objects: int = 2):
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    seen = Seen(
        draw(objects, len(CLASSES) + len(COLORS)), draw(objects, GEOMETRY),
        draw(6, 8, TINY.channels[-1]),
    )  # fmt: skip
    scenes = stack_scenes([seen], [np.zeros((0, 5), np.float32)], TINY)
    words = torch.randn(1, 5, 768, generator=torch.Generator().manual_seed(1))
    spoken = torch.ones(1, 5, dtype=torch.bool)
    return network.fuse(words, torch.zeros(1, 5, 20, dtype=torch.int64), spoken, scenes)


@pytest.fixture
def credulous(monkeypatch: pytest.MonkeyPatch) -> None:
    """To an untrained network every phrase is unheard of."""
    monkeypatch.setattr("embodied_agent.mllm.decode.UNHEARD_OF", -float("inf"))


def by_itself(words: str, state: str = "absent", objects: tuple[int, ...] = ()) -> Link:
    """What a phrase was taken to mean without the others."""
    return Link(words, state, objects, 0.9, torch.zeros(TINY.width), torch.zeros(TINY.width))


@pytest.mark.usefixtures("credulous")
def test_what_each_phrase_says_by_itself_is_what_is_grounded(
    network: EmbodiedNetwork, tokenizer: ProgramTokenizer
) -> None:
    writer = Writer(network, tokenizer, _memory(network))
    with torch.inference_mode():
        links, _ = writer.ground_all(
            tokenizer.start, [by_itself(words) for words in ("red cube", "mug", "red cube")]
        )
    assert [link.words for link in links[:2]] == ["red cube", "mug"]
    assert "red cube" not in [link.words for link in links[2:]]


def test_a_phrase_that_cannot_be_meant_here_is_read_in_its_context(
    network: EmbodiedNetwork, tokenizer: ProgramTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embodied_agent.mllm.decode.UNHEARD_OF", 0.0)
    told, untold = (Writer(network, tokenizer, _memory(network)) for _ in range(2))
    with torch.inference_mode():
        links, _ = told.ground_all(tokenizer.start, [by_itself("red cube")])
        others, _ = untold.ground_all(tokenizer.start, [None])
    assert [link.words for link in links] == [link.words for link in others]
    assert told.score == pytest.approx(untold.score, abs=1e-3)


def _there(*words: str) -> Callable[[Writer, str, Tensor], Link]:
    """Pointing in a scene that holds what these words mean, and nothing else."""
    return lambda writer, said, hidden: by_itself(said, *(("found", (0,)) if said in words else ("absent", ())))


@pytest.mark.usefixtures("credulous")
def test_what_is_understood_by_itself_is_not_lost_among_the_others(
    network: EmbodiedNetwork, tokenizer: ProgramTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Writer, "follow", _there())
    alone = by_itself("red cube", "found", (1,))
    with torch.inference_mode():
        links, _ = Writer(network, tokenizer, _memory(network)).ground_all(tokenizer.start, [alone])
    assert links[0] is alone


@pytest.mark.usefixtures("credulous")
@pytest.mark.parametrize(("odds", "state"), [(float("inf"), "found"), (-float("inf"), "absent")])
def test_a_doubtful_word_is_taken_for_what_is_there_unless_the_doubt_is_small(
    odds: float, state: str, network: EmbodiedNetwork, tokenizer: ProgramTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embodied_agent.mllm.decode.ODDS", odds)
    monkeypatch.setattr("embodied_agent.mllm.decode.ALTERNATIVES", 9)
    said: list[str] = []

    def follow(writer: Writer, words: str, hidden: Tensor) -> Link:
        said.append(words)
        return by_itself(words) if words == "red cube" else by_itself(words, "found", (0,))

    def phrase(writer: Writer, hidden: Tensor) -> tuple[list[int], list[Tensor]]:
        rest = tokenizer.encode(" cube over there")  # an untrained network may end at once
        return rest, [hidden, writer.read([*rest, tokenizer.link])]

    monkeypatch.setattr(Writer, "follow", follow)
    monkeypatch.setattr(Writer, "phrase", phrase)
    writer = Writer(network, tokenizer, _memory(network))
    with torch.inference_mode():
        links, _ = writer.ground_all(tokenizer.start, [by_itself("red cube")])
    assert said[0] == "red cube"
    assert links[0].state == state
    assert (links[0].words == "red cube") == (state == "absent")


@pytest.mark.usefixtures("credulous")
def test_a_program_under_a_grammar_mentions_only_what_the_grammar_allows(
    network: EmbodiedNetwork, tokenizer: ProgramTokenizer
) -> None:
    lark = 'start: "find(\\"" ("mug" | "red cube") "\\")\\n"\n'
    writer = Writer(network, tokenizer, _memory(network))
    with torch.inference_mode():
        links, hidden = writer.ground_all(tokenizer.start, [by_itself("red cube"), by_itself("blue bowl")])
        text = ProgramWriter(writer, hidden, Grammar(tokenizer, TINY.vocabulary).matcher(lark), links).write().text
    assert text in ('find("mug")\n', 'find("red cube")\n')


def test_the_grammar_is_left_as_it_was_where_a_mention_does_not_fit(
    tokenizer: ProgramTokenizer,
) -> None:
    from embodied_agent.mllm.writing import _consume

    matcher = Grammar(tokenizer, TINY.vocabulary).matcher('start: "red mug"\n')
    assert not _consume(matcher, tokenizer.encode("red cube"))
    assert _consume(matcher, tokenizer.encode("red mug"))


def test_a_vocabulary_without_room_for_mentions_is_refused(
    tmp_path: Path, network: EmbodiedNetwork, tokenizer: ProgramTokenizer
) -> None:
    import json

    from embodied_agent.errors import WeightsError
    from embodied_agent.mllm.tokenizer import FILE_NAME
    from embodied_agent.mllm.weights import load_weights, save_weights

    save_weights(network, tmp_path, {})
    (tmp_path / FILE_NAME).write_text(tokenizer.path.read_text())
    index = json.loads((tmp_path / "model.json").read_text())
    index["settings"]["vocabulary"] = len(tokenizer) + MENTIONS - 1
    (tmp_path / "model.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="mentions"):
        load_weights(tmp_path)


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ('        cube = find("', [0]),
        ('        cube_2 = find("', [0]),
        ('        thing = find("', [4]),
        ('        mug = find("', [0, 4]),  # nothing is called so: all that was found
        ('    for cube in find_all("', [1]),
        ('    if count("', [1]),
        ('    if exists("', [0, 2, 3, 4]),
        ('    refuse("there is no ', [0, 1, 2, 3, 4]),
    ],
)
def test_a_place_takes_what_its_call_asks_for_and_its_name_promises(written: str, numbers: list[int]) -> None:
    phrases = [
        ("cube left of the mug", "found"), ("red cubes", "several"), ("bowl", "absent"), ("can", "ambiguous"),
        ("leftmost object", "found"), ("", "found"),
    ]  # fmt: skip
    assert fitting(*place_of(written), phrases) == numbers


@pytest.mark.parametrize("example", EXAMPLES[:60], ids=lambda example: str(example.seed))
def test_every_mention_of_the_oracle_fits_its_place(example) -> None:
    record = example_record(example)
    phrases = [(text, state) for text, _, state in record["phrases"]]
    for program in (record["program"], record["repair"]):
        for found in re.finditer(r'\b(?:find|find_all|exists|count)\("([^"]*)"', program):
            words = [text for text, _ in phrases]
            if found.group(1) in words:
                number = words.index(found.group(1))
                assert number in fitting(*place_of(program[: found.start(1)]), phrases)
