"""The names the model sees with: pixel classes, colours, and which classes form instances."""

from __future__ import annotations

KINDS = (
    "cube", "cylinder", "ball", "mug", "bowl", "plate", "can", "bottle", "banana", "apple", "lemon", "box",
    "bin",
)  # fmt: skip
FIXTURE_PARTS = (
    "drawer", "drawer_handle", "cabinet", "door", "door_handle", "cupboard", "button", "knob", "shelf",
)  # fmt: skip
CATEGORIES = {
    "object": KINDS,
    "fruit": ("banana", "apple", "lemon"),
    "container": ("bowl", "box", "bin", "mug"),
    "dish": ("plate", "bowl", "mug"),
}
CLASSES = ("background", "table", "robot", *KINDS, *FIXTURE_PARTS)
COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "white", "black")

CLASS_INDEX = {name: index for index, name in enumerate(CLASSES)}
COLOR_INDEX = {name: index for index, name in enumerate(COLORS)}
STUFF = 3  # the first three classes have no instances

# A pixel of a class without a centre goes to the nearest centre of a look-alike: same group only.
BODIES = ("drawer", "cabinet", "door", "cupboard", "shelf")
SMALL_PARTS = ("drawer_handle", "door_handle", "button", "knob")
GROUPS = (KINDS, BODIES, SMALL_PARTS)
GROUP_OF_CLASS = tuple(
    next((index for index, names in enumerate(GROUPS) if name in names), -1) for name in CLASSES
)  # -1 = no instance
THINGS = CLASSES[STUFF:]  # one heatmap of centres each
