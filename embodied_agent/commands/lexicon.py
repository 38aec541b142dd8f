"""Words for kinds, colours, sizes and places. The first of each list is the canonical one.

Single words are shared by all splits, since a word never met cannot be understood; descriptions
by use are whole phrases and are divided.
"""

from __future__ import annotations

from embodied_agent.commands.splits import expand_all

KIND_WORDS: dict[str, tuple[str, ...]] = {
    "cube": ("cube", "block", "square block", "toy block", "cubic block", "wooden block"),
    "cylinder": ("cylinder", "peg", "round block", "tube", "cylindrical block"),
    "ball": ("ball", "sphere", "orb", "round ball", "toy ball"),
    "mug": ("mug", "cup", "coffee mug", "coffee cup", "tea mug", "teacup"),
    "bowl": ("bowl", "dish", "basin", "soup bowl", "cereal bowl", "salad bowl"),
    "plate": ("plate", "platter", "dinner plate", "saucer", "serving plate"),
    "can": ("can", "tin", "soda can", "tin can", "drink can", "beverage can"),
    "bottle": ("bottle", "flask", "drink bottle", "water bottle"),
    "banana": ("banana",),
    "apple": ("apple",),
    "lemon": ("lemon", "citrus fruit"),
    "box": ("box", "crate", "open box", "carton", "case"),
    "bin": (
        "bin",
        "trash can",
        "waste bin",
        "trash bin",
        "wastebasket",
        "garbage bin",
        "bucket",
        "rubbish bin",
        "dustbin",
    ),
    "object": ("object", "thing", "item"),
    "fruit": ("fruit", "piece of fruit"),
    "container": ("container", "vessel"),
    "dish": ("piece of tableware", "piece of crockery"),
    "drawer": ("drawer",),
    "cupboard door": ("cupboard door", "door", "cupboard", "door of the cupboard", "cupboard's door"),
    "button": ("button", "push button", "push-button", "buzzer"),
    "knob": ("knob", "dial", "rotary knob", "control knob"),
    "shelf": ("shelf", "rack", "board on legs", "raised shelf", "ledge"),
    "cabinet": ("cabinet", "chest of drawers"),
    "cupboard": ("cupboard",),
}

PLURAL_WORDS: dict[str, tuple[str, ...]] = {
    "object": ("objects", "things", "items"),
    "fruit": ("fruits", "pieces of fruit", "fruit"),
    "dish": ("dishes", "tableware", "crockery"),
    "container": ("containers", "vessels"),
    "box": ("boxes", "crates", "cartons"),
    "shelf": ("shelves",),
    "lemon": ("lemons",),
}

COLOR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet", "ruby", "red-colored", "cherry-red", "deep red"),
    "green": ("green", "emerald", "green-colored", "grass-green", "dark green", "lime-green"),
    "blue": ("blue", "navy", "cobalt", "azure", "blue-colored", "dark blue", "sky-blue"),
    "yellow": ("yellow", "golden", "canary-yellow", "yellow-colored", "bright yellow"),
    "orange": ("orange", "tangerine", "orange-colored", "pumpkin-colored"),
    "purple": ("purple", "violet", "plum-colored", "purple-colored", "lilac", "lavender"),
    "white": ("white", "ivory", "snow-white", "white-colored", "pure white"),
    "black": ("black", "jet-black", "ebony", "coal-black", "pitch-black"),
}

SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny", "small-sized", "mini", "miniature", "petite"),
    "large": ("large", "big", "huge", "large-sized", "sizeable", "massive", "giant"),
}

# {n} is the noun with its adjectives. The article stands outside.
ORDINAL_WORDS: dict[str, tuple[str, ...]] = {
    "leftmost": ("leftmost {n}", "{n} furthest to the left", "{n} on the far left", "left-most {n}"),
    "rightmost": ("rightmost {n}", "{n} furthest to the right", "{n} on the far right", "right-most {n}"),
    "nearest": ("nearest {n}", "closest {n}", "{n} closest to you", "{n} nearest to the robot"),
    "farthest": ("farthest {n}", "furthest {n}", "{n} farthest from you", "most distant {n}"),
    "largest": ("largest {n}", "biggest {n}"),
    "smallest": ("smallest {n}", "tiniest {n}", "littlest {n}"),
    "top": ("top {n}", "upper {n}", "uppermost {n}", "{n} at the top", "highest {n}", "topmost {n}"),
    "bottom": ("bottom {n}", "lower {n}", "lowest {n}", "{n} at the bottom"),
}
RANK_WORDS = {"second": ("second", "2nd"), "third": ("third", "3rd")}
SIDE_WORDS = {
    "left": ("from the left", "from left", "counting from the left"),
    "right": ("from the right", "from right", "counting from the right"),
    "front": ("from the front", "counting from the front"),
    "back": ("from the back", "counting from the back"),
}

RELATION_WORDS: dict[str, tuple[str, ...]] = {
    "left of": ("left of", "to the left of", "on the left of", "on the left side of"),
    "right of": ("right of", "to the right of", "on the right of", "on the right side of"),
    "in front of": ("in front of", "nearer than"),
    "behind": ("behind", "in back of", "farther away than", "beyond"),
    "next to": ("next to", "beside", "by", "near", "close to", "adjacent to", "alongside", "right beside"),
    "on": ("on", "on top of", "sitting on", "lying on", "resting on"),
    "in": ("in", "inside", "lying in", "sitting in", "within"),
}
LINKS = ("", "", "", "that is", "which is", "that's")

# Whole phrases by use, taste or looks; each names a kind and nothing else.
USES: dict[str, tuple[str, ...]] = {
    "mug": expand_all(
        (
            "(something|the thing) (to drink|I can drink|I could drink|one drinks) (from|out of)",
            "the thing (people|we|I) drink (coffee|tea|cocoa) (from|out of)",
            "(something|the thing) (for|to hold) (hot coffee|my tea|a hot drink)",
        )
    ),
    "lemon": expand_all(
        (
            "the (sour|acidic|tart) (fruit|one of the fruits|yellow fruit)",
            "(something|the thing that tastes) (sour|acidic|tart)",
            "the fruit (for lemonade|that makes lemonade|you squeeze into tea)",
        )
    ),
    "banana": expand_all(
        (
            "the (long|curved|bent) (curved|yellow|) fruit",
            "the fruit (monkeys|apes) (love|like|eat)",
            "the fruit (one peels|you have to peel) (by hand|before eating)",
        )
    ),
    "apple": expand_all(
        (
            "the (crunchy|crisp|round crunchy) (fruit|one of the fruits)",
            "the fruit (that keeps the doctor away|Newton saw falling|for making cider|for cider)",
        )
    ),
    "ball": expand_all(
        ("(something|the thing|the toy) (to bounce|you can bounce|that bounces|that rolls in every direction)",)
    ),
    "bottle": expand_all(
        (
            "the thing (with|that has) a (long|narrow|thin) neck",
            "(something|the thing) with a (narrow|long) neck",
        )
    ),
    "bowl": expand_all(
        ("(something|the thing) (to eat|I can eat|one eats) (soup|cereal|porridge) (from|out of)",)
    ),
    "plate": expand_all(
        (
            "the (flat|flat round) (dish|thing to eat from)",
            "(something|the thing) (flat to|I could) serve (cake|toast) on",
        )
    ),
    "bin": expand_all(
        (
            "(the place|the container) for (trash|rubbish|garbage|waste)",
            "the thing (trash|rubbish|garbage|waste) (goes|belongs) into",
        )
    ),
    "can": expand_all(
        ("the thing (soda|lemonade|cola) (comes|is sold) in", "the (metal|tin) (drink|beverage) thing")
    ),
}
EVERYTHING = ("everything", "all the objects", "all objects", "all the things", "every object", "all items")
BUT = ("except", "but", "except for", "apart from", "other than", "but not", "besides")
NUMBERS = {1: ("one", "1"), 2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4"), 5: ("five", "5")}
