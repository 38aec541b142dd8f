"""Everything a program may call: primitives (Python) and skills (programs), checked together once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from embodied_agent.primitives.registry import Primitive, primitives
from embodied_agent.program.check import check_skills
from embodied_agent.program.nodes import Skill
from embodied_agent.program.parse import load_skills
from embodied_agent.signature import Signature

SKILLS = Path(__file__).parent / "skills"


@dataclass(frozen=True)
class Library:
    """Attributes:
    primitives, skills: By name.
    signatures: Of both, by name.
    """

    primitives: Mapping[str, Primitive]
    skills: Mapping[str, Skill]
    signatures: Mapping[str, Signature]

    @property
    def for_planner(self) -> dict[str, Signature]:
        """What a planner may write."""
        return {name: s for name, s in self.signatures.items() if s.callable_by_planner}


@lru_cache(maxsize=8)
def library(places: tuple[str, ...] = ()) -> Library:
    """The installed primitives and skills, as far as a robot can use them.

    Args:
        places: Where the robot's base can drive; () leaves out what drives.

    Raises:
        ProgramError: A skill file is not in the language, or calls something that is not there.
    """
    known = {
        name: item if item.signature.effect != "drive" else replace(item, signature=_bound(item.signature, places))
        for name, item in primitives().items()
        if places or item.signature.effect != "drive"
    }
    skills: dict[str, Skill] = {}
    for path in sorted(SKILLS.glob("*.py")):
        if path.name != "__init__.py":
            skills |= load_skills(path.read_text(encoding="utf-8"))
    described = {name: item.signature for name, item in known.items()}
    check_skills(skills, described)
    signatures = described | {name: skill.signature for name, skill in skills.items()}
    return Library(known, skills, signatures)


def _bound(signature: Signature, places: tuple[str, ...]) -> Signature:
    """The signature whose `place` is one of those that the robot knows."""
    return replace(
        signature,
        parameters=tuple(replace(p, choices=places) if p.name == "place" else p for p in signature.parameters),
    )
