"""The most likely program that holds together is written, not the first that comes to mind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from embodied_agent.mllm.decode import Writer
from embodied_agent.mllm.network import EmbodiedNetwork, Memory
from embodied_agent.mllm.objects import ATTRIBUTES
from embodied_agent.mllm.settings import TINY
from embodied_agent.mllm.tokenizer import ProgramTokenizer, train_tokenizer
from embodied_agent.mllm.vocabulary import COLORS
from embodied_agent.mllm.writing import Draft, ProgramWriter

RIGHT = """with task("swap"):
    mug = find("red mug")
    can_2 = find("can")
    pick(can_2)
    place(can_2, on=mug)
"""
UNKNOWN = RIGHT.replace("pick(can_2)", "pick(can)")
OTHER = RIGHT.replace("pick(can_2)", "pick(cup_2)")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ProgramTokenizer:
    path: Path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    train_tokenizer([RIGHT, OTHER], path, TINY.vocabulary)
    return ProgramTokenizer(path)


@pytest.fixture(scope="module")
def memory() -> Memory:
    empty = torch.zeros(1, 1, TINY.width)
    there = torch.ones(1, 1, dtype=torch.bool)
    return Memory(empty, there, empty, empty, empty, torch.zeros(1, 1, 7), torch.zeros(1, 1, ATTRIBUTES), there)


class Wishful(Writer):
    """Would write the first of some texts that what it wrote begins, else the next."""

    def __init__(self, tokenizer: ProgramTokenizer, memory: Memory, wishes: list[str]) -> None:
        torch.manual_seed(0)
        super().__init__(EmbodiedNetwork(TINY).eval().requires_grad_(False), tokenizer, memory)
        self.ids = tokenizer
        self.wishes = [[*tokenizer.encode(text), tokenizer.end] for text in wishes]
        self.written: list[int] = []

    def read_all(self, tokens: list[int], seen: Tensor | None = None) -> Tensor:
        hidden = super().read_all(tokens, seen)
        if tokens != [self.ids.program]:
            self.written = [*self.written, *tokens]
        return hidden

    def scores(self, hidden: Tensor, mentions: Any = ()) -> np.ndarray:
        logits = np.full(TINY.vocabulary, -10.0, dtype=np.float32)
        own = self.written[: self.length - 1]
        for rank, wish in enumerate(self.wishes):
            if wish[: len(own)] == own:
                logits[wish[len(own)]] = max(logits[wish[len(own)]], -float(rank))
        return logits

    def forget(self, length: int) -> None:
        super().forget(length)
        self.written = self.written[: length - 1]


def draft(tokenizer: ProgramTokenizer, memory: Memory, *wishes: str) -> Draft:
    with torch.inference_mode():
        writer = Wishful(tokenizer, memory, list(wishes))
        return ProgramWriter(writer, writer.read([tokenizer.program]), None).write()


def write(tokenizer: ProgramTokenizer, memory: Memory, *wishes: str) -> str:
    return draft(tokenizer, memory, *wishes).text


def test_a_fine_program_is_written_as_it_is(tokenizer: ProgramTokenizer, memory: Memory) -> None:
    assert write(tokenizer, memory, RIGHT, UNKNOWN) == RIGHT


@pytest.mark.parametrize("wrong", [UNKNOWN, OTHER])
def test_an_unknown_name_gives_way_to_the_next_best(
    tokenizer: ProgramTokenizer, memory: Memory, wrong: str
) -> None:
    assert write(tokenizer, memory, wrong, RIGHT) == RIGHT


def test_where_nothing_else_is_known_the_program_is_left_to_the_checker(
    tokenizer: ProgramTokenizer, memory: Memory
) -> None:
    assert "cup_2" in write(tokenizer, memory, OTHER) or "pick(" in write(tokenizer, memory, OTHER)


def test_a_draft_tells_its_faults_and_how_likely_it_is(tokenizer: ProgramTokenizer, memory: Memory) -> None:
    sound, unsound = draft(tokenizer, memory, RIGHT), draft(tokenizer, memory, OTHER)
    assert not sound.faults and [fault.why for fault in unsound.faults] == ["a name has no value"]
    assert sound.score < 0
    assert sound.rank > unsound.rank


def test_the_cache_is_as_if_the_forgotten_was_never_read(tokenizer: ProgramTokenizer, memory: Memory) -> None:
    torch.manual_seed(0)
    network = EmbodiedNetwork(TINY).eval().requires_grad_(False)
    with torch.inference_mode():
        plain, back = Writer(network, tokenizer, memory), Writer(network, tokenizer, memory)
        for writer in (plain, back):
            writer.read([tokenizer.program, 20, 21])
        back.read([30, 31, 32])
        back.forget(3)
        assert torch.allclose(plain.read([22]), back.read([22]), atol=1e-5)


class Swayed(Writer):
    """After "black" it is in two minds between can and cube, after any other colour it would write cube."""

    def __init__(self, tokenizer: ProgramTokenizer, memory: Memory, doubt: float) -> None:
        torch.manual_seed(0)
        super().__init__(EmbodiedNetwork(TINY).eval().requires_grad_(False), tokenizer, memory)
        self.ids, self.doubt, self.written = tokenizer, doubt, [tokenizer.find]
        self.length = 1

    def read(self, tokens: list[int], seen: Tensor | None = None) -> Tensor:
        self.written += tokens
        self.length += len(tokens)
        return torch.zeros(TINY.width)

    def forget(self, length: int) -> None:
        self.length = length
        del self.written[length:]

    def scores(self, hidden: Tensor, mentions: Any = ()) -> np.ndarray:
        (can,), (cube,), (black,) = (self.ids.encode(text) for text in (" can", " cube", "black"))
        logits = np.full(TINY.vocabulary, -20.0, dtype=np.float32)
        last = self.written[-1]
        if last in (can, cube):
            logits[self.ids.link] = 0.0
        elif last == self.ids.find:
            logits[black] = 0.0
        else:
            logits[cube] = 0.0
            logits[can] = self.doubt if last == black else -9.0
        return logits


@pytest.fixture(scope="module")
def colored(tmp_path_factory: pytest.TempPathFactory) -> ProgramTokenizer:
    path: Path = tmp_path_factory.mktemp("colors") / "tokenizer.json"
    said = [
        f'find("{color} {kind}")\nfind("small {color} {kind}")' for color in COLORS for kind in ("can", "cube")
    ]
    train_tokenizer(said * 3, path, TINY.vocabulary)
    return ProgramTokenizer(path)


@pytest.mark.parametrize(("doubt", "noun"), [(1.0, "cube"), (-1.0, "cube"), (9.0, "can")])
def test_a_noun_is_read_whatever_its_colour_where_there_is_doubt(
    colored: ProgramTokenizer, memory: Memory, doubt: float, noun: str
) -> None:
    writer = Swayed(colored, memory, doubt)
    tokens, states = writer.phrase(torch.zeros(TINY.width))
    assert colored.decode(tokens) == f"black {noun}"
    assert writer.written == [colored.find, *tokens, colored.link] and len(states) == len(tokens) + 2


def test_colours_are_tokens_of_their_own_with_and_without_a_word_before_them(colored: ProgramTokenizer) -> None:
    assert [len(family) for family in colored.colors] == [len(COLORS)] * 2
