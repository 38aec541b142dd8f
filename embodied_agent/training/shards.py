"""Pictures with labels on disk: plain arrays that are mapped, not loaded, and a JSON beside them."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied_agent.mllm.picture import Picture, camera_from_array, picture_from_arrays

Float = NDArray[np.float32]
FIRST_INSTANCE = 3  # labels 0, 1, 2 are background, table, robot; 3 + i is instance i


@dataclass
class Shot:
    """One labelled picture.

    Attributes:
        rgb: As the camera gives it, (480, 640, 3) uint8.
        depth: [mm], (240, 320) uint16; 0 = no reading.
        labels: (240, 320) uint8, see FIRST_INSTANCE.
        camera: As `camera_to_array` gives it, (11,).
        instances: Name, class index and colour index (-1 = none) of each instance.
        things: What stands there, as plain dicts of `sim.descriptions.Thing`.
        episode: The command's record, or {} for a picture without one.
        view: "overhead", "shifted" or "close".
        natural: Noun phrases with their canonical wording and the ids of what they mean.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.uint16]
    labels: NDArray[np.uint8]
    camera: Float
    instances: list[tuple[str, int, int]]
    things: list[dict[str, Any]] = field(default_factory=list)
    episode: dict[str, Any] = field(default_factory=dict)
    view: str = "overhead"
    natural: list[tuple[str, str, list[str]]] = field(default_factory=list)

    def picture(self) -> Picture:
        """As the model reads it."""
        depth = np.asarray(self.depth, dtype=np.float32) / 1000.0
        return picture_from_arrays(np.asarray(self.rgb), depth, camera_from_array(self.camera))


def write_shard(directory: Path, shots: list[Shot]) -> None:
    """Write whole or not at all: the folder appears under its name once it is complete."""
    partial = directory.with_name(directory.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    for name in ("rgb", "depth", "labels", "camera"):
        np.save(partial / f"{name}.npy", np.stack([getattr(shot, name) for shot in shots]))
    names = ("instances", "things", "episode", "view", "natural")
    rows = [{name: getattr(shot, name) for name in names} for shot in shots]
    (partial / "rows.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode(), 3))
    partial.rename(directory)


class Shots:
    """All shots of one split, in the order of their shards."""

    def __init__(self, directory: Path) -> None:
        self._parts: list[dict[str, Any]] = []
        self._where: list[tuple[int, int]] = []
        for path in sorted(directory.glob("shard-*")):
            if path.suffix == ".partial":
                continue
            arrays: dict[str, Any] = {
                name: np.load(path / f"{name}.npy", mmap_mode="r") for name in ("rgb", "depth", "labels", "camera")
            }
            arrays["name"] = path.name
            arrays["rows"] = json.loads(gzip.decompress((path / "rows.json.gz").read_bytes()))
            self._where += [(len(self._parts), row) for row in range(len(arrays["rows"]))]
            self._parts.append(arrays)

    def __len__(self) -> int:
        return len(self._where)

    def key(self, index: int) -> str:
        """Folder and row of a shot: stays when other shards are added."""
        part, row = self._where[index]
        return f"{self._parts[part]['name']}/{row}"

    def view(self, index: int) -> str:
        """From where a shot was taken."""
        part, row = self._where[index]
        return str(self._parts[part]["rows"][row]["view"])

    def __getitem__(self, index: int) -> Shot:
        part, row = self._where[index]
        arrays = self._parts[part]
        meta = arrays["rows"][row]
        return Shot(
            rgb=arrays["rgb"][row],
            depth=arrays["depth"][row],
            labels=arrays["labels"][row],
            camera=np.asarray(arrays["camera"][row]),
            instances=[tuple(item) for item in meta["instances"]],
            things=meta["things"],
            episode=meta["episode"],
            view=meta["view"],
            natural=[tuple(item) for item in meta["natural"]],
        )
