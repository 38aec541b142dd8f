"""What is asked of a thing follows from the words around it, not from what it is called.

Training shows some kinds in some parts only: nothing was ever put beside a mug. A model that learnt from that
reads "put the cube near the mug" the other way around. Which part a thing plays does not depend on its name, so
the command is read once more with another name in its place, one that was met in every part (an intervention
on the name, as in Pearl, Causality, section 1.3), and the program speaks of the thing itself again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from embodied_agent.mllm.canonical import is_canonical
from embodied_agent.mllm.decode import Link
from embodied_agent.mllm.mentions import noun_of, singulars
from embodied_agent.mllm.phrases import Spoken
from embodied_agent.mllm.vocabulary import KINDS

STANDINS = ("can", "cube")  # carried, and next to what things are put
KEPT = ("bowl", "plate", "box", "bin", *STANDINS)  # what goes into and onto these is told by what they are
_NAME = re.compile(r'"[^"]*"|\b[a-z]+(?:_\d+)?\b')


@dataclass(frozen=True)
class Standing:
    """A command in which others stand in for its things.

    Attributes:
        text: The command.
        told: What its phrases mean, in those names.
        kinds: Kind of each stand-in -> of what it stands for.
        phrases: Each phrase with a stand-in -> as it is meant.
    """

    text: str
    told: list[Link | None]
    kinds: Mapping[str, str]
    phrases: Mapping[str, str]

    def meant(self, program: str) -> str:
        """A program about the stand-ins as one about the things themselves."""

        def itself(found: re.Match[str]) -> str:
            word = found[0]
            if word[0] == '"':
                words = word[1:-1]
                return f'"{self.phrases.get(words, self.kinds.get(words, words))}"'
            kind, mark, number = word.partition("_")
            return self.kinds[kind] + mark + number if kind in self.kinds else word

        return _NAME.sub(itself, program)


def standing_in(text: str, spoken: Sequence[Spoken], told: Sequence[Link | None]) -> Standing | None:
    """The command with stand-ins for single things that are carried; None where none is needed, or possible.

    Args:
        text: The command.
        spoken: Its phrases.
        told: What each of them means by itself; None = it needs the others.
    """
    links = [link for link in told if link is not None and is_canonical(link.words)]
    nouns = [noun_of(link.words) for link in links]
    free = [kind for kind in STANDINS if kind not in nouns]
    kinds: dict[str, str] = {}
    phrases: dict[str, str] = {}
    for link, kind in zip(links, nouns, strict=True):
        if kind in KEPT or kind not in KINDS or link.state != "found":
            continue
        stand = next((stand for stand, other in kinds.items() if other == kind), "")
        if not stand and not free:
            continue
        stand = stand or free.pop(0)
        kinds[stand] = kind
        phrases[link.words.replace(kind, stand, 1)] = link.words
    others = {
        one for link in links if link.words not in phrases.values() for one in singulars(noun_of(link.words))
    }
    if not phrases or others & set(kinds.values()):  # "the mug and the other mugs": names would be mixed up
        return None
    back = {meant: words for words, meant in phrases.items()}
    pieces, after = [], 0
    new: list[Link | None] = []
    for item, meant in zip(spoken, told, strict=True):
        if meant is None or not is_canonical(meant.words):
            new.append(meant)
            continue
        words = back.get(meant.words, meant.words)
        new.append(replace(meant, words=words))
        pieces += [text[after : item.start], f"the {words}"]
        after = item.end
    return Standing("".join([*pieces, text[after:]]), new, kinds, phrases)
