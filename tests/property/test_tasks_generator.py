"""The command generator: every example is sound, and the splits share nothing they should not."""

import re
from collections import Counter
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embodied_agent.skills as folder
from embodied_agent.benchmark.suites import FAMILIES, episode, grade
from embodied_agent.commands import joining
from embodied_agent.commands.draw import FAMILY_NAMES, Example, generate
from embodied_agent.commands.effect import effect_of
from embodied_agent.commands.lexicon import USES
from embodied_agent.commands.splits import SPLITS, expand_all, of_split, pairs
from embodied_agent.commands.templates import PATTERNS
from embodied_agent.planners.goal import Ask, descriptions_in
from embodied_agent.planners.scripted import program_text
from embodied_agent.primitives.registry import primitives
from embodied_agent.program.check import check
from embodied_agent.program.nodes import Program
from embodied_agent.program.parse import load_skills, parse
from embodied_agent.program.render import render
from embodied_agent.signature import Signature
from embodied_agent.training.generate import phrases
from sim.descriptions import parse_canonical, resolve
from sim.dimensions import FRUITS
from sim.placement import problems
from sim.things import things_of


@lru_cache(maxsize=1)
def library() -> dict[str, Signature]:

    found = {name: primitive.signature for name, primitive in primitives().items()}
    for path in Path(folder.__path__[0]).glob("*.py"):
        if path.name != "__init__.py":
            found |= {name: skill.signature for name, skill in load_skills(path.read_text()).items()}
    return found


@cache
def examples(split: str) -> tuple[Example, ...]:
    return tuple(generate(seed, split, family) for family in FAMILY_NAMES for seed in range(8))


@pytest.mark.parametrize("split", SPLITS)
def test_every_program_parses_checks_and_is_written_canonically(split: str) -> None:
    for example in examples(split):
        for text in (example.program, program_text(example.goal, repair=True)):
            program: Program = parse(text)
            check(program, library())
            assert render(program) == text


@pytest.mark.parametrize("split", SPLITS)
def test_phrases_stand_in_the_command_and_mean_what_truth_says(split: str) -> None:
    for example in examples(split):
        things = things_of(example.scene)
        for item in example.groundings:
            assert item.phrase in example.command
            found = {thing.id for thing in resolve(parse_canonical(item.canonical), things)}
            assert found == set(item.ids), (example.command, item)


@pytest.mark.parametrize("split", SPLITS)
def test_a_command_to_act_on_names_things_that_are_there_and_alone(split: str) -> None:
    for example in examples(split):
        if example.kind != "act" or example.family == "conditional":
            continue
        things = things_of(example.scene)
        for description in descriptions_in(example.goal):
            number = len(resolve(description, things))
            assert number == 1 or (description.plural and number), (example.command, description.text())
        assert not effect_of(example.program, example.scene, example.clicked).failed


def test_refusals_name_what_is_absent_and_questions_what_is_double() -> None:
    for example in examples("evaluation"):
        unsound = [item for item in example.groundings if not item.ids]
        if example.family == "absent":
            assert unsound and any(item.canonical in example.program for item in unsound)
        elif example.family == "ambiguous":
            assert any(item.ambiguous for item in example.groundings), example.command
        elif example.kind == "act" and example.family != "conditional":
            assert not unsound and not any(item.ambiguous for item in example.groundings), example.command


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), split=st.sampled_from(SPLITS))
def test_a_question_offers_answers_that_differ_and_name_one_thing_each(seed: int, split: str) -> None:
    example = generate(seed, split, "ambiguous")
    assert isinstance(example.goal, Ask)
    offered = re.fullmatch(r"which .+ do you mean, the (\w+) one or the (\w+) one\?", example.goal.question)
    meant = next(item.canonical for item in example.groundings if item.ambiguous)
    fitting = resolve(parse_canonical(meant), things_of(example.scene))
    if offered is None:  # more than two fit: no list of answers
        assert len(fitting) > 2 and example.goal.question.endswith("do you mean?")
        return
    sides = {"left": [fitting[0].id], "right": [fitting[-1].id]}
    named = [
        sides.get(word) or [x.id for x in fitting if word in (x.color, x.size, x.id.split()[0])]
        for word in offered.groups()
    ]
    assert len(fitting) == 2 and all(len(ids) == 1 for ids in named), example.goal.question
    assert named[0] != named[1], example.goal.question


def test_the_same_seed_gives_the_same_example_and_another_another() -> None:
    for family in FAMILY_NAMES:
        assert generate(5, "train", family) == generate(5, "train", family)
    assert len({generate(seed, "train").command for seed in range(200)}) > 190


def test_splits_share_no_template() -> None:
    used = {split: {text for e in examples(split) for text in e.templates} for split in SPLITS}
    for a, b in (("train", "evaluation"), ("train", "validation"), ("validation", "evaluation")):
        assert not used[a] & used[b]
    assert all(len(used[split]) > 100 for split in SPLITS)


def test_every_pool_is_divided_without_overlap_and_leaves_no_split_empty() -> None:
    pools = [expand_all(patterns) for patterns in PATTERNS.values()]
    pools += [
        joining.WRAPPERS,
        joining.SEQUENCES_2,
        joining.SEQUENCES_3,
        joining.CONDITIONS,
        joining.CONDITIONS_ELSE,
        joining.OPENERS,
    ]
    pools += [*joining.MANNERS.values(), *USES.values()]
    for pool in pools:
        parts = [of_split(pool, split) for split in SPLITS]
        assert sum(map(len, parts)) == len(pool) == len(set().union(*parts))
        assert parts[0] and parts[2]


def test_splits_share_no_command() -> None:
    said = {split: {example.command.lower() for example in examples(split)} for split in SPLITS}
    assert not said["train"] & said["evaluation"]


def test_evaluation_has_pairs_of_colour_and_kind_to_itself() -> None:
    divided = {split: {pair for pair in pairs(split) if pair[1] not in FRUITS} for split in SPLITS}
    assert not divided["evaluation"] & (divided["train"] | divided["validation"])
    assert len(divided["evaluation"]) == 20
    for split in SPLITS:
        shown = {(spec.color, spec.kind) for e in examples(split) for spec in e.scene.objects}
        assert shown <= pairs(split)
        for example in examples(split):
            for description in descriptions_in(example.goal):
                if description.color and description.kind in {kind for _, kind in pairs(split)}:
                    assert (description.color, description.kind) in pairs(split)


def test_splits_share_no_scene() -> None:
    scenes = {split: {(e.scene.objects, e.scene.light) for e in examples(split)} for split in SPLITS}
    assert not scenes["train"] & scenes["evaluation"]


@pytest.mark.parametrize("family", FAMILIES)
def test_episodes_can_exist_and_are_not_done_from_the_start(family: str) -> None:
    for seed in range(6):
        drawn = episode(family, seed)
        assert not problems(drawn.scene)
        assert drawn.predicate.things() <= {thing.id for thing in things_of(drawn.scene)}
        assert grade(drawn.example.program, drawn.example).same


def test_clicks_lie_in_the_picture() -> None:
    for example in examples("train"):
        for x, y in example.points:
            assert 0 <= x < 640 and 0 <= y < 480


def test_every_kind_of_answer_is_drawn_in_the_mixture() -> None:
    kinds = Counter(generate(seed, "evaluation").kind for seed in range(200))
    assert kinds["act"] > 100 and kinds["refuse"] > 15 and kinds["ask"] > 5


def test_a_wrong_action_on_a_command_to_refuse_is_noticed() -> None:
    example = generate(1, "evaluation", "absent")
    acted = grade('with task("x"):\n    home()\n', example)
    assert acted.parsed and acted.wrong_action and not acted.kind_right and not acted.same
    assert grade(example.program, example).same
    assert not grade("not a program", example).parsed


@pytest.mark.parametrize("split", SPLITS)
def test_phrases_for_the_pointer_agree_with_truth(split: str) -> None:
    absent = several = 0
    for example in examples(split)[::9]:
        found = phrases(example.seed, split, example.scene, 10)
        things = things_of(example.scene)
        assert len(found) == 10
        for item in found:
            meant = parse_canonical(item.canonical)
            ids = [thing.id for thing in resolve(meant, things)]
            assert sorted(ids) == sorted(item.ids)
            assert item.ambiguous == (len(ids) > 1 and not meant.plural)
            absent += not ids
            several += len(ids) > 1
    assert absent > 20 and several > 20


def test_an_unknown_split_or_family_is_rejected() -> None:
    with pytest.raises(ValueError, match="split"):
        generate(0, "test")
    with pytest.raises(ValueError, match="family"):
        generate(0, "train", "juggle")
    with pytest.raises(ValueError, match="family"):
        episode("absent", 0)


def test_conditionals_know_which_words_are_the_condition_and_which_each_branch() -> None:
    for seed in range(60):
        example = generate(seed, "train", "conditional")
        said = {name: example.command[start:end] for name, (start, end) in example.clauses.items()}
        assert {"if", "1"} <= set(said) <= {"if", "1", "2"} and all(said.values())
        ends = sorted(example.clauses.values())
        assert all(first[1] <= second[0] for first, second in pairwise(ends))
    assert not generate(0, "train", "place_in").clauses
