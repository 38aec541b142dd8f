"""How people word each kind of task: patterns with slots, expanded and divided among the splits.

A pattern that starts with "~" is a statement, not an imperative, and takes no "could you".
Slots: {a} {b} {c} things in the order of the goal, {d} a number or distance, {m} a manner.
"""

# ruff: noqa: E501  (one pattern a line, however long)

from __future__ import annotations

from functools import cache

from embodied_agent.commands.splits import expand_all, of_split

PATTERNS: dict[str, tuple[str, ...]] = {
    "place_in": (
        "(put|place|set|lay|drop|stick|move|pop|get|deposit|stow|toss) {a} (in|into|inside) {b}",
        "(take|grab|pick up|fetch|get|lift) {a} and (put|place|drop|set|deposit|lower) it (in|into|inside) {b}",
        "(into|inside|in) {b}, (put|place|drop) {a}",
        "~{a} (goes|belongs|should go|should be|has to go|needs to go|must go) (in|into|inside) {b}",
        "~I (want|need|would like|'d like) {a} (in|inside|to be in|to end up in) {b}",
        "(make sure|see to it that|arrange it so that) {a} (is|ends up|lies) (in|inside) {b}",
        "(transfer|relocate|bring|carry) {a} (to|into|over into|to the inside of) {b}",
        "fill {b} with {a}",
        "(use|let) {b} (to hold|hold) {a}",
        "~{b} is (where|the place where) {a} (should be|belongs|goes)",
        "(put|place) {a} away in {b}",
        "(let|have) {a} (land|end up|rest) (in|inside) {b}",
        "(let|have|make) {b} (contain|receive|take in) {a}",
        "~{b} (should|must|has to|is to) (contain|hold|receive|take) {a}",
        "~I (want|need|would like) {b} (to contain|to hold|filled with) {a}",
        "(use|take) {b} as (the|a) (container|place|holder) for {a}",
        "~{b} (needs|gets|should get) {a} (in it|inside|inside of it)",
        "(put|place|drop|set) {a} so that it (is|lies|ends up) (in|inside) {b}",
        "(find|give) {a} a (place|home|spot) (in|inside) {b}",
        "(deliver|send|take) {a} (to|into) {b}",
        "(have|get) {a} (put|placed|dropped) (in|into|inside) {b}",
    ),
    "place_on": (
        "(put|place|set|lay|move|get|rest|position|leave) {a} (on|onto|on top of|upon) {b}",
        "(take|grab|pick up|fetch|get|lift) {a} and (put|place|set|lay|rest) it (on|onto|on top of) {b}",
        "(on|on top of|onto) {b}, (put|place|set) {a}",
        "~{a} (goes|belongs|should go|should be|has to stand|must be) (on|on top of) {b}",
        "~I (want|need|would like|'d like) {a} (on|on top of|to be on) {b}",
        "(make sure|see to it that|arrange it so that) {a} (is|ends up|stands) (on|on top of) {b}",
        "(transfer|bring|carry) {a} (to|onto|over to) the top of {b}",
        "(serve|present) {a} on {b}",
        "(use|let) {b} (to support|carry|as a base for) {a}",
        "(let|have) {a} (sit|stand|rest) (on|on top of) {b}",
        "(let|have|make) {b} (hold up|bear|support|carry|hold) {a}",
        "(use|take) {b} (as|for) (a|the) (base|stand|support|pedestal|place) (for|of|under) {a}",
        "~{b} (should|must|has to|is to) (carry|support|hold up|bear|hold) {a}",
        "~I (want|need|would like) {b} (to carry|to support|to hold|under|beneath|underneath) {a}",
        "(turn|make) {b} into a (stand|base|support) for {a}",
        "(top|crown|cover|load) {b} with {a}",
        "~{b} (needs|gets|should get) {a} (on it|on top|on top of it)",
        "~{a} (is to|shall) (stand|sit|rest|lie) (on|on top of|upon) {b}",
        "(put|place|set|lay) {a} so that it (stands|rests|sits|lies) (on|on top of) {b}",
        "~{b} is (where|the place where) {a} (should stand|belongs|goes|has to be)",
        "(find|give) {a} a (place|spot) (on|on top of) {b}",
        "(have|get) {a} (put|placed|set) (on|onto|on top of) {b}",
        "(with {b} below|with {b} as the base), (put|set|place) {a} on top",
    ),
    "place_beside": (
        "(put|place|set|lay|move|position|leave) {a} (next to|beside|by|close to|near|right next to|alongside) {b}",
        "(take|grab|pick up|lift) {a} and (put|place|set) it (down|) (next to|beside|by|near) {b}",
        "(next to|beside|near) {b}, (put|place|set) {a}",
        "~{a} (goes|belongs|should be|should stand|needs to be) (next to|beside|near) {b}",
        "~I (want|need|would like|'d like) {a} (next to|beside|near|close to) {b}",
        "(make sure|see to it that) {a} (is|ends up|stands) (next to|beside|near) {b}",
        "(bring|carry) {a} (over|) (to a place next to|to the side of|up to) {b}",
        "(let|have) {a} (stand|sit) (next to|beside) {b}",
        "(put|place|set|lay) {a} so that it (stands|is|lies) (next to|beside|close to) {b}",
        "~{b} (needs|gets|should get|should have) {a} (next to it|beside it|at its side)",
        "(find|give) {a} a (place|spot) (next to|beside|near) {b}",
        "(use|take|choose) a (place|spot) (next to|beside|near|close to) {b} for {a}",
        "~{a} (is to|shall) (stand|be|lie) (next to|beside|near) {b}",
        "(have|get) {a} (put|placed|set) (next to|beside|near) {b}",
        "(let|have|make) {a} (join|accompany) {b}",
        "(bring|get|move) {a} (closer to|over to|up close to) {b}",
    ),
    "place_side": (
        "(put|place|set|lay|move|position) {a} {s} {b}",
        "(take|grab|pick up|lift) {a} and (put|place|set) it (down|) {s} {b}",
        "~{a} (goes|belongs|should be|should stand|needs to be) {s} {b}",
        "~I (want|need|would like|'d like) {a} {s} {b}",
        "(make sure|see to it that) {a} (is|ends up|stands) {s} {b}",
        "{s} {b}, (put|place|set) {a}",
        "(let|have) {a} (stand|sit) {s} {b}",
    ),
    "stack": (
        "(stack|pile) {b} (on|onto|on top of) {a}",
        "(build|make|create|erect) a (tower|stack|pile) with {a} (at the bottom|below|as the base|first) and {b} on top",
        "(build|make|create) a (tower|stack|pile) (from|of|out of) {a} and {b}, (with|having) {b} on top",
        "(stack|pile) (up|) {a} and {b} with {a} (at the bottom|below|as the base)",
        "(stack|pile) (up|) {a} and {b} so that {a} (is at the bottom|is the base|comes first)",
        "(use|take) {a} as (a|the) (base|foundation) and (stack|pile|put) {b} on (it|top of it)",
        "(pile|stack) up {a} and then {b}",
        "~I (want|need|would like) a (tower|stack): {a} (below|at the bottom), {b} (above|on top)",
        "(make|use) {a} the (base|bottom) and {b} the top of a (tower|stack)",
        "(with {a} below|with {a} at the bottom|starting with {a}), (stack|pile|put) {b} on top",
        "~{b} (goes|belongs|has to go) on top of {a} (to make|to form) a (tower|stack)",
        "(build|make|create) a (tower|stack|pile) (in which|where) {b} (is|stands|rests) on {a}",
        "(build|make|create) a (tower|stack|pile) (in which|where) {a} (carries|supports|is under) {b}",
    ),
    "stack_three": (
        "(stack|pile) {b} (on|onto|on top of) {a} and {c} (on|onto|on top of) {b}",
        "(build|make|create|erect) a (tower|stack|pile) with {a} at the bottom, {b} in the middle and {c} (on top|at the top)",
        "(build|make|create) a (tower|stack) of {a}, {b} and {c}, (from bottom to top|bottom first|in this order from the bottom)",
        "(stack|pile) {b} on {a}, then (put|place|set|stack) {c} on (top|top of that|them)",
        "(pile|stack) up {a}, {b} and {c} in (this|that) order",
        "~I (want|need|would like) a (tower|stack|pile): {a} (below|at the bottom), then {b}, (then {c}|{c} on top)",
        "(put|place) {c} on {b}, (once that one is on|after putting {b} on) {a}",
        "(put|place|stack) {c} on {b} after (putting|placing|stacking) {b} on {a}",
        "(first|begin by putting|start by putting) {b} on {a}, (then|and then) {c} on {b}",
        "(build|make) a (tower|stack) (in which|where) {a} is (below|at the bottom), {b} in the middle and {c} on top",
    ),
    "sort": (
        "(put|place|sort|drop) {a} (in|into) {b} and {c} (in|into) {e}",
        "(sort|separate|organize|arrange) (these things|the objects|them|things): {a} (in|into|go in) {b}, {c} (in|into) {e}",
        "~{a} (go|belong|should go) (in|into|inside) {b}, (and|while) {c} (go|belong) (in|into|inside) {e}",
        "(tidy up|clean up|sort things out): {a} (in|into) {b} and {c} (in|into) {e}",
        "(collect|gather) {a} in {b} and {c} in {e}",
        "(move|bring|transfer|carry) {a} (to|into) {b} and {c} (to|into) {e}",
        "(separate|split up) {a} from {c}: the former (in|into) {b}, the latter (in|into) {e}",
        "(use|take) {b} for {a} and {e} for {c}",
        "~{b} is for {a} and {e} (is for|for) {c}",
    ),
    "open": (
        "(open|pull open|slide open|open up|unclose|crack open) {a}",
        "(give|get) me access to (what is in|the inside of) {a}",
        "(make sure|see to it that) {a} is (open|opened|no longer closed)",
        "~{a} (should be|needs to be|must be|has to be) (open|opened)",
        "~I (want|need|would like|'d like) {a} (open|opened|to be open)",
        "(grab|take|grasp) (hold of|) {a} and (open it|pull it open)",
        "(have|get) {a} (opened|open)",
        "~I need to (get|look|reach) (into|inside) {a}",
    ),
    "open_to": (
        "(open|pull open|slide open|open up) {a} {d}",
        "(make sure|see to it that) {a} is open {d}",
        "~{a} (should be|needs to be|must be) open {d}",
        "~I (want|need|would like) {a} open {d}",
        "{d} (open|pull open|open up) {a}",
    ),
    "close": (
        "(close|shut|push shut|push closed|slide shut|close up) {a}",
        "(make sure|see to it that) {a} is (closed|shut|no longer open)",
        "~{a} (should be|needs to be|must be|has to be) (closed|shut)",
        "~I (want|need|would like|'d like) {a} (closed|shut|to be closed)",
        "(have|get) {a} (closed|shut)",
        "(push|move) {a} back (in place|until it is closed|to closed)",
        "(don't|do not) leave {a} open",
    ),
    "put_in_drawer": (
        "(put|place|stow|store|lay|stash|drop) {a} (in|into|inside) {b}",
        "(take|grab|pick up|get|lift) {a} and (put|place|stow|lay) it (in|into|inside) {b}",
        "(open {b} and put|open {b}, then place|open up {b} and lay) {a} (in|inside|into it)",
        "~{a} (goes|belongs|should go|has to go|must go) (in|into|inside) {b}",
        "~I (want|need|would like|'d like) {a} (in|inside|stored in|to be in) {b}",
        "(put|tidy|store|stow) {a} away in {b}",
        "(hide|keep|store) {a} (in|inside) {b}",
        "(make sure|see to it that) {a} (is|ends up|lies) (in|inside) {b}",
        "(use|let) {b} (to hold|to store|hold) {a}",
        "(let|have|make) {b} (contain|receive) {a}",
        "~{b} (should|must|has to) (contain|hold|receive) {a}",
        "~{b} (needs|gets|should get) {a} (in it|inside)",
        "(use|take) {b} as (the|a) (place|home) for {a}",
        "(find|give) {a} a (place|home|spot) (in|inside) {b}",
        "(have|get) {a} (put|placed|stored) (in|inside) {b}",
    ),
    "put_in_drawer_close": (
        "(put|place|stow|store|lay) {a} (in|into|inside) {b} and (close|shut) (it|it again|it afterwards|the drawer)",
        "(put|place|stow|lay) {a} (in|into|inside) {b}, then (close|shut) (it|it again|the drawer)",
        "(take|grab|pick up) {a}, (put|place|lay) it (in|into|inside) {b} and (close|shut) (it|the drawer)",
        "(open {b}, put|open up {b}, place) {a} (in|inside) and (close|shut) it (again|afterwards|)",
        "(lock|shut|close) {a} (up|away) in {b}",
        "~{a} (goes|belongs|should go) (in|into) {b}, and {b} (has to be|should be|must be) (closed|shut) (afterwards|then|)",
        "(close|shut) {b} after (putting|placing|laying) {a} (in|inside) it",
    ),
    "press": (
        "(press|push|hit|push down|press down|press on|tap|click|activate|trigger) {a}",
        "give {a} (a press|a push) (please|now|)",
        "~{a} (should be|needs to be|must be|has to be) (pressed|pushed)",
        "~I (want|need|would like|'d like) {a} (pressed|pushed|to be pressed)",
        "(make sure|see to it that) {a} (is|gets) (pressed|pushed|pushed down)",
        "(have|get) {a} (pressed|pushed)",
        "(reach for|go to|move to) {a} and (press|push) it (down|)",
        "ring the bell (by pressing|with) {a}",
    ),
    "turn": (
        "(turn|rotate|twist|spin) {a}",
        "give {a} a (turn|twist)",
        "~{a} (should be|needs to be|must be) (turned|rotated|twisted)",
        "~I (want|need|would like) {a} (turned|rotated)",
        "(make sure|see to it that) {a} (is|gets) (turned|rotated)",
        "(grab|grasp|take) {a} and (turn|rotate|twist) it",
    ),
    "turn_by": (
        "(turn|rotate|twist) {a} {d}",
        "(grab|grasp|take) {a} and (turn|rotate|twist) it {d}",
        "~{a} (should be|needs to be|must be|has to be) (turned|rotated) {d}",
        "~I (want|need|would like|'d like) {a} (turned|rotated) {d}",
        "(make sure|see to it that) {a} (is|gets) (turned|rotated) {d}",
        "(have|get) {a} (turned|rotated) {d}",
        "give {a} a (turn|twist) {d}",
    ),
    "push": (
        "(push|shove|nudge|slide|scoot|move) {a} {d}",
        "(make|have|let) {a} (slide|move) {d}",
        "give {a} a (push|shove|nudge) {d}",
        "~{a} (should be|needs to be|must be|has to be) (pushed|shoved|slid) {d}",
        "~I (want|need|would like) {a} (pushed|shoved|slid) {d}",
        "(make sure|see to it that) {a} (is|gets) (pushed|shoved) {d}",
        "without lifting it, (move|push|slide) {a} {d}",
        "{d} (push|shove|slide) {a}",
    ),
    "clear": (
        "(put|place|throw|drop|move|get|toss|dump) {a} (in|into|inside) {b}",
        "(collect|gather|pack) {a} (in|into|inside) {b}",
        "(clear|tidy|clean) (up|) the table: {a} (in|into|goes in) {b}",
        "(tidy up|clean up|clear up) by (putting|placing|moving) {a} (in|into) {b}",
        "~{a} (should go|must go|needs to go|has to go) (in|into|inside) {b}",
        "~I (want|need|would like|'d like) {a} (in|inside|to be in) {b}",
        "(transfer|carry|bring) {a} (to|into) {b}",
        "(fill|load) {b} with {a}",
        "(make sure|see to it that) {a} (end up|are|land) (in|inside) {b}",
    ),
    "clear_table": (
        "(clear|clean|tidy|clean up|clear off|tidy up) the (table|desk|tabletop|work surface) (into|using) {b}",
        "(clear|clean|tidy up) the (table|desk|tabletop) and (use|fill) {b}",
        "(get|take) everything off the (table|desk|tabletop) and (into|put it in) {b}",
        "(empty|clear) the (table|desk|tabletop): (everything goes|all of it goes|it all belongs) (in|into) {b}",
        "~I (want|need|would like) the (table|desk|tabletop) (clear|empty|tidy), everything (in|inside) {b}",
    ),
    "clear_off": (
        "(clear|empty|clean off|clear off) {b}",
        "(take|get|remove|move) {a} (off|from) {b}",
        "(take|remove) (everything|all) (from|off) {b} (and put it on the table|)",
        "(make|have) {b} empty",
        "~{b} (should be|needs to be|must be) (empty|cleared)",
        "~I need {b} (empty|cleared|free)",
        "(unload|free up) {b}",
    ),
    "swap": (
        "(swap|exchange|switch|interchange) {a} (and|with) {b}",
        "(swap|exchange|switch) the (places|positions|locations|spots) of {a} and {b}",
        "(let|have|make) {a} and {b} (trade|change|swap|switch) places",
        "(put|place|move) {a} where {b} (is|stands) and {b} where {a} (is|stands|was)",
        "~{a} and {b} (should|must|need to) (trade|change|swap|switch) (places|positions)",
        "~I (want|need|would like|'d like) {a} and {b} (swapped|exchanged|switched|to trade places)",
        "(move|put) {a} to the (place|position|spot) of {b} and (vice versa|the other way round)",
        "(replace|trade) {a} (with|for) {b} and (vice versa|the other way round)",
    ),
    "hold": (
        "(pick up|lift|grab|take|grasp|raise|hold|lift up|get hold of) {a}",
        "(hold|lift) {a} (up|in the air|in your hand|in the gripper)",
        "~I (want|need|would like) you to (hold|pick up|grab|lift) {a}",
        "(get|take) {a} (in your hand|into your gripper|off the table)",
        "(make sure|see to it) that you (hold|are holding) {a}",
    ),
    "home": (
        "(go|move|return|drive|get) (home|back home|to your home position|to your rest position|out of the way)",
        "(retract|park|put away|tuck away) (the|your) arm",
        "(clear|free) the (view|workspace) (by moving your arm away|with your arm)",
    ),
    "wait": (
        "(wait|pause|hold still|stand still|rest|stop) (for|) {d} (seconds|sec|s)",
        "do nothing for {d} (seconds|sec)",
    ),
    "point_spot": (
        "(put|place|set|move|lay|drop) (this|that|this one|that one|this thing) (there|over there|right there|here|at this spot)",
        "(take|grab|pick up) (this|that|this one) and (put|place|set) it (there|here|over there|down there)",
        "(move|bring|carry) (this|that|this object) (to here|to there|over there|to this place)",
        "from (here|this place) to (there|that place)",
        "~(this|that|this one) (goes|belongs|should go) (there|here|over there)",
    ),
    "point_thing": (
        "(put|place|set|move|drop) (this|that|this one|that one) (in|into|inside) {b}",
        "(take|grab|pick up) (this|that|this one) and (put|place|drop) it (in|into|inside) {b}",
        "~(this|that|this one) (goes|belongs|should go) (in|into|inside) {b}",
    ),
    "point_into": (
        "(put|place|set|move|drop) {a} (in|into|inside) (this|that|this one|that one|here)",
        "(take|grab|pick up) {a} and (put|place|drop) it (in|into|inside) (this|that|here)",
        "~{a} (goes|belongs|should go) (in|into|inside) (this|that|this one|here)",
        "(put|place|drop) {a} in (this|that) (container|one here)",
    ),
    "point_pair": (
        "(put|place|set|move|drop) (this|this one|that) (in|into|inside) (that|that one|this one)",
        "(take|grab|pick up) (this|that|this one) and (put|place|drop) it (in|into|inside) (that|that one|this one here)",
        "~(this|this one) (goes|belongs|should go) (in|into|inside) (that|that one|this container)",
    ),
    "point_put": (
        "(put|place|set|move|lay) {a} (there|here|over there|right here|at this spot|where I clicked|where I point)",
        "(take|grab|pick up) {a} and (put|place|set) it (there|here|down here|where I clicked|at the marked spot)",
        "~{a} (goes|belongs|should go) (there|here|at the marked place)",
    ),
    "point_hold": (
        "(pick up|lift|grab|take|grasp|hold|raise) (this|that|this one|that one|this thing|the marked one)",
        "(pick up|lift|grab|take) (what|the thing) (I clicked|I point at|I marked)",
    ),
}

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


@cache
def templates(family: str, split: str) -> tuple[str, ...]:
    """The templates by which a split words a family."""
    return of_split(expand_all(PATTERNS[family]), split)
