"""Pictures of decoded image messages."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Pillow

from embodied_agent.errors import BadInput
from embodied_agent.record import Picture
from embodied_agent.ros.bag.compress import colors
from embodied_agent.ros.bag.reading import Message


def picture_of(message: Message) -> Picture | None:
    """RGB (H, W, 3) of an Image or CompressedImage; None where it is damaged or shows no colours."""
    try:
        if message.type.endswith("CompressedImage"):
            # Pillow gives RGB whatever order of channels the format speaks of.
            return np.asarray(Pillow.open(io.BytesIO(bytes(message.data.data))).convert("RGB"))
        found = colors(message.data)
    except (OSError, ValueError, BadInput):
        return None
    return found if found.ndim == 3 else np.repeat(found[..., None], 3, axis=2)
