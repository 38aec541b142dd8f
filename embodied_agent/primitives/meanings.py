"""What the phrases of a command meant, kept over the repairs of its program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from embodied_agent.types import Object


@dataclass
class Meanings:
    """A person spoke of things as they stood at first: "the leftmost cube" is still the one that was moved."""

    _one: dict[str, list[str]] = field(default_factory=dict)  # ids that a phrase meant in this program
    _one_before: dict[str, str] = field(default_factory=dict)  # ... and in those before it, where it is one thing
    _several: dict[str, dict[str, Object]] = field(default_factory=dict)  # what a plural phrase meant, by id
    _several_before: dict[str, dict[str, Object]] = field(default_factory=dict)
    _settled: set[str] = field(default_factory=set)  # ids of what a loop has done with

    def note(self, phrase: str, item: Object) -> None:
        """A phrase was found to mean a thing."""
        self._one.setdefault(phrase, []).append(item.id)

    def note_all(self, phrase: str, items: Iterable[Object]) -> None:
        """A plural phrase was found to mean things."""
        self._several.setdefault(phrase, {}).update({item.id: item for item in items})

    def settle(self, item: Object) -> None:
        """A loop has done with a thing all that it does."""
        self._settled.add(item.id)

    def begin_repair(self) -> None:
        """A repaired program begins: its phrases mean what they meant in the program before."""
        for phrase, ids in self._one.items():
            self._one_before.pop(phrase, None)
            if len(set(ids)) == 1:
                self._one_before[phrase] = ids[0]
        self._one = {}
        self._several_before = {phrase: dict(members) for phrase, members in self._several.items()}

    def before(self, phrase: str) -> str:
        """Id of what a phrase meant before the repair, or ""; asked again, the phrase is read anew."""
        return self._one_before.pop(phrase, "")

    def lost(self, handled: Sequence[Object]) -> Iterator[Object]:
        """What a loop that was broken off was to handle, and this one, which handled these, was not shown."""
        ids = {item.id for item in handled}
        for members in self._several_before.values():
            if not ids & members.keys():
                continue
            renamed = [item.kind for item in handled if item.id not in members]  # tracked by another id now
            for item in members.values():
                if item.id in ids | self._settled:
                    continue
                if item.kind in renamed:
                    renamed.remove(item.kind)
                else:
                    yield item
