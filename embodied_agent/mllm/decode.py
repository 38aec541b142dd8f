"""Grounding: the phrases of a command are written, followed to what they mean, and read back.

`writing` goes on from there with the program.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embodied_agent.errors import PlannerError
from embodied_agent.mllm.canonical import is_canonical
from embodied_agent.mllm.counting import ranked
from embodied_agent.mllm.decoder import Cache
from embodied_agent.mllm.network import EmbodiedNetwork, Memory, seen_at
from embodied_agent.mllm.tokenizer import ABSENT, MENTIONS, SPECIAL, STATES, ProgramTokenizer
from embodied_agent.mllm.witness import PLAIN, attest, in_all_but_rank, levelled

LONGEST_PHRASE = 32
UNHEARD_OF = -10.0  # log-probability below which nothing is a phrase here, whatever it says by itself
MEMBER_THRESHOLD = 0.5
ODDS = 2.5  # log of how much likelier a person speaks of what is there than of what is not
ALTERNATIVES = 2  # readings of a phrase that are tried then
SURE_THERE = 0.6  # confidence
NEAR = 0.75  # [m] from the base, on the table: every arm here reaches that
NO_DOUBT = -0.05  # log-probability from which on a noun is not asked for again


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
    """One decode: a sequence that grows, its cache, and what it may read.

    Attributes:
        tokenizer: Of the tokens that are read and written.
        length: How many were read so far.
        score: Log-probability of what was grounded so far, in this order and in these words.
        timer: Where the time went.
    """

    def __init__(self, network: EmbodiedNetwork, tokenizer: ProgramTokenizer, memory: Memory) -> None:
        self._network = network
        self.tokenizer = tokenizer
        self._memory = memory
        self._cache = Cache(network.settings)
        self.length = 0
        self.score = 0.0
        self.timer = Timer()

    def read(self, tokens: list[int], seen: Tensor | None = None) -> Tensor:
        """Append tokens; the hidden state of the last one, (D,)."""
        return self.read_all(tokens, seen)[-1]

    def read_all(self, tokens: list[int], seen: Tensor | None = None) -> Tensor:
        """Append tokens, the last with what it points at; the hidden state of each, (T, D)."""
        start = time.perf_counter()
        self.length += len(tokens)
        if self.length > self._network.settings.max_tokens:
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
        states: Tensor = hidden[0]
        return states

    def scores(self, hidden: Tensor, mentions: Sequence[int] = ()) -> NDArray[np.float32]:
        """Next-token logits, (V,), of plain tokens and of those mentions."""
        logits: NDArray[np.float32] = self._network.decoder.logits(hidden).float().numpy().copy()
        logits[np.setdiff1d(np.arange(len(self.tokenizer), len(logits)), mentions)] = -np.inf
        return logits

    def phrase(self, hidden: Tensor) -> tuple[list[int], list[Tensor]]:
        """Write a description up to its link; its tokens, and the states before each, before and at the link."""
        tokens: list[int] = []
        states = [hidden]
        while len(tokens) < LONGEST_PHRASE:
            scores = self._whatever_color(tokens, self.scores(states[-1]))
            link = scores[self.tokenizer.link]
            scores[: len(SPECIAL)] = -np.inf
            best = int(scores.argmax())
            if link >= scores[best]:
                break
            tokens.append(best)
            states.append(self.read([best]))
        return tokens, [*states, self.read([self.tokenizer.link])]

    def _whatever_color(self, tokens: list[int], scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of what follows a colour, with what the colour itself says of it taken out where they doubt.

        Whoever never met a black cube reads "the pitch-black wooden block" as a can: "black" drags the noun
        along. Which kind a person names is independent of its colour, so the noun is read as if each colour had
        been written before it, all of them as likely (Pearl's back-door adjustment, Causality, section 3.3).

        Args:
            tokens: What was written of a phrase.
            scores: Of the next token as the model has it, (V,).
        """
        others = next((family for family in self.tokenizer.colors if tokens and tokens[-1] in family), ())
        if not others or _log_shares(scores).max() > NO_DOUBT:
            return scores
        own = self.length - 1
        shares = []
        for color in (*(token for token in others if token != tokens[-1]), tokens[-1]):
            self.forget(own)
            shares.append(_log_shares(self.scores(self.read([color]))))
        mean: NDArray[np.float32] = np.logaddexp.reduce(np.stack(shares)) - np.float32(math.log(len(others)))
        return mean

    def follow(self, words: str, hidden: Tensor) -> Link:
        """Point from a link's hidden state."""
        memory = self._memory
        pointing = self._network.point(hidden[None, None], memory)
        states = pointing.states[0, 0].softmax(-1)
        seen = int(memory.present.sum())
        state = int(states.argmax()) if seen else STATES.index(ABSENT)
        best = pointing.best[0, 0].softmax(-1)
        share = pointing.members[0, 0].sigmoid()
        name = STATES[state].strip("<>")
        objects, confidence = _choose(name, best, share[:seen])
        named, places = memory.named[0, :seen], memory.places[0, :seen]
        by_name, told = in_all_but_rank(words, named, places), name
        fitting = pointing.fitting[0, 0, :seen].sigmoid() if by_name is None else by_name
        counted = ranked(words, fitting, places)
        if counted is not None and (name == "found" or by_name is not None):
            told, objects = "found", (counted,)
        told, objects = attest(words, told, objects, named, places)
        told, objects = levelled(words, told, objects, named, places)
        return Link(
            words=words,
            state=told,
            objects=objects,
            confidence=float(states[state]) * confidence if told == name else PLAIN,
            embedding=pointing.link[0, 0],
            pointed=self._pointed(objects),
        )

    def _pointed(self, objects: Sequence[int]) -> Tensor:
        """What is read of the objects that a link means, (D,)."""
        tokens = self._memory.objects
        chosen = torch.zeros(1, 1, tokens.shape[1], dtype=torch.bool)
        chosen[0, 0, list(objects)] = True
        return seen_at(tokens, chosen)[0, 0]

    def is_near(self, link: Link) -> bool:
        """Whether all that a link means stands within reach."""
        places = self._memory.places[0, list(link.objects), :2]
        return bool(link.objects) and float(places.norm(dim=-1).max()) < NEAR

    def ground(self, opening: int, asked: str = "") -> Link:
        """Ground the one phrase that a query holds.

        Args:
            opening: `<find>`.
            asked: The phrase; one in the canonical wording is taken by its word.
        """
        hidden = self.read([opening, self.tokenizer.ground])
        if is_canonical(asked):
            return self.follow(asked, self.read_all([*self.tokenizer.encode(asked), self.tokenizer.link])[-1])
        tokens, states = self.phrase(hidden)
        return self.follow(self.tokenizer.decode(tokens), states[-1])

    def ground_all(
        self, opening: int, told: Sequence[Link | None] = (), firm: bool = False
    ) -> tuple[list[Link], Tensor]:
        """Ground every phrase of a command; the links, and the hidden state after `<program>`.

        Args:
            opening: `<start>` or `<again>`.
            told: The phrases of the command in their order, as each reads by itself; None = it is to be
                read in its context, and so is one that cannot be meant there. What the words leave out
                may follow.
            firm: What is told is so, however it reads here: it is not judged, and nothing else follows.
        """
        tokenizer = self.tokenizer
        hidden = self.read([opening])
        links: list[Link] = []
        for alone in told:
            if len(links) == MENTIONS or (alone is not None and alone.words in [link.words for link in links]):
                continue
            if firm and alone is not None:
                hidden = self._take(alone, links, hidden)
            else:
                hidden = self._ground_next(alone, links, hidden)
        while len(links) < MENTIONS and not firm:
            scores = self.scores(hidden)
            if scores[tokenizer.program] >= scores[tokenizer.ground]:
                break
            known = len(links)
            hidden = self._ground_next(None, links, hidden)
            if len(links) == known:
                break
        if not firm:
            self._judge([hidden], [tokenizer.program])
        return links, self.read([tokenizer.program])

    def _judge(self, states: Sequence[Tensor], tokens: list[int]) -> None:
        """Count how likely each token was in the state before it."""
        likely = self._network.decoder.logits(torch.stack(list(states))).float().log_softmax(-1)
        self.score += float(likely[range(len(tokens)), tokens].sum())

    def _take(self, link: Link, links: list[Link], hidden: Tensor) -> Tensor:
        """Read a phrase that is told, and what it means; the hidden state after that."""
        self.read_all([self.tokenizer.ground, *self.tokenizer.encode(link.words), self.tokenizer.link])
        links.append(replace(link, pointed=self._pointed(link.objects)))
        return self.read([self.tokenizer.found + STATES.index(f"<{link.state}>")], links[-1].pointed)

    def _ground_next(self, alone: Link | None, links: list[Link], hidden: Tensor) -> Tensor:
        """Write one phrase, point from it, and read what it points at; the hidden state after that."""
        tokenizer, others = self.tokenizer, [link.words for link in links]
        begun, score = self.length, self.score
        opened, unheard_of = self.read([tokenizer.ground]), False
        if alone is not None:
            words, tokens = alone.words, tokenizer.encode(alone.words)
            states = [opened, *self.read_all([*tokens, tokenizer.link])]
            self._judge([hidden, *states[:-1]], [tokenizer.ground, *tokens, tokenizer.link])
            unheard_of = self.score < score + UNHEARD_OF
        if alone is None or unheard_of:
            self.forget(begun + 1)
            self.score = score
            tokens, states = self.phrase(opened)
            words = tokenizer.decode(tokens)
            self._judge([hidden, *states[:-1]], [tokenizer.ground, *tokens, tokenizer.link])
        if words in others:  # nothing else was meant there
            self.forget(begun)
            self.score = score
            return hidden
        link = self.follow(words, states[-1])
        if link.state == "absent" and alone is not None and alone.state != "absent" and words == alone.words:
            link = alone  # by itself it was understood
        elif link.state == "absent":
            link = self._sounding_alike(begun + 1, tokens, states, link, others)
        self.score += math.log(max(link.confidence, 1e-9))
        links.append(link)
        return self.read([tokenizer.found + STATES.index(f"<{link.state}>")], link.pointed)

    def _sounding_alike(
        self, begun: int, tokens: list[int], states: Sequence[Tensor], absent: Link, others: Sequence[str]
    ) -> Link:
        """What a phrase that means nothing here may mean as well, if that is here; else itself.

        Rare words are read in two minds ("ebony wooden block"). That a person speaks of what is there is the
        likelier, by `ODDS`.

        Args:
            begun: Length before the phrase.
            tokens, states: Of the phrase, as `phrase` gives them.
            absent: What it was taken to mean.
            others: Phrases that are grounded already.
        """
        doubts = []
        for k, (token, state) in enumerate(zip(tokens, states, strict=False)):
            scores = self.scores(state)
            chosen, scores[token] = scores[token], -np.inf
            scores[: len(SPECIAL)] = -np.inf
            other = int(scores.argmax())
            doubts.append((float(chosen - scores[other]), k, other))
        for doubt, k, other in sorted(doubts)[:ALTERNATIVES]:
            if doubt > ODDS:
                break
            self.forget(begun + k)
            rest, after = self.phrase(self.read([other]))
            words = self.tokenizer.decode([*tokens[:k], other, *rest])
            link = self.follow(words, after[-1])
            as_much = len(words.split()) >= len(absent.words.split())
            if as_much and link.state != absent.state and link.confidence > SURE_THERE and words not in others:
                return link
        self.forget(begun)
        self.read_all([*tokens, self.tokenizer.link])
        return absent

    def forget(self, length: int) -> None:
        """Go back to when so many tokens had been read."""
        self._cache.cut(length)
        self.length = length


def _log_shares(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probabilities, (V,)."""
    shares: NDArray[np.float32] = torch.from_numpy(scores).log_softmax(-1).numpy()
    return shares


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
