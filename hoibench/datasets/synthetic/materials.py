"""Give the surfaces of a scene their textures: hands, objects, a table below them and a wall behind them."""

from __future__ import annotations

import colorsys

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.surfaces import BACKGROUND, Surface
from hoibench.datasets.synthetic.render import TexturedSurface
from hoibench.datasets.synthetic.scene import Scene, SceneObject
from hoibench.datasets.synthetic.texture import random_material
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.datasets.taco.hand.hand_pose import SIDES, Side
from hoibench.datasets.taco.objects import place_vertices

# Metres per noise cell; a telephoto camera shows a metre on about 265 pixels, so blobs of 5 cells are 9 to 11 pixels wide.
_OBJECT_CELL = 0.0065
_ROOM_CELL = 0.008
# Cameras see the table at 14 to 28 degrees, which foreshortens it along y; longer cells compensate for that.
_TABLE_CELL = np.array([1.0, 1.5, 1.0]) * _ROOM_CELL

_SKIN = np.array([[0.62, 0.38, 0.29], [0.84, 0.62, 0.50], [0.99, 0.86, 0.77]])
_WALL_Y = -0.45  # behind the hands, and close enough to fill the upper third of an image


def build_textured_surfaces(scene: Scene, seed: int) -> tuple[TexturedSurface, ...]:
    """Build the textured surfaces of a scene in the rig frame: left hand, right hand, tool, target, table, wall.

    The colours of an object depend on its id alone, so they are the same in every clip; ``seed`` determines skin, table and wall.
    """
    rng = np.random.default_rng([seed, 0x100C5])
    skin = np.clip(_SKIN * rng.uniform(0.75, 1.05), 0.0, 1.0)
    hands = [_hand(scene, part, side, skin, rng) for part, side in enumerate(SIDES)]
    return (*hands, _object(2, scene.tool), _object(3, scene.target), *_room(scene, rng))


def _hand(scene: Scene, part: int, side: Side, skin: Array, rng: np.random.Generator) -> TexturedSurface:
    motion = scene.hands[side]
    vertices = proxy_hand.vertices(side, motion.theta, motion.trans, motion.betas)
    rest = proxy_hand.vertices(side, np.zeros((1, 48)), np.zeros((1, 3)), motion.betas)[0]
    return TexturedSurface(
        Surface(part, vertices, proxy_hand.FACES[side]), rest, random_material(skin, _OBJECT_CELL, rng)
    )


def _object(part: int, item: SceneObject) -> TexturedSurface:
    rng = np.random.default_rng([int(item.id), 0x0B1EC7])
    surface = Surface(part, place_vertices(item.mesh.vertices, item.poses), item.mesh.faces)
    return TexturedSurface(surface, item.mesh.vertices, random_material(_palette(rng, 0.7), _OBJECT_CELL, rng))


def _room(scene: Scene, rng: np.random.Generator) -> tuple[TexturedSurface, TexturedSurface]:
    z = scene.table_height
    table = np.array([[-1.1, 0.7, z], [-1.1, _WALL_Y, z], [1.2, _WALL_Y, z], [1.2, 0.7, z]])
    wall = np.array(
        [[-2.0, _WALL_Y, z - 0.3], [2.0, _WALL_Y, z - 0.3], [2.0, _WALL_Y, z + 1.5], [-2.0, _WALL_Y, z + 1.5]]
    )
    return (
        _plane(table, scene.frames, _palette(rng, 0.25), _TABLE_CELL, rng),
        _plane(wall, scene.frames, _palette(rng, 0.15), _ROOM_CELL, rng),
    )


def _plane(
    corners: Array, frames: int, palette: Array, cell: Array | float, rng: np.random.Generator
) -> TexturedSurface:
    vertices = np.broadcast_to(corners, (frames, 4, 3))
    return TexturedSurface(
        Surface(BACKGROUND, vertices, np.array([[0, 1, 2], [0, 2, 3]])), corners, random_material(palette, cell, rng)
    )


def _palette(rng: np.random.Generator, saturation: float) -> Array:
    """Draw a palette (3, 3): RGB in 0..1 of dark blobs, ground and light blobs in one hue, with strong contrast for grey-level matchers."""
    hue = rng.uniform()
    shades = ((saturation, 0.28), (0.8 * saturation, 0.64), (0.35 * saturation, 0.96))
    return np.array([colorsys.hsv_to_rgb(hue, s, v) for s, v in shades])
