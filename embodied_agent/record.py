"""The files of one run, whole at any interruption.

`events.jsonl` grows line by line and is flushed with each; every other file is written beside
itself and renamed, so a reader sees the old one or the new one, never half of one.

    program.py     the last accepted program
    events.jsonl   what happened, in order
    run.json       the account
    frames/*.jpg   key frames that events.jsonl names
    video.mp4      the run as a camera saw it
    report.html    all of it on one page
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from embodied_agent.errors import BadInput
from embodied_agent.types import Detection

Picture = NDArray[np.uint8]
MOST_FRAMES = 400  # key frames of one run
FRAME_QUALITY = 82
PALETTE = (
    (66, 133, 244), (234, 140, 52), (52, 168, 83), (219, 68, 120), (150, 98, 220), (0, 172, 193),
    (205, 170, 30), (120, 120, 120),
)  # fmt: skip


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file so that it is there entirely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode("utf-8", "replace") if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp keeps it to the owner
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def plain(value: Any) -> Any:
    """A value as JSON takes it: arrays as lists, numbers as Python's, the rest as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None  # JSON has no nan
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


class Recorder:
    """Writes the folder of one run. A context manager: leaving it closes the video and the log."""

    def __init__(self, folder: str | Path, *, video_fps: float = 12.0) -> None:
        self.folder = Path(folder)
        try:
            (self.folder / "frames").mkdir(parents=True, exist_ok=True)
            for old in [*self.folder.glob("frames/*.jpg"), *self.folder.glob("*.mp4")]:
                old.unlink()
            for name in ("program.py", "run.json", "report.html"):
                (self.folder / name).unlink(missing_ok=True)
            self._log = (self.folder / "events.jsonl").open("w", encoding="utf-8")
        except OSError as error:
            raise BadInput(f"--out {self.folder}: cannot be written ({error.strerror or error})") from None
        self._frames = 0
        self._fps = video_fps
        self._video: Any = None
        self._size = (0, 0)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish the video and the log; twice is allowed."""
        if self._video is not None:
            self._video.close()
            self._video = None
            os.replace(self.folder / ".video.part.mp4", self.folder / "video.mp4")
        self._log.close()

    def event(self, event: Mapping[str, Any]) -> None:
        """Append one line."""
        self._log.write(json.dumps(plain(event), ensure_ascii=False) + "\n")
        self._log.flush()

    def program(self, source: str) -> None:
        """Keep a program."""
        write_whole(self.folder / "program.py", source)

    def account(self, account: Mapping[str, Any]) -> None:
        """Keep the account."""
        write_whole(self.folder / "run.json", json.dumps(plain(account), indent=1, ensure_ascii=False) + "\n")

    def frame(self, rgb: Picture, caption: str, *, role: str = "frame", path: str = "") -> None:
        """Keep a key frame (H, W, 3), and say in the log what it shows.

        Args:
            rgb: The picture.
            caption: For a person.
            role: "before", "after", "node" or "perception".
            path: The node it belongs to.
        """
        if self._frames >= MOST_FRAMES:
            return
        self._frames += 1
        name = f"frames/{self._frames:04d}.jpg"
        file = self.folder / f".{self._frames:04d}.part.jpg"
        Image.fromarray(rgb).save(file, quality=FRAME_QUALITY)
        os.replace(file, self.folder / name)
        self.event({"type": "frame", "file": name, "caption": caption, "role": role, "path": path})

    def perceived(
        self,
        rgb: Picture,
        detections: Iterable[Detection],
        point: tuple[float, float] | None,
        caption: str,
        path: str = "",
    ) -> None:
        """Keep what perception saw: masks, names and the chosen point over the picture."""
        self.frame(annotated(rgb, detections, point), caption, role="perception", path=path)

    def film(self, rgb: Picture) -> None:
        """Append one picture to the video; all have the size of the first."""
        if self._video is None:
            self._video, self._size = self._open_video(rgb)
        if (rgb.shape[1], rgb.shape[0]) == self._size:
            self._video.send(np.ascontiguousarray(rgb))

    def _open_video(self, rgb: Picture) -> tuple[Any, tuple[int, int]]:
        try:
            import imageio_ffmpeg
        except ImportError:
            return _NoVideo(), (0, 0)
        size = (rgb.shape[1], rgb.shape[0])
        writer = imageio_ffmpeg.write_frames(
            str(self.folder / ".video.part.mp4"),
            size,
            fps=self._fps,
            codec="libx264",
            pix_fmt_out="yuv420p",
            macro_block_size=2,
            output_params=["-crf", "27", "-preset", "veryfast", "-threads", "1", "-movflags",
                           "+frag_keyframe+empty_moov+default_base_moof"],
        )  # fmt: skip
        writer.send(None)
        return writer, size


class _NoVideo:
    """Where no encoder is installed there is no video, and everything else goes on."""

    def send(self, picture: Picture) -> None:
        pass

    def close(self) -> None:
        pass


def annotated(rgb: Picture, detections: Iterable[Detection], point: tuple[float, float] | None = None) -> Picture:
    """A copy with masks tinted, named, and the chosen point crossed."""
    canvas = rgb.astype(np.float32)
    labels: list[tuple[float, float, str, tuple[int, int, int]]] = []
    for index, found in enumerate(detections):
        if found.mask.shape != rgb.shape[:2] or not found.mask.any():
            continue
        color = PALETTE[index % len(PALETTE)]
        canvas[found.mask] = 0.55 * canvas[found.mask] + 0.45 * np.array(color, np.float32)
        canvas[_edge(found.mask)] = color
        rows, columns = np.nonzero(found.mask)
        name = f"{found.color} {found.kind}".strip()
        labels.append((float(columns.mean()), float(rows.min()), f"{name} {found.score:.2f}", color))
    picture = Image.fromarray(canvas.clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(11, rgb.shape[1] / 48))
    for x, y, label, color in labels:
        left, top, right, bottom = pen.textbbox((x, max(14, y - 3)), label, font=font, anchor="mb")
        shift = min(0.0, rgb.shape[1] - right) + max(0.0, -left)
        pen.rectangle((left + shift - 2, top - 1, right + shift + 2, bottom + 1), fill=color)
        pen.text((x + shift, max(14, y - 3)), label, fill="white", font=font, anchor="mb")
    if point is not None:
        x, y = point
        for width, color_name in ((5, "white"), (2, "magenta")):
            pen.line((x - 10, y, x + 10, y), fill=color_name, width=width)
            pen.line((x, y - 10, x, y + 10), fill=color_name, width=width)
    return np.asarray(picture)


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def read_events(folder: str | Path) -> list[dict[str, Any]]:
    """The events of a run; a last line that was cut off is left out.

    Raises:
        BadInput: No such run, or a line in the middle is no event.
    """
    path = Path(folder) / "events.jsonl"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}; give the folder that run --out wrote") from None
    events: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError("not an object")
            events.append(event)
        except (ValueError, RecursionError):
            if number < len(lines):
                raise BadInput(f"{path}, line {number}: not an event; the file is damaged") from None
    return events
