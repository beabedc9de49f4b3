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
"""Name of the hand model of TACO, i.e. of a download without hand_model.txt."""


class HandModel(Protocol):
    """A model that turns recorded hand poses into surfaces."""

    @property
    def name(self) -> str:
        """The model's name, ``mano`` or ``hoibench-proxy``, as in hand_model.txt."""
        ...

    @property
    def identity(self) -> str:
        """The name, followed by a digest of the model's values if the user provides them (MANO)."""
        ...

    def surface(self, hand: HandPose) -> tuple[Array, Array]:
        """Return the surface of a hand over N frames.

        Returns:
            Vertices (N, 778, 3) in metres in the world, NaN in frames without a pose, and faces (1538, 3), counter-clockwise from outside.
        """
        ...


@dataclass(frozen=True)
class ProxyHand:
    """The hand model ``hoibench-proxy``, the benchmark's own, for synthetic clips and in place of MANO if its files are not available."""

    name: str = proxy_hand.HAND_MODEL

    @property
    def identity(self) -> str:
        """The name, ``hoibench-proxy``."""
        return self.name

    def surface(self, hand: HandPose) -> tuple[Array, Array]:
        """Return the hand's vertices (N, 778, 3) in metres in the world, NaN in frames without a pose, and its faces (1538, 3)."""
        return proxy_hand.vertices(hand.side, hand.theta, hand.trans, hand.betas), proxy_hand.FACES[hand.side]


@dataclass(frozen=True, eq=False)
class ManoHand:
    """The hand model ``mano`` (MANO), in whose parameters TACO gives its hand poses."""

    left: Mano
    right: Mano
    name: str = MANO

    @property
    def identity(self) -> str:
        """``mano-`` and a digest, 12 hex digits, of the values in both model files."""
        arrays = [getattr(layer.file, field.name) for layer in (self.left, self.right) for field in fields(ManoFile)]
        return f"{self.name}-{array_digest(*(array for array in arrays if isinstance(array, np.ndarray)))[:12]}"

    def surface(self, hand: HandPose) -> tuple[Array, Array]:
        """Return the hand's vertices (N, 778, 3) in metres in the world, NaN in frames without a pose, and its faces (1538, 3)."""
        layer = self.left if hand.side == "left" else self.right
        return layer.vertices(hand.theta, hand.trans, hand.betas), layer.file.faces


def read_mano_hand(folder: Path) -> ManoHand:
    """Read the left and the right hand of MANO from the folder of its files.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, of another model or of the other hand.
    """
    left, right = (Mano(read_mano(find_mano(folder, side), side)) for side in SIDES)
    return ManoHand(left, right)


def choose_hand_model(download_model: str, mano: Path | None = None) -> HandModel:
    """Return the model that turns a download's hand poses into surfaces; the proxy replaces MANO if no folder of MANO's files is known.

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
    """Return the folder of MANO's files, $HOIBENCH_MANO (``~`` is expanded), or None if that is not set."""
    path = os.environ.get("HOIBENCH_MANO")
    return Path(path).expanduser() if path else None


def truth_kind(download_model: str, used: HandModel) -> str:
    """Return the kind of truth of a download's clips.

    Returns:
        ``synthetic`` if the download's hands are of the proxy model; else ``taco`` if the model used is MANO, ``proxy-hand`` if it is the proxy.
        Clips of the last kind are never ranked.
    """
    if download_model == proxy_hand.HAND_MODEL:
        return "synthetic"
    return "taco" if used.name == MANO else "proxy-hand"
