"""Multimodality adaptive modulation: shift, scale and gate of each token by its modality and its noise level.

Only two noise levels occur, t and 0 (the reference image, which is clean), so a sequence has three spans that share their modulation: the clean
image, noisy video, and motion.  Nothing is gathered per token: at 25,764 tokens that would be 1.9 GB in fp32.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class TimeRows(NamedTuple):
    """The projected time of each span, which is added to the tables: (B, r, d), r rows."""

    clean: Tensor
    video: Tensor
    motion: Tensor

    def rows(self, first: int) -> TimeRows:
        """Its first rows."""
        return TimeRows(*(each[:, :first] for each in self))


def span_rows(video: Tensor, motion: Tensor, time: TimeRows) -> list[list[Tensor]]:
    """Rows of shift, scale, gate, ...: tables (1, r, d) of video and motion plus the projected time.

    The clean image is video at another noise level, so it uses video's table.

    Returns:
        r rows, each a list of (B, 1, 1, d) float32, one a span.
    """
    spans = [table.float() + each.float() for table, each in zip((video, video, motion), time, strict=True)]
    return [[span[:, None, None, row] for span in spans] for row in range(video.shape[1])]


def modulate(
    norm: nn.Module, x: Tensor, spans: Sequence[int], shift: Iterable[Tensor], scale: Iterable[Tensor]
) -> Tensor:
    """norm(x) (1 + scale) + shift in fp32, span by span; x (B, V, S, d)."""
    parts = zip(x.split(list(spans), dim=2), shift, scale, strict=True)
    return torch.cat([norm(part.float()) * (1 + s) + a for part, a, s in parts], dim=2).type_as(x)


def add_gated(x: Tensor, y: Tensor, spans: Sequence[int], gate: Iterable[Tensor]) -> Tensor:
    """X + y gate in fp32, span by span; x and y (B, V, S, d)."""
    parts = zip(x.split(list(spans), dim=2), y.split(list(spans), dim=2), gate, strict=True)
    return torch.cat([part.float() + new * g for part, new, g in parts], dim=2).type_as(x)
