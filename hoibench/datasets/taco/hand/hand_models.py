"""The models that give a hand's pose a surface, and which of them a tree's hands take."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.datasets.taco.hand.hand_pose import SIDES, HandPose
from hoibench.datasets.taco.hand.mano import Mano
from hoibench.datasets.taco.hand.mano_file import ManoFile, find_mano, read_mano
from hoibench.store import array_digest

MANO = "mano"
"""What the hand model of a tree without hand_model.txt is called."""


class HandModel(Protocol):
    """What turns poses into surfaces; ``name`` is what a tree's hand_model.txt would say."""

    @property
    def name(self) -> str:
        """``mano`` or ``hoibench-proxy``."""
        ...

    @property
    def identity(self) -> str:
        """The name, and a digest of the model's numbers where users bring them."""
        ...

    def surface(self, hand: HandPose) -> tuple[Array, Array]:
        """Vertices (N, 778, 3) metres, world, NaN where the pose is; and faces (1538, 3), counter-clockwise from outside."""
        ...


@dataclass(frozen=True)
class ProxyHand:
    """The benchmark's own hand, which stands in where MANO's files are not at hand."""

    name: str = proxy_hand.HAND_MODEL

    @property
    def identity(self) -> str:
        """The name: its numbers are the benchmark's own."""
        return self.name

    def surface(self, hand: HandPose) -> tuple[Array, Array]:
        """Vertices (N, 778, 3) metres, world, and faces (1538, 3)."""
        return proxy_hand.vertices(hand.side, hand.theta, hand.trans, hand.betas), proxy_hand.FACES[hand.side]


@dataclass(frozen=True, eq=False)
class ManoHand:
    """MANO, the model that TACO's hands were recorded with."""

    left: Mano
    right: Mano
    name: str = MANO

    @property
    def identity(self) -> str:
        """``mano-`` and 12 hex digits of both hands' numbers, so that clips of another model file are never taken for these."""
        arrays = [getattr(layer.file, field.name) for layer in (self.left, self.right) for field in fields(ManoFile)]
        return f"{self.name}-{array_digest(*(array for array in arrays if isinstance(array, np.ndarray)))[:12]}"

    def surface(self, hand: HandPose) -> tuple[Array, Array]:
        """Vertices (N, 778, 3) metres, world, and faces (1538, 3)."""
        layer = self.left if hand.side == "left" else self.right
        return layer.vertices(hand.theta, hand.trans, hand.betas), layer.file.faces


def read_mano_hand(folder: Path) -> ManoHand:
    """Both of MANO's hands from the folder of its files.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is broken, another model's or the other hand's.
    """
    left, right = (Mano(read_mano(find_mano(folder, side), side)) for side in SIDES)
    return ManoHand(left, right)


def choose_hand_model(tree_model: str, mano: Path | None = None) -> HandModel:
    """The hand model for a tree posed for ``tree_model``: that model, or the proxy where MANO is wanted and no folder of its files is given.

    Args:
        tree_model: ``mano`` or ``hoibench-proxy``, as ``TacoDownload.hand_model`` says.
        mano: the folder of MANO's files; by default $HOIBENCH_MANO, if it is set.

    Raises:
        FileNotFoundError: the folder lacks a file.
        ValueError: a file is broken, the tree's model is unknown, or MANO is given for a tree that is not posed for it.
    """
    if tree_model == proxy_hand.HAND_MODEL:
        if mano is not None:
            raise ValueError(
                f"the tree's hands are posed for {tree_model}, not for MANO: leave out the MANO folder {mano}"
            )
        return ProxyHand()
    if tree_model != MANO:
        raise ValueError(f"hand model {tree_model!r} is unknown, expected {MANO!r} or {proxy_hand.HAND_MODEL!r}")
    folder = mano or mano_folder()
    return ProxyHand() if folder is None else read_mano_hand(folder)


def mano_folder() -> Path | None:
    """$HOIBENCH_MANO (``~`` is the user's home), or None where it is not set."""
    chosen = os.environ.get("HOIBENCH_MANO")
    return Path(chosen).expanduser() if chosen else None


def truth_kind(tree_model: str, used: HandModel) -> str:
    """What a clip says of its truth: ``synthetic`` in a proxy tree; in a real one ``taco`` with MANO, else ``proxy-hand``, which is never ranked."""
    if tree_model == proxy_hand.HAND_MODEL:
        return "synthetic"
    return "taco" if used.name == MANO else "proxy-hand"
