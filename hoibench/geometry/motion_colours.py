"""The colours of motion: a point's anchor in frame 0 as (red, green), its depth as blue (SyncMV4D, section 3.3).

    colour = darkest + (1 - darkest) ((u0 + 1/2) / W, (v0 + 1/2) / H, (d - near) / (far - near))

(u0, v0) is the anchor, the point's pixel in frame 0.  Pixel centres lie at integers, so that the image reaches from -1/2 to W - 1/2: the half makes
that [0, 1].  The paper scales to [0, 1] (``darkest`` 0), where a near point at the upper left corner is as black as the background.
"""

from __future__ import annotations

import math
from typing import Any

from hoibench.geometry.arrays import cast, check_mask, check_real, constant, extremes, flatnonzero, namespace

OVERSHOOT = 0.5
"""How far a decoder may leave [0, 1]: a video in [-1, 1] goes farther below on its black background, one in 0 to 255 above."""


def depth_range(depth: Any, drawn: Any) -> Any:
    """s, the least and the greatest depth of the drawn points of one view's clip (Algorithm 1, line 1).

    Args:
        depth: (N, K) metres along z.
        drawn: (N, K) bool, as ``points_in_image`` gives it; points behind the camera are left out.

    Returns:
        (2,) float32: near, far.

    Raises:
        ValueError: no point is drawn, a drawn one's depth is no number, or a shape or dtype is wrong.
    """
    check_real("depth", depth, ("N", "K"))
    check_mask("drawn", drawn, tuple(depth.shape))
    xp = namespace(depth, drawn)
    if (drawn & ~xp.isfinite(depth)).any():
        raise ValueError("depth holds NaN or infinity where drawn is true")
    chosen = depth[drawn & (depth > 0)]
    if not len(chosen):
        raise ValueError("no point is drawn in front of the camera: a view without points has no depth range")
    return cast(xp.stack([chosen.min(), chosen.max()]), xp.float32)


def has_colour(anchors: Any, size: tuple[int, int]) -> Any:
    """The anchors inside the image: others, as of points outside it in frame 0, have no colour; (K, 2) -> (K,) bool, false for NaN."""
    u, v = anchors[..., 0], anchors[..., 1]
    return (u >= -0.5) & (u <= size[1] - 0.5) & (v >= -0.5) & (v <= size[0] - 0.5)


def anchor_colours(anchors: Any, size: tuple[int, int], darkest: float) -> Any:
    """(red, green) of anchors; (K, 2) pixels -> (K, 2) float32, meaningless where ``has_colour`` is false."""
    xp = namespace(anchors)
    return cast(darkest + (1 - darkest) * (cast(anchors, xp.float64) + 0.5) / _extent(size, anchors), xp.float32)


def pixels_of_colours(colours: Any, size: tuple[int, int], darkest: float) -> Any:
    """The inverse of ``anchor_colours``; (..., 2) -> (..., 2) float64 pixels."""
    xp = namespace(colours)
    return (cast(colours, xp.float64) - darkest) / (1 - darkest) * _extent(size, colours) - 0.5


def depth_colours(depth: Any, s: Any, darkest: float) -> Any:
    """Blue of depths, those out of range as the end of it; (...) metres -> (...) float32; ``darkest`` everywhere if near equals far."""
    xp = namespace(depth, s)
    near, far = cast(s, xp.float64)
    share = (cast(depth, xp.float64) - near) / xp.where(far > near, far - near, 1.0)
    # Not clip, which drops the gradient at the ends, where the points are that s was taken from.
    share = xp.where(share < 0.0, 0.0, xp.where(share > 1.0, 1.0, share))
    return cast(darkest + (1 - darkest) * share, xp.float32)


def depth_of_colours(blue: Any, s: Any, darkest: float) -> Any:
    """The inverse of ``depth_colours``, straight on beyond [darkest, 1] so that its gradient never dies; (...) -> (...) float64 metres."""
    xp = namespace(blue, s)
    near, far = cast(s, xp.float64)
    return near + (cast(blue, xp.float64) - darkest) / (1 - darkest) * (far - near)


def quantise(video: Any) -> Any:
    """The video in 256 levels a channel, as stored in 8 bits; (..., 3) float in [0, 1] -> the same shape and dtype.

    Raises:
        ValueError: the video has another shape or dtype, or its values are not of [0, 1] (``check_values``).
    """
    check_real("video", video, (*video.shape[:-1], 3))
    check_values(video)
    return namespace(video).round(video.clip(0.0, 1.0) * 255.0) / 255.0


def check_values(video: Any) -> None:
    """Raise ValueError unless the values of a video are numbers in [0, 1], give or take ``OVERSHOOT``; names the frame of NaN and infinity."""
    video = constant(video)
    if 0 in video.shape:
        return
    low, high = extremes(video)
    if low >= -OVERSHOOT and high <= 1.0 + OVERSHOOT:
        return
    bad = flatnonzero(~namespace(video).isfinite(video))
    if len(bad):
        raise ValueError(f"video holds NaN or infinity in frame {int(bad[0]) // math.prod(video.shape[1:])}")
    raise ValueError(
        f"video holds values from {low:.3g} to {high:.3g}, expected [0, 1]: give (video + 1) / 2 of one in [-1, 1], video / 255 of one in 0 to 255"
    )


def check_range(s: Any) -> None:
    """Raise ValueError unless ``s`` is two numbers."""
    check_real("s", s, (2,))
    if not namespace(s).isfinite(s).all():
        raise ValueError(f"s is ({float(s[0])}, {float(s[1])}), expected the near and far depth in metres")


def check_darkest(darkest: float) -> None:
    """Raise ValueError unless ``darkest`` leaves room for colours."""
    if not 0.0 <= darkest < 1.0:
        raise ValueError(f"darkest is {darkest}, expected a number from 0 up to, not including, 1")


def _extent(size: tuple[int, int], like: Any) -> Any:
    xp = namespace(like)
    return xp.asarray([size[1], size[0]], dtype=xp.float64, device=like.device)
