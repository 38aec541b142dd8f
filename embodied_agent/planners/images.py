"""Pictures on the wire: PNG data URLs, 16-bit depth in millimetres, and marked points."""

from __future__ import annotations

import base64
import binascii
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from embodied_agent.errors import BadInput

PREFIX = "data:image/png;base64,"
MILLIMETRE = 1e-3  # [m]; the unit of a depth PNG, in which 0 = no reading
MOST_PIXELS = 4096 * 4096  # of one picture; a small PNG can unpack to gigabytes
MARK = 9  # [px] radius of a drawn point in a picture 640 wide


def png(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """PNG file of a picture (H, W, 3) uint8, or of depth in millimetres (H, W) uint16."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def data_url(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> str:
    """The PNG as a `data:` URL."""
    return PREFIX + base64.b64encode(png(pixels)).decode()


def depth_url(depth: NDArray[np.float32]) -> str:
    """Depth [m] (H, W), 0 = no reading, as a 16-bit PNG in millimetres; beyond 65.535 m counts as none."""
    millimetres = np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0) / MILLIMETRE
    millimetres = np.where((millimetres < 0) | (millimetres > 65535), 0, millimetres)
    return data_url(np.round(millimetres).astype(np.uint16))


def read_url(url: str) -> NDArray[np.uint8] | NDArray[np.float32]:
    """The picture in a `data:` URL.

    Returns:
        A colour picture (H, W, 3) uint8; or, of a 16-bit grey PNG, depth [m] (H, W) float32.

    Raises:
        BadInput: Not a `data:` URL, not base64, not a picture, or too large. Nothing is ever
            fetched from elsewhere.
    """
    if not url.startswith("data:image/") or ";base64," not in url[:64]:
        raise BadInput(f"image_url must be a data:image/...;base64 URL, got {url[:40]!r}; nothing is fetched")
    try:
        data = base64.b64decode(url.split(";base64,", 1)[1], validate=True)
    except binascii.Error as error:
        raise BadInput(f"image_url is not base64 ({error})") from None
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise BadInput(f"the image has {picture.width} x {picture.height} pixels, too many")
            if picture.mode.startswith("I"):
                return (np.asarray(picture).astype(np.float32)) * np.float32(MILLIMETRE)
            return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput(f"image_url holds no readable PNG, JPEG or WebP image ({error})"[:200]) from None


def marked(rgb: NDArray[np.uint8], points: tuple[tuple[float, float], ...]) -> NDArray[np.uint8]:
    """A copy with each point (x, y) ringed and numbered from 1."""
    if not points:
        return rgb
    picture = Image.fromarray(rgb)
    pen = ImageDraw.Draw(picture)
    radius = max(4.0, MARK * picture.width / 640)
    font = ImageFont.load_default(size=2.2 * radius)
    for number, (x, y) in enumerate(points, start=1):
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(box, outline="white", width=4)
        pen.ellipse(box, outline="magenta", width=2)
        pen.text(
            (x + radius + 2, y - radius),
            str(number),
            fill="magenta",
            font=font,
            stroke_fill="white",
            stroke_width=2,
        )
    return np.asarray(picture)


def shrunk(rgb: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """The picture with its longer side at most `longest` pixels."""
    height, width = rgb.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))
