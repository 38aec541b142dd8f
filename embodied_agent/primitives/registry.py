"""The one list of primitives. Registering a function makes its signature, and so all that follows from it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embodied_agent.signature import Signature, Type, signature_of
from embodied_agent.types import Result

if TYPE_CHECKING:
    from embodied_agent.primitives.context import Context

MODULES = ("perceive", "state", "move", "grip", "put", "articulate", "press", "twist", "push", "drive", "speak")


@dataclass(frozen=True)
class Primitive:
    """A callable with its description.

    Attributes:
        signature: What programs may pass and get.
        function: Implementation; takes the run context first.
    """

    signature: Signature
    function: Callable[..., Result]

    def __call__(self, context: Context, /, **arguments: Any) -> Result:
        """Run it. The interpreter has checked the arguments against the signature."""
        if stays := context.left_behind(arguments.values()):
            return Result(ok=False, reason=stays)
        return self.function(context, **arguments)


_REGISTERED: dict[str, Primitive] = {}


def primitive(
    *, returns: Type, effect: str, exactly_one: tuple[str, ...] = (), for_skills: bool = False
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Register a function as a primitive of the language.

    Args:
        returns: Type of the value that a program gets.
        effect: One of `signature.EFFECTS`.
        exactly_one: Optional parameters of which a call gives exactly one.
        for_skills: Only skills may call it, not a planner.

    Raises:
        TypeError: The name is taken, or a parameter is undescribed.
    """

    def register(function: Callable[..., Result]) -> Callable[..., Result]:
        signature = signature_of(
            function,
            returns=returns,
            effect=effect,
            exactly_one=exactly_one,
            callable_by_planner=not for_skills,
        )
        if signature.name in _REGISTERED:
            raise TypeError(f"primitive {signature.name!r} is registered twice")
        _REGISTERED[signature.name] = Primitive(signature, function)
        return function

    return register


def primitives() -> Mapping[str, Primitive]:
    """Every primitive by name; imports the modules that declare them on first use."""
    for module in MODULES:
        importlib.import_module(f"embodied_agent.primitives.{module}")
    return _REGISTERED
