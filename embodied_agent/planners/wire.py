"""What our own server adds to the OpenAI protocol, read and written in one place.

A chat request carries the command as the text of the last user message, then images: each
colour picture, followed by its depth as a 16-bit grey PNG in millimetres (0 = no reading) where
there is depth. The optional field `embodied_agent` adds what a sentence cannot say:

    {"points": [[x, y], ...], "point_camera": "overhead", "robot": "panda",
     "cameras": [{"name": "overhead", "fx": ..., "fy": ..., "cx": ..., "cy": ...,
                  "position": [x, y, z], "quaternion": [w, x, y, z]}, ...],
     "failures": [{"program": ..., "node": ..., "line": ..., "reason": ..., "done": [...]}]}

`cameras` follow the pictures in order; a picture without one is taken for the usual overhead
camera. Everything here is read as hostile: any other shape is a `BadInput` that names the field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied_agent.errors import BadInput
from embodied_agent.planners.images import data_url, depth_url, read_url
from embodied_agent.planners.planner import Failure, Plan, PlanRequest
from embodied_agent.types import (
    Array,
    Camera,
    Command,
    Detection,
    Frame,
    Grounding,
    Pose,
    quaternion_from_rotation,
)

OWNER = "embodied_agent"
MOST_IMAGES = 8
MOST_POINTS = 16
MOST_FAILURES = 8


@dataclass(frozen=True)
class Answer:
    """A model's text, with what our own server says beside it."""

    text: str
    grounding: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)


# Requests


def request_body(request: PlanRequest) -> dict[str, Any]:
    """The part of a chat request that carries a plan request."""
    content: list[dict[str, Any]] = [{"type": "text", "text": request.command.text}]
    content += [part for frame in request.frames for part in frame_parts(frame)]
    return {
        "messages": [{"role": "user", "content": content}],
        OWNER: {
            "points": [list(point) for point in request.command.points],
            "point_camera": request.command.camera,
            "robot": request.robot,
            "cameras": [camera_as_json(frame.camera) for frame in request.frames],
            "failures": [failure_as_json(failure) for failure in request.failures[-MOST_FAILURES:]],
        },
    }


def failure_as_json(failure: Failure) -> dict[str, Any]:
    """A failure without its evidence, which a small model does not read."""
    return {
        "program": failure.program,
        "node": failure.node,
        "line": failure.line,
        "reason": failure.reason,
        "done": list(failure.done),
    }


def frame_parts(frame: Frame) -> list[dict[str, Any]]:
    """Content parts of a frame: the picture, then its depth."""
    return [
        {"type": "image_url", "image_url": {"url": data_url(frame.rgb)}},
        {"type": "image_url", "image_url": {"url": depth_url(frame.depth)}},
    ]


def read_request(body: Mapping[str, Any]) -> PlanRequest:
    """The plan request in a chat request.

    Raises:
        BadInput: A field has another shape; the message names it.
    """
    messages = _list(body, "messages", 64)
    users = [m for m in messages if isinstance(m, dict) and m.get("role") == "user"]
    if not users:
        raise BadInput("messages: no message with role 'user'")
    texts, urls = _content(users[-1].get("content"))
    extra = body.get(OWNER) or {}
    if not isinstance(extra, dict):
        raise BadInput(f"{OWNER}: must be an object")
    frames = read_frames(urls, extra.get("cameras") or [])
    camera = _text(extra, "point_camera", frames[0].camera.name if frames else "overhead")
    command = Command("\n".join(texts), read_points(extra), camera)
    failures = tuple(_failure(f) for f in _list(extra, "failures", MOST_FAILURES))
    return PlanRequest(command, frames, _text(extra, "robot", ""), failures=failures)


def read_points(given: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """Clicked pixels (x, y) in the field `points`."""
    pairs = (_numbers(pair, 2, "points") for pair in _list(given, "points", MOST_POINTS))
    return tuple((x, y) for x, y in pairs)


def _content(content: Any) -> tuple[list[str], list[str]]:
    if isinstance(content, str):
        return [content], []
    if not isinstance(content, list):
        raise BadInput("messages: content must be a string or a list of parts")
    texts: list[str] = []
    urls: list[str] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "image_url" and isinstance(part.get("image_url"), dict):
            urls.append(_text(part["image_url"], "url", ""))
        else:
            raise BadInput(f"messages: content part of type {kind!r} is neither text nor image_url")
    if len(urls) > MOST_IMAGES:
        raise BadInput(f"messages: {len(urls)} images, at most {MOST_IMAGES} are taken")
    return texts, urls


def read_frames(urls: list[str], cameras: Any) -> tuple[Frame, ...]:
    """Frames from pictures, each perhaps followed by its depth.

    Raises:
        BadInput: An image is unreadable, or depth comes first or in another size.
    """
    if not isinstance(cameras, list):
        raise BadInput(f"{OWNER}.cameras: must be a list")
    frames: list[Frame] = []
    for url in urls:
        picture = read_url(url)
        if picture.ndim == 2:
            if not frames or frames[-1].depth.any():
                raise BadInput("a 16-bit depth image must follow the picture that it belongs to")
            last = frames.pop()
            if picture.shape != last.rgb.shape[:2]:
                raise BadInput(f"depth image {picture.shape} and picture {last.rgb.shape[:2]} differ in size")
            frames.append(Frame(last.rgb, picture.astype(np.float32), last.camera, last.stamp))
            continue
        height, width = picture.shape[:2]
        index = len(frames)
        given = cameras[index] if index < len(cameras) else None
        camera = usual_camera(width, height) if given is None else read_camera(given, width, height)
        frames.append(Frame(picture.astype(np.uint8), np.zeros((height, width), np.float32), camera, 0.0))
    return tuple(frames)


def usual_camera(width: int, height: int) -> Camera:
    """The overhead camera as the stock scenes place it, for pictures that come without one."""
    focal = 0.5 * height / math.tan(math.radians(25.0))
    eye, target = np.array([-0.05, 0.0, 1.1]), np.array([0.5, 0.0, 0.0])
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.array([0.0, -1.0, 0.0])
    rotation: Array = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose = Pose(eye, quaternion_from_rotation(rotation))
    return Camera("overhead", width, height, focal, focal, (width - 1) / 2, (height - 1) / 2, pose)


def camera_as_json(camera: Camera) -> dict[str, Any]:
    """A camera as the field `cameras` holds it."""
    pose = camera.world_from_camera
    return {
        "name": camera.name,
        **{key: float(getattr(camera, key)) for key in ("fx", "fy", "cx", "cy")},
        "position": [float(v) for v in pose.position],
        "quaternion": [float(v) for v in pose.quaternion],
    }


def read_camera(given: Any, width: int, height: int) -> Camera:
    """The camera of a picture of that size."""
    if not isinstance(given, dict):
        raise BadInput(f"{OWNER}.cameras: each must be an object")
    where = f"{OWNER}.cameras"
    fx, fy, cx, cy = (_numbers([given.get(key)], 1, f"{where}.{key}")[0] for key in ("fx", "fy", "cx", "cy"))
    if fx <= 0 or fy <= 0:
        raise BadInput(f"{where}: fx and fy must be positive")
    position = _numbers(given.get("position"), 3, f"{where}.position")
    quaternion = _numbers(given.get("quaternion"), 4, f"{where}.quaternion")
    try:
        pose = Pose(np.array(position), np.array(quaternion))
    except ValueError as error:
        raise BadInput(f"{where}: {error}") from None
    return Camera(_text(given, "name", "overhead"), width, height, fx, fy, cx, cy, pose)


def _failure(given: Any) -> Failure:
    if not isinstance(given, dict):
        raise BadInput(f"{OWNER}.failures: each must be an object")
    line = given.get("line", 0)
    if isinstance(line, bool) or not isinstance(line, int):
        raise BadInput(f"{OWNER}.failures.line: must be a whole number")
    done = _list(given, "done", 1000)
    if not all(isinstance(label, str) for label in done):
        raise BadInput(f"{OWNER}.failures.done: must be a list of strings")
    texts = (_text(given, key, "") for key in ("program", "node", "reason"))
    program, node, reason = texts
    return Failure(program, node, line, reason, done=tuple(done))


# Answers


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """The field `embodied_agent` of a chat answer."""
    return {"grounding": list(plan.grounding), "timings": {k: float(v) for k, v in plan.timings.items()}}


def read_answer(document: Mapping[str, Any], content: str) -> Answer:
    """The answer of any server; the extension is taken where it is there and well-formed."""
    extra = document.get(OWNER)
    if not isinstance(extra, dict):
        return Answer(content)
    grounding, timings = extra.get("grounding"), extra.get("timings")
    words = tuple(str(line)[:500] for line in grounding[:64]) if isinstance(grounding, list) else ()
    seconds = (
        {str(k): float(v) for k, v in timings.items() if isinstance(v, (int, float))}
        if isinstance(timings, dict)
        else {}
    )
    return Answer(content, words, seconds)


def detection_as_json(detection: Detection) -> dict[str, Any]:
    """A detection; its mask is an 8-bit grey PNG, 255 = inside."""
    return {
        "mask": data_url(detection.mask.astype(np.uint8) * np.uint8(255)),
        "kind": detection.kind,
        "color": detection.color,
        "score": float(detection.score),
    }


def read_detection(given: Any, shape: tuple[int, int]) -> Detection:
    """Inverse of `detection_as_json`, for an image of (height, width)."""
    if not isinstance(given, dict):
        raise BadInput("detection: must be an object")
    picture = read_url(_text(given, "mask", ""))
    mask: NDArray[np.bool_] = picture[..., 0] > 127 if picture.ndim == 3 else picture > 0
    if mask.shape != shape:
        raise BadInput(f"detection: mask {mask.shape} and image {shape} differ in size")
    (score,) = _numbers([given.get("score")], 1, "detection.score")
    return Detection(mask, _text(given, "kind", ""), _text(given, "color", ""), score)


def grounding_as_json(grounding: Grounding) -> dict[str, Any]:
    """A grounding, its detections included."""
    return {
        "detections": [detection_as_json(detection) for detection in grounding.detections],
        "ambiguous": bool(grounding.ambiguous),
        "confidence": float(grounding.confidence),
        "point": None if grounding.point is None else [float(v) for v in grounding.point],
        "words": grounding.words,
    }


def read_grounding(given: Any, shape: tuple[int, int]) -> Grounding:
    """Inverse of `grounding_as_json`."""
    if not isinstance(given, dict):
        raise BadInput("grounding: must be an object")
    detections = tuple(read_detection(d, shape) for d in _list(given, "detections", 256))
    (confidence,) = _numbers([given.get("confidence")], 1, "grounding.confidence")
    point = None if given.get("point") is None else _numbers(given["point"], 2, "grounding.point")
    pixel = None if point is None else (point[0], point[1])
    return Grounding(detections, bool(given.get("ambiguous")), confidence, pixel, _text(given, "words", ""))


# Fields


def _list(given: Mapping[str, Any], key: str, most: int) -> list[Any]:
    value = given.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadInput(f"{key}: must be a list")
    if len(value) > most:
        raise BadInput(f"{key}: has {len(value)} entries, at most {most} are taken")
    return value


def _text(given: Mapping[str, Any], key: str, default: str) -> str:
    value = given.get(key, default)
    if not isinstance(value, str):
        raise BadInput(f"{key}: must be text")
    return value


def _numbers(given: Any, count: int, where: str) -> list[float]:
    good = isinstance(given, (list, tuple)) and len(given) == count
    if not good or any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in given):
        raise BadInput(f"{where}: must be {count} number{'s' if count > 1 else ''}")
    try:
        numbers = [float(v) for v in given]
    except OverflowError:
        numbers = [math.inf]
    if not all(math.isfinite(v) for v in numbers):
        raise BadInput(f"{where}: must be finite")
    return numbers
