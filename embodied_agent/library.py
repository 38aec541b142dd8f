"""Everything a program may call: primitives (Python) and skills (programs), checked together once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@lru_cache(maxsize=1)
def library() -> Library:
    """The installed primitives and skills.

    Raises:
        ProgramError: A skill file is not in the language, or calls something that is not there.
    """
    known = primitives()
    skills: dict[str, Skill] = {}
    for path in sorted(SKILLS.glob("*.py")):
        if path.name != "__init__.py":
            skills |= load_skills(path.read_text(encoding="utf-8"))
    described = {name: item.signature for name, item in known.items()}
    check_skills(skills, described)
    signatures = described | {name: skill.signature for name, skill in skills.items()}
    return Library(known, skills, signatures)
