"""Materials of a scene: skin, objects in clear colours with bold marks, a table of wood, cloth or paint, and a papered wall behind it."""

from __future__ import annotations

import colorsys

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.surfaces import BACKGROUND, Surface
from hoibench.datasets.synthetic.catalogue import catalogue
from hoibench.datasets.synthetic.render import TexturedSurface
from hoibench.datasets.synthetic.scene import Scene, SceneObject
from hoibench.datasets.synthetic.texture import Material, random_material
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.datasets.taco.hand.hand_pose import SIDES, Side
from hoibench.datasets.taco.objects import place_vertices

_SKINS = np.array([[0.93, 0.70, 0.56], [0.84, 0.58, 0.44], [0.70, 0.46, 0.34], [0.52, 0.34, 0.25]])
_NO_MARKS = 9.0
_CREAM, _INK = np.array([0.95, 0.94, 0.88]), np.array([0.10, 0.09, 0.14])
"""Colours of the marks on objects, by which they can be matched between views."""
_TABLE_TO_SKIN = 0.35
"""Least distance in RGB between the colours of table and skin, so that the hands are seen."""
_CLOTH_HUES = (0.33, 0.48, 0.58, 0.62, 0.75)
_FORESHORTENED = np.array([1.0, 1.5, 1.0])
"""Stretch along y of marks on the table, which the cameras see at 14 to 28 degrees."""
_WALL_Y = -0.36  # behind the hands, and close enough to fill a third of an image


def build_textured_surfaces(scene: Scene, seed: int) -> tuple[TexturedSurface, ...]:
    """Build the textured surfaces of a scene in the rig frame: left hand, right hand, tool, target, table, wall.

    The colours of an object depend on its id alone, so they are the same in every clip; ``seed`` determines skin, table and wall.
    """
    rng = np.random.default_rng([seed, 0x100C5])
    skin = _SKINS[rng.integers(len(_SKINS))]
    hands = [_hand(scene, part, side, skin, rng) for part, side in enumerate(SIDES)]
    return (*hands, _object(2, scene.tool), _object(3, scene.target), *_room(scene, skin, rng))


def _hand(scene: Scene, part: int, side: Side, skin: Array, rng: np.random.Generator) -> TexturedSurface:
    motion = scene.hands[side]
    vertices = proxy_hand.vertices(side, motion.theta, motion.trans, motion.betas)
    rest = proxy_hand.vertices(side, np.zeros((1, 48)), np.zeros((1, 3)), motion.betas)[0]
    material = random_material(_palette(skin, 0.07, skin), _NO_MARKS, 0.006, 0.006, rng)
    return TexturedSurface(Surface(part, vertices, proxy_hand.FACES[side]), rest, material)


def _object(part: int, item: SceneObject) -> TexturedSurface:
    """Return an object in a clear colour of its category: targets are pale with many dark marks, other tools dark with a few pale ones."""
    rng = np.random.default_rng([int(item.id), 0x0B1EC7])
    categories, targets = catalogue().categories, {target for _, _, target in catalogue().triplets}
    hue = 0.15 + 0.8 * (categories.index(item.category) * 0.618034 % 1.0) + rng.uniform(-0.02, 0.02)
    if item.category in targets:
        palette = _palette(_rgb(hue, rng.uniform(0.45, 0.65), rng.uniform(0.85, 0.95)), 0.10, _INK)
        material = random_material(palette, 0.3, 0.004, 0.0025, rng)
    else:
        palette = _palette(_rgb(hue, rng.uniform(0.75, 0.9), rng.uniform(0.5, 0.7)), 0.10, _CREAM)
        material = random_material(palette, 0.9, 0.004, 0.004, rng)
    surface = Surface(part, place_vertices(item.mesh.vertices, item.poses), item.mesh.faces)
    return TexturedSurface(surface, item.mesh.vertices, material)


def _room(scene: Scene, skin: Array, rng: np.random.Generator) -> tuple[TexturedSurface, TexturedSurface]:
    z = scene.table_height
    table = np.array([[-1.6, 1.0, z], [-1.6, _WALL_Y, z], [1.7, _WALL_Y, z], [1.7, 1.0, z]])
    wall = np.array(
        [[-2.5, _WALL_Y, z - 0.3], [2.5, _WALL_Y, z - 0.3], [2.5, _WALL_Y, z + 1.8], [-2.5, _WALL_Y, z + 1.8]]
    )
    paper = _rgb(rng.uniform(), rng.uniform(0.03, 0.2), rng.uniform(0.55, 0.85))
    wallpaper = random_material(_palette(paper, 0.05, 0.6 * paper), 0.2, 0.03, 0.0025, rng)
    return _plane(table, scene.frames, _table(skin, rng)), _plane(wall, scene.frames, wallpaper)


def _table(skin: Array, rng: np.random.Generator) -> Material:
    """Draw a table that the skin stands out from: wood with its grain along x, cloth, or paint, with a few marks."""
    while True:
        kind = ("wood", "cloth", "paint")[rng.integers(3)]
        if kind == "wood":
            ground, contrast = _rgb(rng.uniform(0.06, 0.09), rng.uniform(0.5, 0.65), rng.uniform(0.35, 0.5)), 0.22
            grain, tilt = np.array([0.05, 0.006, 0.006]), 0.15
        elif kind == "cloth":
            hue = rng.choice(_CLOTH_HUES) + rng.uniform(-0.03, 0.03)
            ground, contrast = _rgb(hue, rng.uniform(0.2, 0.4), rng.uniform(0.45, 0.75)), 0.12
            grain, tilt = np.array([0.004, 0.006, 0.004]), None
        else:
            ground, contrast = _rgb(rng.uniform(), rng.uniform(0.02, 0.12), rng.uniform(0.75, 0.9)), 0.05
            grain, tilt = np.array([0.03, 0.045, 0.03]), None
        if np.linalg.norm(ground - skin) >= _TABLE_TO_SKIN:
            break
    mark = 0.5 * ground if rng.uniform() < 0.6 else 1.0 - 0.35 * (1.0 - ground)
    return random_material(_palette(ground, contrast, mark), 1.1, grain, 0.004 * _FORESHORTENED, rng, tilt)


def _plane(corners: Array, frames: int, material: Material) -> TexturedSurface:
    vertices = np.broadcast_to(corners, (frames, 4, 3))
    return TexturedSurface(Surface(BACKGROUND, vertices, np.array([[0, 1, 2], [0, 2, 3]])), corners, material)


def _palette(ground: Array, contrast: float, mark: Array) -> Array:
    """Return the palette (3, 3) of a ground that varies by ``contrast`` of its brightness, with marks."""
    palette: Array = np.clip([(1.0 - contrast) * ground, (1.0 + contrast) * ground, mark], 0.0, 1.0)
    return palette


def _rgb(hue: float, saturation: float, value: float) -> Array:
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value))
