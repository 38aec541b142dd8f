"""Tokens that the model writes: byte-level BPE over programs, and the marks around grounding."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from embodied_agent.errors import WeightsError

PAD, START, FIND, GROUND, LINK, FOUND, SEVERAL, ABSENT, AMBIGUOUS, PROGRAM, END, AGAIN = SPECIAL = (
    "<pad>", "<start>", "<find>", "<ground>", "<link>", "<found>", "<several>", "<absent>", "<ambiguous>",
    "<program>", "<end>", "<again>",
)  # fmt: skip
# `<again>` opens the sequence in place of `<start>` when an earlier program has failed.
STATES = (FOUND, SEVERAL, ABSENT, AMBIGUOUS)  # what a link may have led to
FILE_NAME = "tokenizer.json"

# A token never spans two words inside a string: "red" and "mug" stay apart, so a pair that was
# never seen in training is written with the same tokens as any other. Digits stay apart as well.
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
