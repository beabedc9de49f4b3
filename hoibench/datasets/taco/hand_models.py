"""The models that give a hand's pose a surface, and which of them a tree's hands take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hoibench.clip import Array
from hoibench.datasets.taco import proxy_hand
from hoibench.datasets.taco.hands import HandPose


class HandModel(Protocol):
    """What turns poses into surfaces; ``name`` is what a tree's hand_model.txt would say."""

    @property
    def name(self) -> str:
        """``mano`` or ``hoibench-proxy``."""
        ...

    def surface(self, hand: HandPose) -> tuple[Array, Array]:
        """Vertices (N, 778, 3) metres, world, NaN where the pose is; and faces (1538, 3), counter-clockwise from outside."""
        ...


@dataclass(frozen=True)
class ProxyHand:
    """The benchmark's own hand, which stands in where MANO's files are not at hand."""

    name: str = proxy_hand.HAND_MODEL

    def surface(self, hand: HandPose) -> tuple[Array, Array]:
        """Vertices (N, 778, 3) metres, world, and faces (1538, 3)."""
        return proxy_hand.vertices(hand.side, hand.theta, hand.trans, hand.betas), proxy_hand.FACES[hand.side]


def choose_hand_model(tree_model: str) -> HandModel:
    """The hand model for a tree posed for ``tree_model``.

    Raises:
        ValueError: no such model is known.
    """
    if tree_model not in ("mano", proxy_hand.HAND_MODEL):
        raise ValueError(f"hand model {tree_model!r} is unknown, expected 'mano' or {proxy_hand.HAND_MODEL!r}")
    return ProxyHand()
