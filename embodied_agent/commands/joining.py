"""How sentences are joined, hedged and wrapped: sequences, conditions, politeness, manners and sides.

Slots: {1} {2} {3} sentences in the order of the goal, {if} a condition, {} any sentence.
"""

# ruff: noqa: E501  (one pattern a line, however long)

from __future__ import annotations

from embodied_agent.commands.splits import expand_all

SIDES: dict[str, tuple[str, ...]] = {
    "left": ("to the left of", "left of", "on the left of", "on the left side of"),
    "right": ("to the right of", "right of", "on the right of", "on the right side of"),
    "front": ("in front of", "just in front of", "on the near side of"),
    "behind": ("behind", "in back of", "on the far side of"),
}

DIRECTIONS: dict[str, tuple[str, ...]] = {
    "left": ("to the left", "left", "leftward", "towards the left"),
    "right": ("to the right", "right", "rightward", "towards the right"),
    "forward": ("forward", "away from you", "forwards", "away from the robot", "to the back"),
    "backward": ("backward", "towards you", "backwards", "towards the robot", "to the front"),
}

SEQUENCES_2 = expand_all(
    (
        "{1}(,| and) then {2}",
        "(first|first of all|to begin with) {1}(, then|, and then|, after that|. then) {2}",
        "{1}. (then|next|after that|afterwards|once that is done|when you are done) {2}",
        "{1} and (after that|afterwards|finally|when that is done) {2}",
        "{1} (before|and only then) {2}",
        "{1}; {2}",
        "(two things|two steps|do two things): {1}, (and|then) {2}",
        "{1}, (followed by this:|and second,|and when finished,) {2}",
        "{2}, but (first|before that|before you do so) {1}",
        "(step 1|1|one): {1}(.|,|;) (step 2|2|two): {2}",
    )
)
SEQUENCES_3 = expand_all(
    (
        "{1}, (then|and then|next) {2}(, then|, and then| and finally|, and at last) {3}",
        "(first|to begin with) {1}, (then|after that|second) {2}(, and then|, and finally|, third) {3}",
        "{1}. (then|next|after that) {2}. (finally|last|at the end) {3}",
        "(three things|three steps|do three things): {1}, {2}(, then| and|, and) {3}",
        "(1|one|step 1): {1}(,|;) (2|two|step 2): {2}(,|;) (3|three|step 3): {3}",
    )
)
CONDITIONS = expand_all(
    (
        "if {if}, {1}",
        "if {if}(, then|, please|, just) {1}",
        "{1}(, but only|, but just|, only|) if {if}",
        "(in case|provided that|as long as|assuming|should it be that) {if}, {1}",
        "{1} (in case|provided that|as long as|on condition that) {if}",
        "(check whether|look whether|see if|find out if) {if}(; if so,|, and if so,|. if yes,) {1}",
        "only if {if}(,| should you) {1}",
        "(when|whenever|so long as) {if}, {1}",
        "{1}, (given that|assuming that|when) {if}",
        "(suppose|say) {if}: (then|in that case) {1}",
    )
)
CONDITIONS_ELSE = expand_all(
    (
        "if {if}, {1}(, otherwise|; otherwise|, else|. otherwise|. if not,|, and if not,) {2}",
        "if {if} then {1}(, otherwise|, else| else|. if not,) {2}",
        "{1} if {if}(, otherwise|; otherwise|, else|, and if not,) {2}",
        "(check whether|look whether|see if|find out if) {if}(; if so,|. if yes,) {1}(, otherwise|; if not,|, else) {2}",
        "(depending on whether|depending on if) {if}, {1} or {2}",
        "(in case|provided that|assuming|when) {if}, {1}(, otherwise|; otherwise|; if not,|, else) {2}",
        "{1} (in case|provided that|when) {if}(, otherwise|; otherwise|; if not,|, else) {2}",
        "{2}, unless {if}(, in which case|; in that case|: then) {1}",
        "unless {if}, {2}(, otherwise|; otherwise|; if so,) {1}",
        "(there are two cases|two cases): if {if}, {1}(;|, and) (if not|otherwise), {2}",
        "{2} if it is not (so|the case|true) that {if}(, else|, otherwise|; otherwise) {1}",
    )
)
WRAPPERS = expand_all(
    (
        "(please|kindly|now|next|ok, now|alright,|hey,|robot,|hey robot,|hello, please|go ahead and|quick,) {}",
        "(could|can|would|will) you (please|kindly|quickly|just|maybe|) {}",
        "(I'd like you to|I want you to|I need you to|I would like you to|you should|you have to|your job is to) {}",
        "(your task is to|the task is to|your next job: |what I need now: |let's|try to|help me:|be so kind and) {}",
        "{}(, please| please| for me|, thanks|, thank you| now|, would you| right away| if you can|, ok)",
        "(do me a favor and|be a dear and|if you don't mind,|if possible,|when you have a moment,) {}",
    )
)
OPENERS = expand_all(
    (
        "(I am cooking|dinner is nearly ready|guests are coming|the children made a mess|we are about to start).",
        "(I have my hands full|my hands are wet|it is getting late|I am in a hurry|this place is a mess).",
        "(good morning|hi there|good evening|hello robot|thanks for that)!",
    )
)
MANNERS: dict[str, tuple[str, ...]] = {
    "gentle": expand_all(
        ("(gently|softly|with a soft grip|without squeezing it|using little force|it is fragile, so be gentle)",)
    ),
    "slow": expand_all(("(slowly|without hurry|taking your time|at a slow pace|unhurriedly|at low speed)",)),
    "upright": expand_all(("(keeping it upright|without tilting it|without tipping it over|and keep it level)",)),
    "above": expand_all(
        (
            "(grasping it from above|from above|with a grasp from the top|gripping it from the top)",
            "(taking|grabbing|holding) it (from the top|from above|at the top|from overhead)",
        )
    ),
    "side": expand_all(
        (
            "(grasping it from the side|gripping it from the side|with a grasp from the side)",
            "(taking|grabbing|holding) it (from the side|from one side|sideways)",
        )
    ),
    "handle": expand_all(
        (
            "(by its handle|holding it by the handle|with the handle in your grip)",
            "(taking|grabbing|grasping) it (by|at) (the|its) handle",
        )
    ),
    "rim": expand_all(
        (
            "(by its rim|holding it by the rim|gripping it at the edge)",
            "(taking|grabbing|grasping) it (by|at) (the|its) (rim|edge)",
        )
    ),
}
