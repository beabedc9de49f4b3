"""Hand models, which turn poses into surfaces, and the choice of a model for a download."""

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
"""Name of the hand model of a download without hand_model.txt."""


class HandModel(Protocol):
    """A model that turns hand poses into surfaces."""

    @property
    def name(self) -> str:
        """``mano`` or ``hoibench-proxy``, as in hand_model.txt."""
        ...

    @property
    def identity(self) -> str:
        """The name, with a digest of the model's values if users provide them."""
        ...

    def surface(self, hand: HandPose) -> tuple[Array, Array]:
        """Return vertices (N, 778, 3), metres, world, NaN where the pose is, and faces (1538, 3), counter-clockwise from outside."""
        ...


@dataclass(frozen=True)
class ProxyHand:
    """The benchmark's own hand, used without MANO's files."""

    name: str = proxy_hand.HAND_MODEL

    @property
    def identity(self) -> str:
        """The name."""
        return self.name

    def surface(self, hand: HandPose) -> tuple[Array, Array]:
        """Return vertices (N, 778, 3), metres, world, and faces (1538, 3)."""
        return proxy_hand.vertices(hand.side, hand.theta, hand.trans, hand.betas), proxy_hand.FACES[hand.side]


@dataclass(frozen=True, eq=False)
class ManoHand:
    """MANO, the model of TACO's hand poses."""

    left: Mano
    right: Mano
    name: str = MANO

    @property
    def identity(self) -> str:
        """``mano-`` and 12 hex digits of both hands' values, which distinguish model files."""
        arrays = [getattr(layer.file, field.name) for layer in (self.left, self.right) for field in fields(ManoFile)]
        return f"{self.name}-{array_digest(*(array for array in arrays if isinstance(array, np.ndarray)))[:12]}"

    def surface(self, hand: HandPose) -> tuple[Array, Array]:
        """Return vertices (N, 778, 3), metres, world, and faces (1538, 3)."""
        layer = self.left if hand.side == "left" else self.right
        return layer.vertices(hand.theta, hand.trans, hand.betas), layer.file.faces


def read_mano_hand(folder: Path) -> ManoHand:
    """Read both of MANO's hands from the folder of its files.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, of another model or of the other hand.
    """
    left, right = (Mano(read_mano(find_mano(folder, side), side)) for side in SIDES)
    return ManoHand(left, right)


def choose_hand_model(download_model: str, mano: Path | None = None) -> HandModel:
    """Return the hand model for a download; the proxy replaces MANO if no folder of MANO's files is given.

    Args:
        download_model: ``TacoDownload.hand_model``: ``mano`` or ``hoibench-proxy``.
        mano: the folder of MANO's files; by default, $HOIBENCH_MANO if set.

    Raises:
        FileNotFoundError: the folder lacks a file.
        ValueError: a file is damaged, the download's model is unknown, or MANO is given for a download with other hands.
    """
    if download_model == proxy_hand.HAND_MODEL:
        if mano is not None:
            raise ValueError(
                f"the download's hands are of the model {download_model}, not MANO: leave out the MANO folder {mano}"
            )
        return ProxyHand()
    if download_model != MANO:
        raise ValueError(f"hand model {download_model!r} is unknown, expected {MANO!r} or {proxy_hand.HAND_MODEL!r}")
    folder = mano or mano_folder()
    return ProxyHand() if folder is None else read_mano_hand(folder)


def mano_folder() -> Path | None:
    """Return $HOIBENCH_MANO (``~`` is expanded), or None if it is not set."""
    path = os.environ.get("HOIBENCH_MANO")
    return Path(path).expanduser() if path else None


def truth_kind(download_model: str, used: HandModel) -> str:
    """Return the kind of truth: ``synthetic`` for proxy hands; for real ones ``taco`` with MANO, else ``proxy-hand``, which is never ranked."""
    if download_model == proxy_hand.HAND_MODEL:
        return "synthetic"
    return "taco" if used.name == MANO else "proxy-hand"
