"""Tokens that the model writes: byte-level BPE over programs, and the marks around grounding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from embodied_agent.errors import WeightsError
from embodied_agent.mllm.vocabulary import COLOR_INDEX

PAD, START, FIND, GROUND, LINK, FOUND, SEVERAL, ABSENT, AMBIGUOUS, PROGRAM, END, AGAIN = SPECIAL = (
    "<pad>", "<start>", "<find>", "<ground>", "<link>", "<found>", "<several>", "<absent>", "<ambiguous>",
    "<program>", "<end>", "<again>",
)  # fmt: skip
# `<again>` opens the sequence in place of `<start>` when an earlier program has failed.
STATES = (FOUND, SEVERAL, ABSENT, AMBIGUOUS)  # what a link may have led to
FILE_NAME = "tokenizer.json"
MENTIONS = 12  # grounded phrases that a program can mention by their number

# A token never spans two words inside a string: "red" and "mug" stay apart, so a pair that was
# never seen in training is written with the same tokens as any other. Digits stay apart as well.
_SAID = re.compile(r'\b(?:find|find_all|exists|count|refuse|ask)\("([^"\n]*)"')
_PIECES = r"""\n *| ?[A-Za-z_]+(?:\("|\(|=")?|[0-9]| ?[^\sA-Za-z0-9_]+|\s"""


class ProgramTokenizer:
    """Text <-> tokens, with the ids of the marks at hand."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        if not path.is_file():
            raise WeightsError(f"no tokenizer at {path}; reinstall the package or train one")
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise WeightsError(f"tokenizer {path} is unreadable: {error}") from error
        self._tokenizer.encode_special_tokens = True  # a mark inside a text stays text
        self.path = path
        ids = range(len(SPECIAL))
        if [self._tokenizer.token_to_id(mark) for mark in SPECIAL] != list(ids):
            raise WeightsError(f"tokenizer {path} is of another version: its marks do not fit")
        (self.pad, self.start, self.find, self.ground, self.link, self.found, self.several, self.absent,
         self.ambiguous, self.program, self.end, self.again) = ids  # fmt: skip

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> list[int]:
        """Tokens of plain text; marks in it are read as text."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: list[int]) -> str:
        """Text of tokens; marks are left out."""
        plain = [token for token in tokens if token >= len(SPECIAL)]
        return str(self._tokenizer.decode(plain, skip_special_tokens=False))

    @cached_property
    def colors(self) -> tuple[tuple[int, ...], ...]:
        """Tokens of the colours where a phrase begins with one, and of those where one follows a word."""
        families = ([self.encode(lead + color) for color in COLOR_INDEX] for lead in ("", " "))
        return tuple(tuple(tokens[0] for tokens in family if len(tokens) == 1) for family in families)

    def mention(self, number: int) -> int:
        """The token that stands for the grounded phrase of that number; it follows the plain tokens."""
        return len(self) + number

    def encode_program(self, program: str, phrases: Sequence[str]) -> list[int]:
        """Tokens of a program, where what was grounded is mentioned and not said again.

        The words of a description are so read once, from the command; a program that speaks of
        "the third phrase" cannot mix up the colours of the second and the third.

        Args:
            program: Its text.
            phrases: Grounded descriptions in their order.
        """
        numbers = {text: number for number, text in enumerate(phrases[:MENTIONS]) if text}
        if not numbers:
            return self.encode(program)
        longest_first = "|".join(re.escape(text) for text in sorted(numbers, key=len, reverse=True))
        named = re.compile(rf"(?<!\w)(?:{longest_first})(?!\w)")
        tokens: list[int] = []
        done = 0
        for string in _SAID.finditer(program):
            for found in named.finditer(program, string.start(1), string.end(1)):
                tokens += [*self.encode(program[done : found.start()]), self.mention(numbers[found.group()])]
                done = found.end()
        return tokens + self.encode(program[done:])

    def decode_program(self, tokens: Sequence[int], phrases: Sequence[str]) -> str:
        """Text of a program's tokens, mentions said in full."""
        parts: list[str] = []
        plain: list[int] = []
        for token in tokens:
            if token < len(self):
                plain.append(token)
            else:
                parts += [self.decode(plain), phrases[token - len(self)]]
                plain = []
        return "".join([*parts, self.decode(plain)])


def train_tokenizer(texts: Iterable[str], path: Path, vocabulary: int) -> None:
    """Learn the merges from programs and write the file."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
