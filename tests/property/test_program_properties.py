"""What holds for every program: rendering, checking, running, and the grammar."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from language import LIBRARY, SIGNATURES, SKILL_SET, World, thing
from programs import Maker

from embodied_agent.errors import ProgramError
from embodied_agent.program import nodes
from embodied_agent.program.check import check
from embodied_agent.program.events import Event, parent_path
from embodied_agent.program.grammar import gbnf, grammar_of, lark, sample
from embodied_agent.program.guard import guard
from embodied_agent.program.items import sampled
from embodied_agent.program.parse import load_skills, parse
from embodied_agent.program.render import render
from embodied_agent.program.renderings import lark_regex
from embodied_agent.program.run import Budget, run
from embodied_agent.program.tokens import number_item
from embodied_agent.program.tree import TreeView
from embodied_agent.signature import Type
from embodied_agent.types import Result

SEEDS = st.integers(min_value=0, max_value=2**32)


class Moody(World):
    """A world that answers at random, and fails now and then."""

    def __init__(self, draw: random.Random) -> None:
        super().__init__()
        self.draw = draw

    def answer(self, name: str, default: Any, arguments: dict[str, Any]) -> Result:
        if self.draw.random() < 0.1:
            return Result(ok=False, reason=f"{name} went wrong")
        if isinstance(default, bool):
            default = self.draw.random() < 0.5
        elif isinstance(default, tuple):
            default = tuple(thing(str(i)) for i in range(self.draw.randint(0, 4)))
        elif isinstance(default, (int, float)):
            default = self.draw.choice([default, default * 0, -default * 1000])
        return Result(value=default)


def lived(program: nodes.Program, seed: int) -> list[Event]:
    """Run a program in a moody world; any exception is an error of the interpreter."""
    events: list[Event] = []
    outcome = run(
        program, LIBRARY, Moody(random.Random(seed)), skills=SKILL_SET, emit=events.append, budget=Budget(400)
    )
    assert "has no value" not in outcome.reason
    assert " must be a" not in outcome.reason and "where it declares" not in outcome.reason
    return events


def readable(text: str) -> nodes.Program:
    """A drawn program; rarely one of its statements is longer than the language allows, and it is drawn anew."""
    try:
        return parse(text)
    except ProgramError as error:
        assert "more than 200 tokens" in str(error)
        reject()


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_a_rendered_program_parses_to_itself(seed: int) -> None:
    program = Maker(random.Random(seed), wrong=0.1 * (seed % 2)).program()
    text = render(program)
    assert readable(text) == program
    assert render(parse(text)) == text


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_a_well_typed_program_passes_the_check_and_never_raises(seed: int) -> None:
    program = readable(render(Maker(random.Random(seed)).program()))
    try:
        check(program, SIGNATURES)
    except ProgramError as error:  # only their product may be too long
        assert "its loops may run" in str(error)
        return
    lived(program, seed)


@settings(max_examples=400, deadline=None)
@given(SEEDS)
def test_what_passes_the_check_never_raises_a_name_or_type_error(seed: int) -> None:
    text = render(Maker(random.Random(seed), wrong=0.04).program())
    program = readable(text)
    try:
        check(program, SIGNATURES)
    except ProgramError as error:
        assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)
        return
    lived(program, seed)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_every_node_starts_inside_its_parent_and_ends_once(seed: int) -> None:
    program = parse(render(Maker(random.Random(seed)).program()))
    open_nodes: list[str] = []
    view = TreeView(program)
    for event in lived(program, seed):
        view.update(event)
        if event.kind == "started":
            assert not open_nodes or parent_path(event.path) == open_nodes[-1]
            open_nodes.append(event.path)
        elif event.kind != "skipped":
            assert open_nodes.pop() == event.path
        assert event.time >= 0 and event.duration >= 0
    assert not open_nodes
    view.draw()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_a_program_or_refused_with_a_place(text: str) -> None:
    try:
        parse(text)
    except ProgramError as error:
        assert error.problems and all(p.line >= 1 and p.column >= 1 for p in error.problems)


@settings(max_examples=200, deadline=None)
@given(SEEDS, st.integers(0, 3))
def test_a_damaged_program_is_a_program_or_refused(seed: int, damages: int) -> None:
    draw = random.Random(seed)
    text = render(Maker(draw).program())
    for _ in range(damages + 1):
        place = draw.randrange(len(text))
        text = (
            text[:place] + draw.choice(["", "(", ")", '"', "\n", "    ", ".", "é", "==", ":"]) + text[place + 1 :]
        )
    try:
        check(parse(text), SIGNATURES)
    except ProgramError as error:
        assert error.problems


# The grammar


def byte_tokenizer() -> Any:
    """One token for each byte."""
    import llguidance

    class Bytes:
        eos_token_id = 256
        bos_token_id = None
        tokens = (*(bytes([i]) for i in range(256)), b"<end>")
        special_token_ids = (256,)

        def __call__(self, text: bytes | str) -> list[int]:
            return list(text if isinstance(text, bytes) else text.encode())

    return llguidance.LLTokenizer(llguidance.TokenizerWrapper(Bytes()))


TOKENIZER = byte_tokenizer()
LARK = lark(SIGNATURES)
GRAMMAR = grammar_of(SIGNATURES)


def written_at_random(seed: int) -> str:
    """A random text of the grammar."""
    return sampled(GRAMMAR.item("start"), GRAMMAR.item, random.Random(seed), 1.5)


def refused_at(text: str) -> str:
    """Where the grammar stops following a text; "" = it is a whole text of the grammar."""
    import llguidance

    matcher = llguidance.LLMatcher(TOKENIZER, llguidance.LLMatcher.grammar_from_lark(LARK))
    assert not matcher.get_error()
    data = text.encode()
    taken = matcher.try_consume_tokens(list(data))
    if taken < len(data):
        return data[taken:].decode("utf-8", "replace")
    return "" if matcher.is_accepting() else "<end>"


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_every_text_of_the_grammar_parses(seed: int) -> None:
    text = written_at_random(seed)
    assert not guard(text)
    assert render(parse(text)).startswith("with task(")


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_the_matcher_accepts_what_the_sampler_writes(seed: int) -> None:
    text = written_at_random(seed)
    assert refused_at(text) == ""


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_a_random_walk_under_the_masks_parses(seed: int) -> None:
    import llguidance

    draw = random.Random(seed)
    grammar = llguidance.LLMatcher.grammar_from_lark(LARK)
    matcher = llguidance.LLMatcher(TOKENIZER, grammar)
    written = bytearray()
    while not matcher.is_stopped() and len(written) < 3_000:
        mask = matcher.compute_bitmask()
        allowed = [i for i in range(257) if mask[i // 8] >> (i % 8) & 1]
        assert allowed, bytes(written)
        if 256 in allowed and draw.random() < 0.3:
            break
        plain = [i for i in allowed if 32 <= i < 127 or i == 10]
        closing = [i for i in plain if i in b'"\n' or (len(written) < 800 and i < 127)]
        token = draw.choice(closing or plain or [i for i in allowed if i != 256])
        assert matcher.consume_token(token)
        written.append(token)
    if matcher.is_accepting():
        parse(written.decode())


@pytest.mark.parametrize(
    "line",
    [
        'x = find("a")\n    if = find("b")',
        'pick("a")',
        "x = find(a)",
        "wait(31)",
        'place(a)',
        "place(a, inside=b, on=c)",
        "grip(a)",
        "import os",
        "pick = find(\"a\")",
        "push(a, \"up\")",
        "say('single')",
        " home()",
        "turn(a, 3.15)",
        "with unit(\"a\", speed=0.04):\n        home()",
        "with retry(times=6):\n        home()",
    ],
)  # fmt: skip
def test_what_the_check_would_refuse_cannot_be_written_where_the_grammar_can_tell(line: str) -> None:
    assert refused_at(f'with task("a"):\n    {line}\n')


@settings(max_examples=200, deadline=None)
@given(st.floats(-50, 50), st.floats(0, 60), st.floats(-80, 80), st.booleans())
def test_numbers_keep_to_their_range_exactly(low: float, width: float, value: float, whole: bool) -> None:
    low, high = round(low, 3), round(low + width, 3)
    if whole:
        low, high = float(int(low)), float(int(high))
    if high < low:
        return
    pattern = re.compile(lark_regex(number_item(whole, low, high)))
    text = str(int(value)) if whole else f"{value:.3f}"
    zero = float(text) == 0 and text.startswith("-")
    if not zero:
        assert bool(pattern.fullmatch(text)) == (low <= float(text) <= high), (text, low, high)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_keywords_and_callables_are_never_names(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(50):
        name = sampled(GRAMMAR.item("NAME"), GRAMMAR.item, draw, 1.0)
        assert name.isidentifier() and name not in SIGNATURES and name not in nodes.CONSTRUCTS
        parse(f'with task("a"):\n    {name} = 1\n')


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    first, second = (sample(SIGNATURES, random.Random(7)) for _ in range(2))
    assert first == second and parse(first)


def test_gbnf_defines_every_rule_that_it_uses() -> None:
    text = gbnf(SIGNATURES)
    defined = {line.split(" ::= ")[0] for line in text.splitlines()}
    bare = re.sub(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|\{[\d,]+\}', " ", text)
    used = set(re.findall(r"[a-z][a-z0-9-]*", bare))
    assert used | {"root"} == defined


def test_the_gbnf_admits_what_the_sampler_writes() -> None:
    import llguidance
    from llguidance.gbnf_to_lark import gbnf_to_lark

    source = llguidance.LLMatcher.grammar_from_lark(gbnf_to_lark(gbnf(SIGNATURES)))
    compiled = llguidance.LLMatcher(TOKENIZER, source)
    assert not compiled.get_error()
    for seed in range(25):
        data = written_at_random(seed).encode()
        matcher = compiled.deep_copy()
        assert matcher.try_consume_tokens(list(data)) == len(data) and matcher.is_accepting()
    assert compiled.try_consume_tokens(list(b'with task("a"):\n    wait(31)\n')) < 30


def test_the_skills_of_the_package_parse() -> None:
    folder = Path(__file__).parents[2] / "embodied_agent" / "skills"
    names = [name for file in folder.glob("[!_]*.py") for name in load_skills(file.read_text())]
    assert {"pick", "place", "open", "close"} <= set(names)


def test_types_beyond_the_language_are_left_to_variables() -> None:
    assert Type.NUMBER.accepts(Type.INTEGER) and not Type.INTEGER.accepts(Type.NUMBER)
