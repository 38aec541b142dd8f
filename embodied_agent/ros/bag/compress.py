"""Images made small on their way into a bag, under the names and formats of `image_transport`.

Colour becomes sensor_msgs/CompressedImage on TOPIC/compressed. Depth in millimetres (16UC1) becomes
the lossless PNG of `compressedDepth` on TOPIC/compressedDepth. Everything else stays as it is.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image as Pillow

from embodied_agent.errors import BadInput

FORMATS = ("raw", "jpeg", "png")
COLOR = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}
DEPTH = ("16UC1", "mono16")
JPEG_QUALITY = 90
SIBLINGS = ("/compressed", "/compressedDepth", "/theora", "/zstd")  # names that image_transport adds


def checked_format(name: str) -> str:
    """The format of recorded images.

    Raises:
        BadInput: There is no such format.
    """
    if name not in FORMATS:
        raise BadInput(f"--images {name[:40]!r}: it is one of {', '.join(FORMATS)}")
    return name


def compressed(message: Any, form: str) -> tuple[str, str, bytes] | None:
    """An image made small.

    Args:
        message: sensor_msgs/Image.
        form: "jpeg" or "png".

    Returns:
        What is added to the name of the topic, `format` of the message, and its data; None where the
        encoding is not one that image_transport makes small without loss of meaning.
    """
    if message.encoding in COLOR:
        picture = Pillow.fromarray(colors(message))
        file = io.BytesIO()
        if form == "jpeg":
            picture.save(file, "JPEG", quality=JPEG_QUALITY)
        else:
            picture.save(file, "PNG", compress_level=1)
        kind = "mono8" if message.encoding == "mono8" else "bgr8"
        return "/compressed", f"{message.encoding}; {form} compressed {kind}", file.getvalue()
    if message.encoding in DEPTH:
        file = io.BytesIO()
        Pillow.fromarray(pixels(message, "u2", 1)).save(file, "PNG", compress_level=1)
        head = struct.pack("<iff", 0, 0.0, 0.0)  # parameters of the quantised form, which whole numbers lack
        return "/compressedDepth", f"{message.encoding}; compressedDepth png", head + file.getvalue()
    return None


def pixels(message: Any, kind: str, channels: int) -> np.ndarray[Any, np.dtype[Any]]:
    """The pixels of a sensor_msgs/Image, (H, W) or (H, W, channels), rows without their padding."""
    item = np.dtype((">" if message.is_bigendian else "<") + kind)
    rows = np.frombuffer(memoryview(message.data), np.uint8).reshape(message.height, message.step)
    used = np.ascontiguousarray(rows[:, : message.width * channels * item.itemsize]).view(item)
    shape = (message.height, message.width) + ((channels,) if channels > 1 else ())
    return used.reshape(shape).astype(item.newbyteorder("="), copy=False)


def colors(message: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """RGB (H, W, 3) or grey (H, W) uint8 of a colour sensor_msgs/Image.

    Raises:
        BadInput: Its encoding is none of `COLOR`.
    """
    channels = COLOR.get(message.encoding)
    if channels is None:
        raise BadInput(f"image encoding {message.encoding[:40]!r} is none of {', '.join(COLOR)}")
    found = pixels(message, "u1", channels)
    if message.encoding.startswith("bgr"):
        found = found[..., [2, 1, 0]]
    return np.ascontiguousarray(found[..., :3] if channels >= 3 else found)
