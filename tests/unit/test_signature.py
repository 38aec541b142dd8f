"""One typed description from a Python function."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from language import SIGNATURES

from embodied_agent.signature import Parameter, Range, Type, Unit, signature_of
from embodied_agent.types import Object, Result


def test_types_ranges_units_choices_and_descriptions_come_from_the_function() -> None:
    push = SIGNATURES["push"]
    assert [p.name for p in push.parameters] == ["object", "direction", "distance"]
    assert push.parameter("direction") == Parameter(
        "direction", Type.STRING, "Where to.", choices=("left", "right")
    )
    distance = push.parameter("distance")
    assert distance == Parameter("distance", Type.NUMBER, "How far.", False, 0.1, 0.02, 0.3, "m")
    assert push.description == "Push a thing." and push.returns is Type.NONE and push.level == "primitive"


def test_an_argument_that_may_be_nothing_is_optional() -> None:
    inside = SIGNATURES["release"].parameter("inside")
    assert inside is not None
    assert inside.optional and not inside.required and inside.keyword_only and inside.type is Type.OBJECT


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (0.1, ""),
        (0, "distance must be from 0.02 to 0.3 m, got 0"),
        (True, "distance must be a number, got bool"),
        (float("nan"), "distance must be finite, got nan"),
        (None, "distance is missing"),
        ("far", "distance must be a number, got str"),
    ],
)
def test_values_outside_a_range_are_complained_about(value: Any, complaint: str) -> None:
    distance = SIGNATURES["push"].parameter("distance")
    assert distance is not None
    assert distance.complaint(value) == complaint


def test_a_string_argument_has_a_longest_length() -> None:
    description = SIGNATURES["find"].parameter("description")
    assert description is not None
    assert description.complaint("x" * 200) == ""
    assert "at most 200" in description.complaint("x" * 201)


def _undescribed(context: Any, a: int) -> Result:
    """Do."""


def _untyped(context: Any, a) -> Result:  # type: ignore[no-untyped-def]
    """Do.

    Args:
        a: A.
    """


def _bad_default(context: Any, a: Annotated[float, Range(0, 1)] = 2.0) -> Result:
    """Do.

    Args:
        a: A.
    """


def _unknown_type(context: Any, a: dict[str, int]) -> Result:
    """Do.

    Args:
        a: A.
    """


def _stranger(context: Any) -> Result:
    """Do.

    Args:
        b: B.
    """


def _silent(context: Any) -> Result: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (_undescribed, "not described"),
        (_untyped, "no type annotation"),
        (_bad_default, "unsuitable default"),
        (_unknown_type, "does not exist in the program language"),
        (_stranger, "unknown parameters"),
        (_silent, "no docstring"),
    ],
)
def test_registration_fails_on_a_bad_description(function: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        signature_of(function, returns=Type.NONE, effect="move")


def test_one_docstring_line_may_describe_several_parameters_and_go_on() -> None:
    def put(
        context: Any, a: Object, b: Object, how: Literal["x", "y"], far: Annotated[float, Unit("m")]
    ) -> Result:
        """Put.

        Args:
            a, b: Two things
                that belong together.
            how: How.
            far: How far.

        Prose after the section is not a description.
        """

    signature = signature_of(put, returns=Type.NONE, effect="move")
    assert [p.description for p in signature.parameters] == [
        "Two things that belong together.",
        "Two things that belong together.",
        "How.",
        "How far.",
    ]
