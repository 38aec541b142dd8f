"""What is wrong with a program by itself: names without values, misused things, phrases left out."""

import pytest

from embodied_agent.commands.draw import generate
from embodied_agent.library import library
from embodied_agent.mllm.faults import faults_of, in_label, question_about, renamed, unbound
from embodied_agent.program.check import check
from embodied_agent.program.parse import parse
from embodied_agent.training.dataset import example_record

SWAP = """with task("swap"):
    with unit("mug"):
        mug = find("red mug")
        spot = position_of(mug)
        pick(mug)
    with unit("can"):
        can = find("can")
        pick(can)
        place(can, at=spot)
        ensure(is_at(can, spot))
"""


def at(text: str) -> str | None:
    place = unbound(text)
    return None if place is None else text[place:].split(")")[0].split(",")[0]


def test_a_program_whose_names_have_values_is_fine() -> None:
    assert unbound(SWAP) is None


@pytest.mark.parametrize("length", range(len(SWAP)))
def test_so_is_every_beginning_of_it(length: int) -> None:
    assert unbound(SWAP[:length]) is None


def test_a_name_without_a_value_is_found_where_it_begins() -> None:
    assert at(SWAP.replace("place(can, at=spot)", "place(can, at=spot_2)")) == "spot_2"
    assert at(SWAP.replace("pick(can)", "pick(can_2)")) == "can_2"


def test_the_last_name_may_still_go_on() -> None:
    assert unbound(SWAP + "        pick(ca") is None
    assert unbound(SWAP + "        pick(ca)") is not None


def test_words_in_strings_and_keywords_are_no_names() -> None:
    text = """with task("a b"):
    with unit("x", approach="above"):
        y = find("the z, w")
        push(y, "left", distance=0.1)
"""
    assert unbound(text) is None


def test_what_one_branch_binds_has_no_value_after_it() -> None:
    text = 'if exists("mug"):\n    mug = find("mug")\nelse:\n    can = find("can")\n    pick(can)\n'
    assert unbound(text) is None
    assert at(text + "pick(mug)\n") == "mug"


def test_the_variable_of_a_loop_has_a_value_in_its_body_alone() -> None:
    text = 'for cube in find_all("red cubes"):\n    with unit("cube"):\n        pick(cube)\n'
    assert unbound(text) is None
    assert at(text + "pick(cube)\n") == "cube"


def test_a_name_has_no_value_in_the_line_that_gives_it_one() -> None:
    assert at("spot = position_of(spot)\n") == "spot"


def why(text: str, *phrases: str) -> list[str]:
    return [fault.why for fault in faults_of(text, phrases)]


PLACE = """with task("put in"):
    with unit("can"):
        can = find("red can")
        bowl = find("bowl")
        pick(can)
        place(can, inside=bowl)
"""


def test_a_program_that_speaks_of_all_that_was_grounded_has_no_fault() -> None:
    assert why(PLACE, "red can", "bowl") == []


def test_a_phrase_that_is_left_out_is_a_fault() -> None:
    assert why(PLACE, "red can", "bowl", "blue box") == ["'blue box' is left out"]


def test_a_program_that_is_known_to_be_wrong_gives_way_to_a_question() -> None:
    asked = question_about(faults_of(PLACE, ("red can", "bowl", "blue box")))
    assert 'ask("what should I do with the blue box?")' in asked
    assert 'ask("could you say that in other words?")' in question_about(
        faults_of(PLACE.replace("pick(can)", "pick(can_3)"), ())
    )
    for text in (asked, question_about(())):
        check(parse(text), library().signatures)


def test_what_was_found_is_not_denied() -> None:
    denial = 'with task("refuse"):\n    refuse("there is no red can here")\n'
    assert [fault.why for fault in faults_of(denial, ("red can",), there=("red can",))] == [
        "it denies what was found"
    ]
    assert faults_of(denial, ("red can", "can"), there=("can",)) == ()


def test_one_description_names_one_thing() -> None:
    twice = PLACE.replace('find("bowl")', 'find("red can")')
    assert "place() is given the same thing twice" in why(twice, "red can")


def test_nothing_is_taken_from_where_it_is_put() -> None:
    loop = """with task("clear"):
    box = find("red box")
    for thing in find_all("objects on the red box"):
        with unit("object"):
            pick(thing)
            place(thing, inside=box)
"""
    assert why(loop, "red box") == ["place() of a thing to where it is"]
    assert why(loop.replace(" on the red box", " on the plate"), "red box") == []
    assert why(loop.replace(" on the red box", " except the red box"), "red box") == []


def test_a_variable_is_called_after_what_it_holds() -> None:
    odd = PLACE.replace('find("red can")', 'find("object next to the can")')
    assert renamed(odd) == odd.replace("        can =", "        thing =").replace("(can", "(thing")
    assert why(renamed(odd)) == []
    taken = odd.replace("bowl = ", "thing = ").replace("=bowl", "=thing").replace('find("bowl")', 'find("object")')
    assert "thing_2 = find" in renamed(taken) and why(renamed(taken)) == []


def test_one_that_is_called_after_another_kind_of_thing_is_a_mistake() -> None:
    wrong = PLACE.replace('find("red can")', 'find("shelf")')
    assert renamed(wrong) == wrong and renamed(PLACE) == PLACE
    other = PLACE.replace('find("red can")', 'find("red cube")')
    assert renamed(other) == other


def test_who_refuses_or_asks_need_not_speak_of_everything() -> None:
    assert why('with task("ask"):\n    ask("which can do you mean?")\n', "can", "bowl") == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("inside=bowl", "inside=can", "place() is given the same thing twice"),
        ('bowl = find("bowl")', 'bowl = find("cube")', "'cube' is called a bowl"),
        ("pick(can)", "pick(can_3)", "a name has no value"),
        ("pick(can)", "press(can)", "press() of a can"),
    ],
)
def test_what_can_never_be_meant_is_a_fault(old: str, new: str, fault: str) -> None:
    assert fault in why(PLACE.replace(old, new))


def test_nothing_is_put_into_something_solid_and_nothing_fixed_is_picked_up() -> None:
    solid = PLACE.replace('bowl = find("bowl")', 'cube = find("cube")').replace("=bowl", "=cube")
    assert why(solid) == ["nothing can be put into a cube"]
    fixed = PLACE.replace('can = find("red can")', 'drawer = find("top drawer")').replace("(can", "(drawer")
    assert "pick() of a drawer" in why(fixed)


CHOICE = """with task("choose"):
    box = find("box")
    if is_open(find("top drawer")):
        with unit("top drawer"):
            pick(box)
    else:
        with unit("box"):
            pick(box)
    wait(1.0)
"""


def test_a_condition_on_which_nothing_depends_is_a_fault() -> None:
    (fault,) = faults_of(CHOICE, [])
    assert fault.why == "both branches do the same"
    assert CHOICE[: fault.end].rstrip().endswith("pick(box)")


def test_branches_that_differ_in_what_they_do_are_fine() -> None:
    head, tail = CHOICE.rsplit("pick(box)", 1)
    assert faults_of(head + 'push(box, "left")' + tail, []) == ()
    assert faults_of(f"{head}pick(box)\n            wait(2.0){tail}", []) == ()


def test_the_blame_ends_where_the_fault_does() -> None:
    text = PLACE.replace("pick(can)", "press(can)")
    (fault,) = faults_of(text, ())
    assert text[: fault.end].endswith("press(can)")


def test_names_of_tasks_and_units_are_labels_and_descriptions_are_not() -> None:
    assert in_label('with task("put')
    assert in_label('with task("put in"):\n    with unit("ca')
    assert not in_label('with task("put in"):\n    can = find("red')
    assert not in_label('with task("put in"):\n')


@pytest.mark.parametrize("split", ["train", "evaluation"])
def test_no_program_of_the_oracle_has_a_fault(split: str) -> None:
    for seed in range(150):
        record = example_record(generate(seed, split))
        phrases = [words for words, _, _ in record["phrases"]]
        for text in filter(None, (record["program"], record["repair"])):
            assert faults_of(text, phrases) == (), text


def test_what_stands_near_is_not_called_out_of_reach() -> None:
    text = 'with task("refuse"):\n    refuse("the red cube is out of reach")\n'
    (fault,) = faults_of(text, ["red cube", "bowl"], there=["red cube", "bowl"], near=["red cube", "bowl"])
    assert fault.why == "what stands near is called out of reach"
    assert not faults_of(text, ["red cube", "bowl"], there=["red cube", "bowl"], near=["bowl"])
