"""Goals that no client should send: each must come back as INVALID with a reason, or be refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

RUN = 2
FINE = "say hello"

GOALS: Mapping[str, Mapping[str, Any]] = {
    "empty": {"instruction": ""},
    "only white space": {"instruction": " \t\n  "},
    "only punctuation": {"instruction": "?!... ---"},
    "100,000 characters": {"instruction": "word " * 20_000},
    "control characters": {"instruction": "say \x01\x02\x07\x1b[31m hello"},
    "what was binary": {"instruction": bytes(range(128, 256)).decode("utf-8", "replace")},
    "mode 7": {"instruction": FINE, "mode": 7},
    "mode 255": {"instruction": FINE, "mode": 255},
    "negative time": {"instruction": FINE, "time_limit": -1.0},
    "time that is no number": {"instruction": FINE, "time_limit": math.nan},
    "endless time": {"instruction": FINE, "time_limit": math.inf},
    "too much time": {"instruction": FINE, "time_limit": 1e9},
    "a point that is no number": {"instruction": FINE, "points": [(math.nan, 3.0)]},
    "an endless point": {"instruction": FINE, "points": [(3.0, math.inf)]},
    "a negative point": {"instruction": FINE, "points": [(-40.0, 10.0)]},
    "a point outside the image": {"instruction": FINE, "points": [(100_000.0, 10.0)]},
    "too many points": {"instruction": FINE, "points": [(1.0, 1.0)] * 5},
    "100,000 points": {"instruction": FINE, "points": [(1.0, 1.0)] * 100_000},
}
