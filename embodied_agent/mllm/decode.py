"""Greedy decoding under a grammar.

The grammar is asked first whether it allows the model's own choice; only where it does not is
the whole vocabulary masked. The result is the same as masking every step, and costs a tenth.
Tokens that the grammar leaves no choice about are read in one step.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embodied_agent.errors import PlannerError
from embodied_agent.mllm.decoder import Cache
from embodied_agent.mllm.mentions import WHOLE, fitting, place_of
from embodied_agent.mllm.names import unbound
from embodied_agent.mllm.network import EmbodiedNetwork, Memory, seen_at
from embodied_agent.mllm.tokenizer import ABSENT, MENTIONS, SPECIAL, STATES, ProgramTokenizer

LONGEST_PHRASE = 32
MEMBER_THRESHOLD = 0.5
NAME_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"
REWRITES = 6  # times that a program is written again from a name that has no value
RECENT = 16  # tokens that a line's beginning is away from its description


@dataclass(frozen=True)
class Link:
    """One grounded phrase.

    Attributes:
        words: Canonical description, as the model wrote it.
        state: "found", "several", "absent" or "ambiguous".
        objects: Indices of the object tokens meant, best first.
        confidence: Probability of the state times that of the best object.
        embedding: The super-link embedding, (D,).
        pointed: Mean fused embedding of the objects, (D,).
    """

    words: str
    state: str
    objects: tuple[int, ...]
    confidence: float
    embedding: Tensor
    pointed: Tensor


@dataclass
class Timer:
    """Where decoding time went [s], and how much was decoded."""

    masking: float = 0.0
    total: float = 0.0
    steps: int = 0
    tokens: int = 0
    notes: dict[str, float] = field(default_factory=dict)


class Grammar:
    """A compiled grammar; one matcher per text, reset for each decode."""

    def __init__(self, tokenizer: ProgramTokenizer, vocabulary: int) -> None:
        import llguidance

        self._library = llguidance
        self._tokenizer = llguidance.LLTokenizer(
            tokenizer.path.read_text(), n_vocab=vocabulary, eos_token=tokenizer.end
        )
        self._compiled: dict[str, llguidance.LLMatcher] = {}

    def matcher(self, lark: str) -> object:
        """A fresh matcher for a Lark grammar.

        Raises:
            PlannerError: The grammar does not compile.
        """
        compiled = self._compiled.get(lark)
        if compiled is None:
            source = self._library.LLMatcher.grammar_from_lark(lark)
            compiled = self._library.LLMatcher(self._tokenizer, source, log_level=0)
            if compiled.is_error():
                raise PlannerError(f"the decoding grammar does not compile: {compiled.get_error()}")
            self._compiled[lark] = compiled
        return compiled.deep_copy()


class Writer:
    """One decode: a sequence that grows, its cache, and what it may read."""

    def __init__(self, network: EmbodiedNetwork, tokenizer: ProgramTokenizer, memory: Memory) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._memory = memory
        self._cache = Cache(network.settings)
        self._length = 0
        self.timer = Timer()

    def read(self, tokens: list[int], seen: Tensor | None = None) -> Tensor:
        """Append tokens; the hidden state of the last one, (D,)."""
        start = time.perf_counter()
        self._length += len(tokens)
        if self._length > self._network.settings.max_tokens:
            raise PlannerError(f"the program did not end within {self._network.settings.max_tokens} tokens")
        width = self._network.settings.width
        feed = torch.zeros(1, len(tokens), width, dtype=self._memory.tokens.dtype)
        if seen is not None:
            feed[0, -1] = seen
        memory = self._memory
        hidden = self._network.decoder(torch.tensor([tokens]), feed, memory.tokens, memory.mask, self._cache)
        self.timer.total += time.perf_counter() - start
        self.timer.steps += 1
        self.timer.tokens += len(tokens)
        last: Tensor = hidden[0, -1]
        return last

    def scores(self, hidden: Tensor, mentions: Sequence[int] = ()) -> NDArray[np.float32]:
        """Next-token logits, (V,), of plain tokens and of those mentions."""
        logits: NDArray[np.float32] = self._network.decoder.logits(hidden).float().numpy()
        logits[np.setdiff1d(np.arange(len(self._tokenizer), len(logits)), mentions)] = -np.inf
        return logits

    def phrase(self, hidden: Tensor) -> tuple[list[int], Tensor]:
        """Write a description up to its link; its tokens and the link's hidden state."""
        tokens: list[int] = []
        while len(tokens) < LONGEST_PHRASE:
            scores = self.scores(hidden)
            link = scores[self._tokenizer.link]
            scores[: len(SPECIAL)] = -np.inf
            best = int(scores.argmax())
            if link >= scores[best]:
                break
            tokens.append(best)
            hidden = self.read([best])
        return tokens, self.read([self._tokenizer.link])

    def follow(self, words: str, hidden: Tensor) -> Link:
        """Point from a link's hidden state."""
        memory = self._memory
        pointing = self._network.point(hidden[None, None], memory)
        states = pointing.states[0, 0].softmax(-1)
        seen = int(memory.present.sum())
        state = int(states.argmax()) if seen else STATES.index(ABSENT)
        best = pointing.best[0, 0].softmax(-1)
        share = pointing.members[0, 0].sigmoid()
        objects, confidence = _choose(STATES[state].strip("<>"), best, share[:seen])
        chosen = torch.zeros(1, 1, memory.objects.shape[1], dtype=torch.bool)
        chosen[0, 0, list(objects)] = True
        return Link(
            words=words,
            state=STATES[state].strip("<>"),
            objects=objects,
            confidence=float(states[state]) * confidence,
            embedding=pointing.link[0, 0],
            pointed=seen_at(memory.objects, chosen)[0, 0],
        )

    def ground(self, opening: int) -> Link:
        """Ground the one phrase that a query holds."""
        hidden = self.read([opening, self._tokenizer.ground])
        tokens, at_link = self.phrase(hidden)
        return self.follow(self._tokenizer.decode(tokens), at_link)

    def ground_all(self, opening: int, told: Sequence[str | None] = ()) -> tuple[list[Link], Tensor]:
        """Ground every phrase of a command; the links, and the hidden state after `<program>`.

        Args:
            opening: `<start>` or `<again>`.
            told: The phrases of the command in their order, as each reads by itself; None = it is to be
                read in its context. What the words leave out may follow.
        """
        tokenizer = self._tokenizer
        hidden = self.read([opening])
        links: list[Link] = []
        for words in told:
            again = words is not None and words in [link.words for link in links]
            if not again and len(links) < MENTIONS:
                hidden = self._ground_next(words, links)
        while len(links) < MENTIONS:
            scores = self.scores(hidden)
            if scores[tokenizer.program] >= scores[tokenizer.ground]:
                break
            hidden = self._ground_next(None, links)
        return links, self.read([tokenizer.program])

    def _ground_next(self, words: str | None, links: list[Link]) -> Tensor:
        """Write one phrase, point from it, and read what it points at; the hidden state after that."""
        tokenizer = self._tokenizer
        if words is None:
            tokens, at_link = self.phrase(self.read([tokenizer.ground]))
            words = tokenizer.decode(tokens)
        else:
            at_link = self.read([tokenizer.ground, *tokenizer.encode(words), tokenizer.link])
        link = self.follow(words, at_link)
        links.append(link)
        return self.read([tokenizer.found + STATES.index(f"<{link.state}>")], link.pointed)

    def program(self, hidden: Tensor, matcher: Any | None, links: Sequence[Link] = ()) -> str:
        """Write the program after `<program>`, under a grammar if there is one.

        A name that has no value where it is used is not written: the next best is.

        Args:
            hidden: As `ground_all` gives it.
            matcher: Of the grammar; it is told of mentions as of the words that they stand for.
            links: What was grounded, which the program may mention.

        Raises:
            PlannerError: It did not end, or the grammar got stuck.
        """
        phrases = [link.words for link in links[:MENTIONS]]
        begun, barred = self._length, dict[int, set[int]]()
        for _ in range(REWRITES):
            fresh = None if matcher is None else matcher.deep_copy()
            chosen = self._write(hidden, fresh, links, barred)
            text = self._tokenizer.decode_program([t for _, more in chosen for t in more], phrases)
            place = unbound(text + "\n")
            if place is None:
                break
            self._bar(chosen, text, place, phrases, barred)
            self._forget(begun)
        return text

    def _bar(
        self, chosen: list[tuple[int, list[int]]], text: str, place: int, phrases: list[str],
        barred: dict[int, set[int]],
    ) -> None:  # fmt: skip
        """Bar the last choice that led to the name at `place` and that was not barred there before."""
        rest = text[place + 1 :]
        end = place + 1 + len(rest) - len(rest.lstrip(NAME_LETTERS))
        ends, written = [0], list[int]()
        for _, more in chosen:
            written += more
            ends.append(len(self._tokenizer.decode_program(written, phrases)))
        within = [k for k in range(len(chosen)) if ends[k] < end and ends[k + 1] > place]
        step = next((k for k in reversed(within) if k not in barred), within[0])
        barred.setdefault(step, set()).add(chosen[step][0])
        for later in [k for k in barred if k > step]:
            del barred[later]

    def _write(
        self, hidden: Tensor, matcher: Any | None, links: Sequence[Link], barred: Mapping[int, set[int]]
    ) -> list[tuple[int, list[int]]]:
        """The tokens chosen at each step, each with those that had to follow it, all without the end."""
        tokenizer, end = self._tokenizer, self._tokenizer.end
        phrases = [link.words for link in links[:MENTIONS]]
        states = [(link.words, link.state) for link in links[:MENTIONS]]
        said = {tokenizer.mention(k): tokenizer.encode(text) for k, text in enumerate(phrases)}
        steps: list[tuple[int, list[int]]] = []
        written: list[int] = []
        while True:
            call, name = place_of(tokenizer.decode_program(written[-RECENT:], phrases))
            mentions = [tokenizer.mention(k) for k in fitting(call, name, states)]
            scores = self.scores(hidden, mentions)
            if call in WHOLE and mentions:
                scores[: len(tokenizer)] -= 1e4  # words only where the grammar allows no mention
            scores[:end] = -np.inf
            scores[end + 1 : len(SPECIAL)] = -np.inf
            scores[list(barred.get(len(steps), ()))] = -np.inf
            token = int(scores.argmax())
            more = [] if token == end and matcher is None else [token]
            if matcher is not None:
                more = self._allowed(scores, token, matcher, said)
            if not more or more[-1] == end:
                return [*steps, (token, [t for t in more if t != end])]
            steps.append((more[0], more))
            written += more
            hidden = self.read(more)

    def _forget(self, length: int) -> None:
        """Go back to when so many tokens had been read."""
        self._cache.cut(length)
        self._length = length

    def _allowed(
        self, scores: NDArray[np.float32], token: int, matcher: Any, said: Mapping[int, list[int]]
    ) -> list[int]:
        """The best token that the grammar allows, and those that must follow it."""
        start = time.perf_counter()
        try:
            if matcher.is_stopped():
                return [self._tokenizer.end]
            if not _consume(matcher, said.get(token, [token])):
                mask = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
                allowed = np.unpackbits(mask, bitorder="little")[: len(scores)].astype(bool)
                for mention, words in said.items():
                    allowed[mention] = matcher.validate_tokens(words) == len(words)
                scores[~allowed] = -np.inf
                token = int(scores.argmax())
                if not allowed[token] or not _consume(matcher, said.get(token, [token])):
                    raise PlannerError(f"the grammar allows nothing here: {matcher.get_error()}")
            if token == self._tokenizer.end:
                return [token]
            forced: list[int] = matcher.compute_ff_tokens()
            if forced and not matcher.consume_tokens(forced):
                raise PlannerError(f"the grammar refuses its own tokens: {matcher.get_error()}")
            return [token, *forced]
        finally:
            self.timer.masking += time.perf_counter() - start


def _consume(matcher: Any, tokens: list[int]) -> bool:
    """Tell the grammar of tokens, all or none; False where it does not allow them."""
    done = int(matcher.try_consume_tokens(tokens))
    if 0 < done < len(tokens):
        matcher.rollback(done)
    return done == len(tokens)


def _choose(state: str, best: Tensor, share: Tensor) -> tuple[tuple[int, ...], float]:
    """Objects that a pointing means, best first, and how sure the best is."""
    if state == "absent":
        return (), float(best[-1])
    if state == "found":
        first = int(best[:-1].argmax())
        return (first,), float(best[first])
    order = share.argsort(descending=True).tolist()
    members = [index for index in order if share[index] > MEMBER_THRESHOLD]
    least = 2 if state == "ambiguous" else 1
    members = members if len(members) >= least else order[:least]
    return tuple(members), float(share[members].mean()) if members else 0.0
