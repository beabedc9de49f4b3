"""How many tokens a configuration has (section 4.2), and how they meet."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from reference_model.config import SyncMV4DConfig
from reference_model.cost.phantom import phantom_latents
from reference_model.mjd.tokens import TokenLayout, fold


@dataclass(frozen=True)
class Tokens:
    """The tokens of one view (section 4.2), and how they meet.

    Attributes:
        video: of the video latents.
        motion: of the motion pseudo-video's latents.
        scale: learned, from which the depth range is read.
        register: learned.
        text: padded.
        intra_view: length of a view's sequence, which holds all of these but the text.
        inter_view: (groups, tokens of a group), all views' tokens of a latent frame.
        specials_meet: tokens of the group of all views' scale and register tokens; 0 where they do not meet.
    """

    video: int
    motion: int
    scale: int
    register: int
    text: int
    intra_view: int
    inter_view: tuple[int, int]
    specials_meet: int

    @property
    def total(self) -> int:
        """The paper's count of section 4.2."""
        return self.video + self.motion + self.scale + self.register + self.text


def count_tokens(config: SyncMV4DConfig) -> Tokens:
    """The tokens of a configuration, as MJD lays them out."""
    mjd = config.mjd
    grid = tuple(
        length // patch for length, patch in zip(phantom_latents(config).shape[3:], mjd.patch_size, strict=True)
    )
    special = mjd.scale_tokens + mjd.register_tokens
    layout = TokenLayout(grid, True, True, special, True, mjd.inter_view)
    x = torch.empty(1, mjd.views, layout.length, 1, device="meta")
    video, motion, _ = layout.split(x)
    frames, specials = fold(x, layout)
    return Tokens(
        video=video.shape[2],
        motion=motion.shape[2],
        scale=mjd.scale_tokens,
        register=mjd.register_tokens,
        text=config.text_tokens,
        intra_view=layout.length,
        inter_view=(frames.shape[0], frames.shape[1]),
        specials_meet=specials.shape[1] if mjd.special_tokens_meet else 0,
    )
