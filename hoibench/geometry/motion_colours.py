"""Colours of the motion pseudo-video: a point's anchor in frame 0 as (red, green), its depth as blue (SyncMV4D, section 3.3).

    colour = darkest + (1 - darkest) ((u0 + 1/2) / W, (v0 + 1/2) / H, (d - near) / (far - near))

(u0, v0) is the anchor: the point's pixel in frame 0.  Pixel centres are at integers, so the image extends from -1/2 to W - 1/2, which the added 1/2
maps to [0, 1].  The paper uses ``darkest`` 0, where a near point in the upper left corner is as black as the background.
"""

from __future__ import annotations

import math
from typing import Any

from hoibench.geometry.arrays import (
    cast,
    check_bool,
    check_floating,
    check_namespace,
    detach,
    flatnonzero,
    min_max,
    namespace,
)

OVERSHOOT = 0.5
"""Maximum distance of a video's values from [0, 1]; it allows for lossy decoding, but not for values in [-1, 1] or 0 to 255."""


def depth_range(depth: Any, drawn: Any) -> Any:
    """Return s, the near and far depth in metres of the drawn points of one view (SyncMV4D, Algorithm 1, line 1).

    Args:
        depth: (N, K) metres along z.
        drawn: (N, K) bool, e.g. from ``points_in_image``; points behind the camera are ignored.

    Returns:
        (2,) float32: near, far.

    Raises:
        ValueError: no point is drawn, a drawn point has NaN or infinite depth, or a shape or dtype is wrong.

    >>> import numpy as np
    >>> depth = np.array([[0.5, 0.7, 9.0]])
    >>> depth_range(depth, drawn=np.array([[True, True, False]])).tolist()
    [0.5, 0.699999988079071]
    """
    check_floating("depth", depth, ("N", "K"))
    check_bool("drawn", drawn, tuple(depth.shape))
    xp = check_namespace(depth=depth, drawn=drawn)
    if (drawn & ~xp.isfinite(depth)).any():
        raise ValueError("depth has NaN or infinity where drawn is true")
    chosen = depth[drawn & (depth > 0)]
    if not len(chosen):
        raise ValueError("no point is drawn in front of the camera: a view without points has no depth range")
    return cast(xp.stack([chosen.min(), chosen.max()]), xp.float32)


def has_colour(anchors: Any, size: tuple[int, int]) -> Any:
    """Return (K,) bool, true for anchors (K, 2) in pixels that are inside an image of ``size`` (H, W); others, and NaN, have no colour."""
    u, v = anchors[..., 0], anchors[..., 1]
    return (u >= -0.5) & (u <= size[1] - 0.5) & (v >= -0.5) & (v <= size[0] - 0.5)


def anchor_colours(anchors: Any, size: tuple[int, int], darkest: float) -> Any:
    """Return the red and green values (K, 2) float32 of anchors (K, 2) in pixels; meaningless where ``has_colour`` is false."""
    xp = namespace(anchors)
    return cast(darkest + (1 - darkest) * (cast(anchors, xp.float64) + 0.5) / _extent(size, anchors), xp.float32)


def pixels_from_colours(colours: Any, size: tuple[int, int], darkest: float) -> Any:
    """Return the pixels (..., 2) float64 that red and green values (..., 2) encode: the inverse of ``anchor_colours``."""
    xp = namespace(colours)
    return (cast(colours, xp.float64) - darkest) / (1 - darkest) * _extent(size, colours) - 0.5


def depth_colours(depth: Any, s: Any, darkest: float) -> Any:
    """Return the blue values (...) float32 of depths (...) in metres, clipped to the depth range ``s``; ``darkest`` if near equals far."""
    xp = namespace(depth)
    near, far = cast(s, xp.float64)
    share = (cast(depth, xp.float64) - near) / xp.where(far > near, far - near, 1.0)
    # Unlike clip, this passes the gradient at the ends of the range, where the points that define s are.
    share = xp.where(share < 0.0, 0.0, xp.where(share > 1.0, 1.0, share))
    return cast(darkest + (1 - darkest) * share, xp.float32)


def depth_from_colours(blue: Any, s: Any, darkest: float) -> Any:
    """Return the depths (...) float64 in metres that blue values (...) encode: the inverse of ``depth_colours``.

    Values outside [darkest, 1] are extrapolated, not clipped, so that they have a gradient.
    """
    xp = namespace(blue)
    near, far = cast(s, xp.float64)
    return near + (cast(blue, xp.float64) - darkest) / (1 - darkest) * (far - near)


def quantise(video: Any) -> Any:
    """Return a video (..., 3), floating point in [0, 1], with values rounded to 8 bits per channel, in the same shape and dtype.

    Raises:
        ValueError: the video has another shape or dtype, or values farther than ``OVERSHOOT`` from [0, 1]; smaller excess is clipped.
    """
    check_floating("video", video, (*video.shape[:-1], 3))
    check_video_range(video)
    return namespace(video).round(video.clip(0.0, 1.0) * 255.0) / 255.0


def check_video_range(video: Any) -> None:
    """Raise ValueError unless all values of a video (N, H, W, 3) are within ``OVERSHOOT`` of [0, 1]; names the frame of NaN or infinity."""
    video = detach(video)
    if 0 in video.shape:
        return
    low, high = min_max(video)
    if low >= -OVERSHOOT and high <= 1.0 + OVERSHOOT:
        return
    bad = flatnonzero(~namespace(video).isfinite(video))
    if len(bad):
        raise ValueError(f"video has NaN or infinity in frame {int(bad[0]) // math.prod(video.shape[1:])}")
    raise ValueError(
        f"video holds values from {low:.3g} to {high:.3g}, expected [0, 1]: pass (video + 1) / 2 for values in [-1, 1], or video / 255 for 0 to 255"
    )


def check_depth_range(s: Any) -> None:
    """Raise ValueError unless ``s`` is a floating-point array (2,) of finite numbers: the near and far depth."""
    check_floating("s", s, (2,))
    if not namespace(s).isfinite(s).all():
        raise ValueError(f"s is ({float(s[0])}, {float(s[1])}), expected the near and far depth in metres")


def check_darkest(darkest: float) -> None:
    """Raise ValueError unless ``darkest``, the lowest colour value of a point, is in [0, 1)."""
    if not 0.0 <= darkest < 1.0:
        raise ValueError(f"darkest is {darkest}, expected a number in [0, 1)")


def _extent(size: tuple[int, int], like: Any) -> Any:
    xp = namespace(like)
    return xp.asarray([size[1], size[0]], dtype=xp.float64, device=like.device)
