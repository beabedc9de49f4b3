"""A hand model that ends its process on one sequence, like running out of memory."""

import os
from dataclasses import dataclass

from hoibench.datasets.taco.hand.hand_models import ProxyHand


@dataclass(frozen=True)
class DyingHand:
    """The proxy hand, but for recordings of ``frames`` clip frames."""

    frames: int
    name: str = ProxyHand().name
    identity: str = ProxyHand().identity

    def surface(self, hand):
        if len(hand.theta) == self.frames:
            os._exit(9)
        return ProxyHand().surface(hand)
