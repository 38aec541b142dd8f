"""From a command and what is seen to a program: phrases, attempts, clauses, and the choice between them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from embodied_agent.errors import CommandRefused
from embodied_agent.mllm.canonical import is_canonical
from embodied_agent.mllm.clauses import conditional_of, joined
from embodied_agent.mllm.decode import ODDS, Grammar, Link, Timer, Writer
from embodied_agent.mllm.faults import declines, faults_of, question_about
from embodied_agent.mllm.language import SentenceEncoder, WordReader
from embodied_agent.mllm.network import EmbodiedNetwork, Memory, stack_scenes
from embodied_agent.mllm.objects import Float, Seen
from embodied_agent.mllm.phrases import Spoken, phrases_of
from embodied_agent.mllm.standins import Standing, standing_in
from embodied_agent.mllm.tokenizer import MENTIONS, ProgramTokenizer
from embodied_agent.mllm.writing import Draft, ProgramWriter

SURE = -0.3  # log-probability of grounding and program from which on no other grounding is tried
TRUSTED = 0.6  # confidence from which on a phrase is one
LEFT_OUT = 5.0  # log of how much less likely a grounding is without such a phrase


@dataclass(frozen=True)
class _Attempt:
    """One way to ground a command, the program that follows, and what it took."""

    draft: Draft
    links: list[Link]
    grounding: float  # log-probability of the links
    ground_s: float
    masking_s: float
    timer: Timer

    @property
    def is_sure(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.draft.faults and self.draft.score > SURE

    def beside(self, other: _Attempt) -> _Attempt:
        """The same, the less likely for whatever the other one found with confidence and this one leaves out."""
        missing = sum(
            link.confidence > TRUSTED and not any(_means(own, link) for own in self.links) for link in other.links
        )
        return replace(self, draft=replace(self.draft, score=self.draft.score - LEFT_OUT * missing))

    def speaks_of_the_same(self, other: _Attempt) -> bool:
        """Whether both have the same phrases, in whatever order."""
        return {link.words for link in self.links} == {link.words for link in other.links}

    @property
    def writing(self) -> float:
        """Log-probability of the program after its grounding."""
        return self.draft.score - self.grounding

    @property
    def rank(self) -> tuple[int, float]:
        """Sound ones first, then likely ones; that a person speaks of what is not there is less likely."""
        soundness, score = self.draft.rank
        return soundness, score - ODDS * sum(link.state == "absent" for link in self.links)


@dataclass(frozen=True)
class _Composed:
    """A program, the phrases that it was made from, and seconds by part."""

    text: str
    links: list[Link]
    timings: dict[str, float]


def _weighed(own: _Attempt, other: _Attempt, standing: Standing) -> _Attempt:
    """A command as it was read, or as it reads with stand-ins for its things, whichever program is likelier.

    What is refused with certainty is refused for what the things are, which stand-ins do not tell.
    """
    if other.draft.faults or (declines(own.draft.text) and own.is_sure) or declines(other.draft.text):
        return own
    links = [replace(link, words=standing.phrases.get(link.words, link.words)) for link in other.links]
    alike = {link.words for link in links} == {link.words for link in own.links}
    better = other.writing > own.writing if alike else other.draft.score > own.draft.score
    if own.draft.faults or better:
        text = standing.meant(other.draft.text)
        if not faults_of(text, [link.words for link in links]):
            return replace(own, draft=replace(other.draft, text=text), links=links)
    return own


def _means(own: Link, other: Link) -> bool:
    """Whether a phrase says at least what another one says, or points at the same."""
    return other.words in own.words or (own.objects == other.objects != ())


class Composer:
    """Writes programs from words and visual tokens. Not safe to share between threads."""

    def __init__(self, network: EmbodiedNetwork, tokenizer: ProgramTokenizer) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self._words = WordReader(network.settings)
        self._sentences = SentenceEncoder()
        self._grammar = Grammar(tokenizer, network.settings.vocabulary)

    def compose(
        self, text: str, seen: Seen, clicked: Float, grammar: str = "", again: bool = False
    ) -> tuple[str, list[Link], dict[str, float]]:
        """Write a program from visual tokens.

        Where every program that comes to mind is wrong by itself, the program asks.

        Args:
            text: The command.
            seen: Visual tokens of the scene.
            clicked: Clicked points as `point_features` gives them, (P, 5).
            grammar, again: As for `BuiltinModel.plan`.

        Returns:
            Program, links in the order of the phrases, and seconds by part.
        """
        text = " ".join(text.split())
        start = time.perf_counter()
        with torch.inference_mode():
            memory = self.fuse(text, seen, clicked)
            words_s = time.perf_counter() - start
            found = self._by_clauses(text, memory, seen, clicked, grammar, again)
            whole = found or self._whole(text, memory, seen, clicked, grammar, again)
        return whole.text, whole.links, whole.timings | {"words_s": whole.timings["words_s"] + words_s}

    def _by_clauses(
        self, text: str, memory: Memory, seen: Seen, clicked: Float, grammar: str, again: bool
    ) -> _Composed | None:
        """A conditional out of what is written for its clauses; None if it is none, or that is not sound."""
        spoken = torch.ones(memory.said.shape[:2], dtype=torch.bool)
        asked = conditional_of(text, self.network.clauses(memory.said, spoken)[0], self._words.places(text))
        if asked is None:
            return None
        pieces = []
        for words in (asked.plain, asked.then, *filter(None, (asked.otherwise,))):
            pieces.append(self._whole(words, self.fuse(words, seen, clicked), seen, clicked, grammar, again))
        program = joined(*(piece.text for piece in pieces), *([] if asked.otherwise else [""]))
        if program is None or faults_of(program, (), text):
            return None
        links = {link.words: link for piece in pieces for link in piece.links}
        timings = {name: sum(piece.timings[name] for piece in pieces) for name in pieces[0].timings}
        return _Composed(program, list(links.values()), timings)

    def _whole(
        self, text: str, memory: Memory, seen: Seen, clicked: Float, grammar: str, again: bool
    ) -> _Composed:
        """The program for a command that is written as one."""
        start = time.perf_counter()
        opening = self.tokenizer.again if again else self.tokenizer.start
        matcher = self._grammar.matcher(grammar) if grammar else None
        spoken = self._spoken(text, memory)
        told = self._told(text, spoken, seen, clicked)
        attempts = [self._attempt(memory, opening, told, matcher, text)]
        if told and not attempts[0].is_sure:  # phrases cut out wrongly: let the decoder find them itself
            attempts.append(self._attempt(memory, opening, [], matcher, text).beside(attempts[0]))
        best = max(attempts, key=lambda attempt: attempt.rank)
        if not attempts[0].draft.faults and attempts[0].speaks_of_the_same(best):
            best = attempts[0]  # its phrases are in the order in which they were said
        standing = standing_in(text, spoken, told)
        if standing is not None:
            memory = self.fuse(standing.text, seen, clicked)
            attempts.append(self._attempt(memory, opening, standing.told, matcher, standing.text, firm=True))
            best = _weighed(best, attempts[-1], standing)
        ground_s = sum(attempt.ground_s for attempt in attempts)
        timings = {
            "words_s": 0.0,
            "ground_s": ground_s,
            "decode_s": time.perf_counter() - start - ground_s,
            "masking_s": sum(attempt.masking_s for attempt in attempts),
            "tokens": float(sum(attempt.timer.tokens for attempt in attempts)),
            "steps": float(sum(attempt.timer.steps for attempt in attempts)),
            "score": best.draft.score,
        }  # fmt: skip
        faults = best.draft.faults
        return _Composed(question_about(faults) if faults else best.draft.text, best.links, timings)

    def _attempt(
        self,
        memory: Memory,
        opening: int,
        told: Sequence[Link | None],
        matcher: Any | None,
        said: str,
        firm: bool = False,
    ) -> _Attempt:
        """Ground a command's phrases, some of them told (`firm`: and no others); write its program."""
        start = time.perf_counter()
        writer = Writer(self.network, self.tokenizer, memory)
        links, hidden = writer.ground_all(opening, told, firm)
        grounded, likely = time.perf_counter() - start, writer.score
        program = ProgramWriter(writer, hidden, matcher, links, said)
        draft = program.write()
        return _Attempt(draft, links, likely, grounded, program.masking, writer.timer)

    def find(self, phrase: str, seen: Seen, clicked: Float) -> Link:
        """Ground one phrase among visual tokens."""
        with torch.inference_mode():
            memory = self.fuse(phrase, seen, clicked)
            return Writer(self.network, self.tokenizer, memory).ground(self.tokenizer.find, phrase)

    def _spoken(self, text: str, memory: Memory) -> list[Spoken]:
        """The phrases of a command."""
        return phrases_of(self.network.phrases(memory.words)[0], self._words.places(text))[:MENTIONS]

    def _told(self, text: str, spoken: Sequence[Spoken], seen: Seen, clicked: Float) -> list[Link | None]:
        """What the phrases of a command mean, each read by itself; None for one that needs the others."""
        alone = [text[item.start : item.end] for item in spoken if item.alone]
        if not alone:
            return [None] * len(spoken)
        together = self._fuse(alone, seen, clicked)
        opening = self.tokenizer.find
        told = [Writer(self.network, self.tokenizer, together.row(k)).ground(opening) for k in range(len(alone))]
        told = [self._asked_again(link, seen, clicked) for link in told]
        return [told.pop(0) if item.alone else None for item in spoken]

    def _asked_again(self, link: Link, seen: Seen, clicked: Float) -> Link:
        """A phrase that names nothing, or no one thing, as the program would ask for it: that may be plainer."""
        if link.state not in ("absent", "ambiguous") or not is_canonical(link.words):
            return link
        plainer = self.find(link.words, seen, clicked)
        return plainer if plainer.state in ("found", "several") else link

    def fuse(self, text: str, seen: Seen, clicked: Float) -> Memory:
        """What the decoder reads of a command in sight of a scene.

        Raises:
            CommandRefused: The command is empty or too long.
        """
        text = " ".join(text.split())
        if not text:
            raise CommandRefused("the command is empty")
        return self._fuse([text], seen, clicked)

    def _fuse(self, texts: list[str], seen: Seen, clicked: Float) -> Memory:
        words = self._words.read(texts)
        scenes = stack_scenes([seen] * len(texts), [clicked] * len(texts), self.network.settings)
        tokens = self._sentences(words.pieces)
        return self.network.fuse(tokens, words.letters, words.pieces != 0, scenes)
