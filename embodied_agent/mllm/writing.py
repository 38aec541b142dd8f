"""The most likely program that holds together, under a grammar.

Written greedily first. Where the model was in two minds, the other choice is followed too, the
likeliest first (best-first search over the places where a program could have gone otherwise; a
beginning is never less likely than what follows from it, so the search knows when it is done).
A program that contradicts itself or leaves out something that was grounded gives way to the next.

The grammar is asked first whether it allows the model's own choice; only where it does not, or
where the model is in doubt, is the whole vocabulary masked. The result is the same as masking every
step. Tokens that the grammar leaves no choice about are read in one step.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embodied_agent.errors import PlannerError
from embodied_agent.mllm.decode import Link, Writer
from embodied_agent.mllm.faults import Fault, faults_of, in_label, renamed
from embodied_agent.mllm.mentions import WHOLE, fitting, place_of
from embodied_agent.mllm.tokenizer import MENTIONS, SPECIAL

DRAFTS = 24  # programs written at most
STEPS = 300  # ... and no further one is begun after so many steps of the decoder
RIVALS = 2  # other choices at one place
SURE = -0.01  # log-probability from which on nothing else is looked at
LEAST = -8.0  # ... and under which a rival is none
RENAMED = -2.0  # log of how much less likely a program is of which a variable is called after something else
RECENT = 16  # tokens that a line's beginning is away from its description


@dataclass(frozen=True)
class Step:
    """One choice.

    Attributes:
        tokens: What was chosen, and what had to follow it.
        score: Log-probability of the choice.
        rivals: Other tokens that were allowed, with theirs.
    """

    tokens: tuple[int, ...]
    score: float
    rivals: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Draft:
    """A program.

    Attributes:
        text: The program.
        score: Log-probability of its choices, and of the grounding before it.
        faults: Why it cannot be meant.
    """

    text: str
    score: float
    faults: tuple[Fault, ...]

    @property
    def rank(self) -> tuple[int, float]:
        """Sound ones first, then likely ones."""
        return -len(self.faults), self.score

    def is_best(self, bound: float) -> bool:
        """Whether nothing that is at most as likely as `bound` can be better."""
        return not self.faults and self.score >= bound


class ProgramWriter:
    """Writes programs after one grounding."""

    def __init__(
        self, writer: Writer, hidden: Tensor, matcher: Any | None, links: Sequence[Link] = (), said: str = ""
    ) -> None:
        """Stand at the beginning of a program.

        Args:
            writer: It has grounded the command; `hidden` is its state after `<program>`.
            hidden: (D,).
            matcher: Of the grammar, None = none; it is told of mentions as of the words that they stand for.
            links: What was grounded, which the program may mention.
            said: The command.
        """
        self._writer = writer
        self._hidden = hidden
        self._matcher = matcher
        self._begun = writer.length
        self._command = said
        self._tokenizer = writer.tokenizer
        self._phrases = [link.words for link in links[:MENTIONS]]
        self._states = [(link.words, link.state) for link in links[:MENTIONS]]
        self._there = [words for words, state in self._states if state != "absent"]
        self._near = [link.words for link in links[:MENTIONS] if writer.is_near(link)]
        self._said = {self._tokenizer.mention(k): self._tokenizer.encode(t) for k, t in enumerate(self._phrases)}
        self.masking = 0.0  # [s]

    def write(self) -> Draft:
        """The best draft.

        Raises:
            PlannerError: It did not end, or the grammar got stuck.
        """
        best: Draft | None = None
        # Beginnings that may be followed: minus their score, a number that makes entries differ, steps, choice.
        open_: list[tuple[float, int, list[Step], int | None]] = [(0.0, 0, [], None)]
        count = 0
        for _ in range(DRAFTS):
            if best is not None and (
                not open_ or best.is_best(self._writer.score - open_[0][0]) or self._writer.timer.steps > STEPS
            ):
                break
            _, _, prefix, choice = heapq.heappop(open_)
            steps = self._follow(prefix, choice)
            draft, ends = self._draft(steps)
            if best is None or draft.rank > best.rank:
                best = draft
            latest = min((fault.end for fault in draft.faults), default=len(draft.text) + 1)
            sofar = sum(step.score for step in prefix)
            for k in range(len(prefix), len(steps)):
                begin = ends[k - 1] if k else 0
                if begin < latest and not in_label(draft.text[:begin]):
                    for token, score in steps[k].rivals:
                        count += 1
                        heapq.heappush(open_, (-(sofar + score), count, steps[:k], token))
                sofar += steps[k].score
        assert best is not None
        return best

    def _draft(self, steps: list[Step]) -> tuple[Draft, list[int]]:
        """The draft that steps make, and where in its text each of them ends."""
        tokens: list[int] = []
        ends = []
        for step in steps:
            tokens += [token for token in step.tokens if token != self._tokenizer.end]
            ends.append(len(self._tokenizer.decode_program(tokens, self._phrases)))
        text = self._tokenizer.decode_program(tokens, self._phrases)
        score = self._writer.score + sum(step.score for step in steps)
        draft = Draft(text, score, self._faults(text))
        if draft.faults and not self._faults(called := renamed(text)):
            draft = Draft(called, score + RENAMED, ())
        return draft, ends

    def _faults(self, text: str) -> tuple[Fault, ...]:
        return faults_of(text, self._phrases, self._command, self._there, self._near)

    def _follow(self, prefix: list[Step], choice: int | None) -> list[Step]:
        """Go on from a beginning, with a choice if one is given, to the end."""
        self._writer.forget(self._begun)
        matcher = None if self._matcher is None else self._matcher.deep_copy()
        steps = list(prefix)
        written = [token for step in steps for token in step.tokens]
        hidden = self._hidden
        if written:
            for token in written if matcher is not None else ():
                _consume(matcher, self._said.get(token, [token]))
            hidden = self._writer.read(written)
        while True:
            step = self._step(hidden, written, matcher, choice)
            choice = None
            steps.append(step)
            if not step.tokens or step.tokens[-1] == self._tokenizer.end:
                return steps
            written += step.tokens
            hidden = self._writer.read(list(step.tokens))

    def _step(self, hidden: Tensor, written: list[int], matcher: Any | None, choice: int | None) -> Step:
        tokenizer = self._tokenizer
        call, name = place_of(tokenizer.decode_program(written[-RECENT:], self._phrases))
        mentions = [tokenizer.mention(k) for k in fitting(call, name, self._states)]
        scores = self._writer.scores(hidden, mentions)
        likely = torch.from_numpy(scores).log_softmax(-1).numpy()
        if call in WHOLE and mentions:
            scores[: len(tokenizer)] -= 1e4  # words only where the grammar allows no mention
        scores[: tokenizer.end] = -np.inf
        scores[tokenizer.end + 1 : len(SPECIAL)] = -np.inf
        best = int(scores.argmax()) if choice is None else choice
        sure = choice is not None or likely[best] > SURE
        if matcher is None:
            return Step((best,), float(likely[best]), () if sure else _rivals(scores, likely, best))
        start = time.perf_counter()
        try:
            if matcher.is_stopped():
                return Step((tokenizer.end,), 0.0)
            rivals: tuple[tuple[int, float], ...] = ()
            if not sure or not _consume(matcher, self._said.get(best, [best])):
                self._mask(scores, matcher)
                best = int(scores.argmax())
                rivals = _rivals(scores, likely, best)
                if not np.isfinite(scores[best]) or not _consume(matcher, self._said.get(best, [best])):
                    raise PlannerError(f"the grammar allows nothing here: {matcher.get_error()}")
            if best == tokenizer.end:
                return Step((best,), float(likely[best]), rivals)
            forced: list[int] = matcher.compute_ff_tokens()
            if forced and not matcher.consume_tokens(forced):
                raise PlannerError(f"the grammar refuses its own tokens: {matcher.get_error()}")
            return Step((best, *forced), float(likely[best]), rivals)
        finally:
            self.masking += time.perf_counter() - start

    def _mask(self, scores: NDArray[np.float32], matcher: Any) -> None:
        """Leave only the scores of what the grammar allows."""
        mask = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.unpackbits(mask, bitorder="little")[: len(scores)].astype(bool)
        for mention, words in self._said.items():
            allowed[mention] = matcher.validate_tokens(words) == len(words)
        scores[~allowed] = -np.inf


def _rivals(scores: NDArray[np.float32], likely: NDArray[np.float32], best: int) -> tuple[tuple[int, float], ...]:
    """The likeliest choices beside the best."""
    order = np.argsort(scores)[::-1][: RIVALS + 1].tolist()
    return tuple(
        (token, float(likely[token]))
        for token in order
        if token != best and np.isfinite(scores[token]) and likely[token] > LEAST
    )


def _consume(matcher: Any, tokens: list[int]) -> bool:
    """Tell the grammar of tokens, all or none; False where it does not allow them."""
    done = int(matcher.try_consume_tokens(tokens))
    if 0 < done < len(tokens):
        matcher.rollback(done)
    return done == len(tokens)
