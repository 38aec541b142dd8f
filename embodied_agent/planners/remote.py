"""A grounder on another machine: the robot host asks `embodied-agent serve` and needs no torch."""

from __future__ import annotations

from typing import Any

import httpx

from embodied_agent.errors import BadInput, PlannerError
from embodied_agent.planners import wire
from embodied_agent.planners.openai import OpenAISettings, Server
from embodied_agent.types import Detection, Frame, Grounding


class RemoteGrounder:
    """Names pixels through `/v1/detect` and `/v1/ground` of `embodied-agent serve`.

    The server keeps nothing between requests, so every request carries its frame.
    """

    def __init__(
        self, settings: OpenAISettings | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.server = Server(settings or OpenAISettings(), transport=transport)

    def close(self) -> None:
        """Release the connection."""
        self.server.close()

    def detect(self, frame: Frame) -> list[Detection]:
        """Every thing seen, each with a full-resolution mask.

        Raises:
            PlannerError: The server is down, slow, or answers nonsense.
        """
        document = self._post("/detect", _frame_body(frame))
        try:
            given = document["detections"]
            return [wire.read_detection(item, _shape(frame)) for item in given]
        except (BadInput, KeyError, TypeError) as error:
            raise PlannerError(f"{self.server.settings.base}/detect: unusable answer ({error})") from None

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        """Which detections a noun phrase means, given the person's clicked pixels (x, y).

        Raises:
            PlannerError: The server is down, slow, or answers nonsense.
        """
        body = _frame_body(frame) | {"phrase": phrase, "points": [list(point) for point in points]}
        document = self._post("/ground", body)
        try:
            return wire.read_grounding(document, _shape(frame))
        except BadInput as error:
            raise PlannerError(f"{self.server.settings.base}/ground: unusable answer ({error})") from None

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        status, document = self.server.post(path, body)
        if status != 200:
            raise PlannerError(f"{self.server.settings.base}{path}: HTTP {status}: {str(document)[:200]}")
        return document


def _frame_body(frame: Frame) -> dict[str, Any]:
    images = [part["image_url"]["url"] for part in wire.frame_parts(frame)]
    return {"images": images, "camera": wire.camera_as_json(frame.camera)}


def _shape(frame: Frame) -> tuple[int, int]:
    height, width = frame.rgb.shape[:2]
    return height, width
