"""A number that acts must have been said."""

import pytest

from embodied_agent.commands.draw import generate
from embodied_agent.mllm.faults import faults_of
from embodied_agent.mllm.numerals import numbers_in, unsaid_numbers


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("slide the bin 12 centimetres leftward", 'push(bin, "left", distance=0.2)'),
        ("shove the mug by 200 mm left", 'push(mug, "left", distance=0.12)'),
        ("if there are more than four cans", 'if count("cans") > 2:'),
        ("turn the knob by 30°", "turn(knob, angle=0.79)"),
        ("wait 5 s", "wait(seconds=3.0)"),
        ("slide the top drawer open to 70 percent", "open(drawer, to=0.5)"),
        ("open the door to 30 %", "open(door, to=0.7)"),
    ],
)
def test_a_number_that_nobody_said_is_a_fault(command: str, program: str) -> None:
    assert len(list(unsaid_numbers(program, command))) == 1
    assert any("nobody said" in fault.why for fault in faults_of(program, (), command))


def test_a_command_without_numbers_says_nothing_against_one() -> None:
    assert not list(unsaid_numbers("turn(knob, angle=-1.57)", "give the knob a quarter turn clockwise"))


def test_amounts_of_opening_may_be_said_in_words() -> None:
    assert not list(unsaid_numbers("open(door, to=0.7)", "open the door two thirds of the way"))
    assert not list(unsaid_numbers("open(door, to=0.7)", "open it to 70 percent and lift the 2 cubes"))


def test_ordinals_are_no_amounts() -> None:
    assert numbers_in("take the 2nd cube 0.05 m, 10cm or three times") == (0.05, 10.0, 3.0)


def test_the_oracles_numbers_were_all_said() -> None:
    for family in ("push", "turn", "conditional", "steps", "open"):
        for seed in range(60):
            example = generate(seed, "train", family)
            assert not list(unsaid_numbers(example.program, example.command)), example.command
