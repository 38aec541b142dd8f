"""Table top, floor and light, with patterns computed here."""

from __future__ import annotations

from functools import cache
from typing import Any

import mujoco
import numpy as np

from embodied_agent.types import Array
from sim.scene import LightSpec, TableSpec
from sim.shapes import DRAWN_GROUP, Contact

PATTERNS = ("plain", "wood", "stone")
TABLE_HALF = (0.85, 1.0, 0.02)
TABLE_CENTRE = (0.35, 0.0, -0.02)
FLOOR = -0.75  # height of the floor under the table [m]
TEXELS = 256


def add_surroundings(spec: Any, table: TableSpec, light: LightSpec) -> None:
    """Add the table, the floor and the lamp."""
    for pattern in PATTERNS:
        texture = spec.add_texture(name=pattern, type=mujoco.mjtTexture.mjTEXTURE_2D)
        texture.width = texture.height = TEXELS
        texture.nchannel = 3
        texture.data = pattern_image(pattern).tobytes()
        material = spec.add_material(name=f"table {pattern}", specular=0.1, shininess=0.1)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = pattern
        material.texrepeat = (1.0, 1.0)
        material.texuniform = False
    contact = Contact()
    top = spec.worldbody.add_geom(name="table", type=mujoco.mjtGeom.mjGEOM_BOX)
    top.pos, top.size, top.material = TABLE_CENTRE, TABLE_HALF, f"table {table.pattern}"
    top.rgba = (*table.rgb, 1.0)
    top.group, top.friction, top.condim = DRAWN_GROUP, contact.friction, 3
    top.solref, top.solimp = (0.005, 1.0), (0.95, 0.99, 0.001, 0.5, 2.0)
    floor = spec.worldbody.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_BOX)
    floor.pos, floor.size = (0.5, 0.0, FLOOR), (2.5, 2.5, 0.01)
    floor.rgba, floor.group = (*table.floor_rgb, 1.0), DRAWN_GROUP
    lamp = spec.worldbody.add_light(name="lamp", pos=light.position, castshadow=False)
    lamp.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    lamp.dir = lamp_direction(light)
    lamp.diffuse, lamp.specular = (light.brightness,) * 3, (0.3 * light.brightness,) * 3
    spec.visual.headlight.ambient = (light.ambient,) * 3
    spec.visual.headlight.diffuse = (0.25,) * 3
    spec.visual.headlight.specular = (0.05,) * 3


def lamp_direction(light: LightSpec) -> Array:
    """From the lamp to the middle of the table."""
    direction: Array = np.subtract((0.45, 0.0, 0.0), light.position)
    return direction / np.linalg.norm(direction)


@cache
def pattern_image(pattern: str) -> Any:
    """A light grey pattern (256, 256, 3) uint8, tinted by the table's colour."""
    rng = np.random.default_rng(7)
    _, x = np.mgrid[0:TEXELS, 0:TEXELS] / TEXELS
    value = np.full((TEXELS, TEXELS), 0.97)
    if pattern == "wood":
        warp = _noise(rng, 4) * 0.06
        grain = np.sin(2 * np.pi * (x * 26 + warp * 30)) * 0.5 + _noise(rng, 96) * 0.5
        planks = (np.floor(x * 5) * 0.618) % 1.0
        seams = np.abs((x * 5) % 1.0) < 0.015
        value = 0.90 + 0.035 * grain + 0.07 * (planks - 0.5) - 0.20 * seams
    elif pattern == "stone":
        value = (
            0.90 + 0.06 * _noise(rng, 8) + 0.05 * _noise(rng, 40) + 0.04 * rng.standard_normal((TEXELS, TEXELS))
        )
    image = np.clip(value, 0, 1)[..., None] * np.ones(3) * 255
    return image.astype(np.uint8)


def _noise(rng: np.random.Generator, cells: int) -> Array:
    """Smooth noise in [-1, 1] that repeats at the borders, (256, 256)."""
    grid = rng.uniform(-1, 1, (cells, cells))
    at = np.arange(TEXELS) * cells / TEXELS
    low = at.astype(int) % cells
    part = at - at.astype(int)
    part = part * part * (3 - 2 * part)
    rows = grid[low] * (1 - part)[:, None] + grid[(low + 1) % cells] * part[:, None]
    result: Array = rows[:, low] * (1 - part) + rows[:, (low + 1) % cells] * part
    return result
