"""The motion pseudo-video of SyncMV4D (section 3.3): point tracks of one view as a video; ``render`` draws it, ``read_back`` recovers tracks.

Arrays are numpy or torch, on any device.

>>> import numpy as np
>>> anchors = np.array([[10.0, 8.0], [30.0, 20.0]])
>>> pixels = np.stack([anchors, anchors + 3])  # two points over two frames
>>> depth = np.array([[0.5, 0.7], [0.5, 0.6]])
>>> s = depth_range(depth, points_in_image(pixels, depth, (32, 48)))
>>> video = render(pixels, depth, anchors, s, (32, 48))
>>> video.shape
(2, 32, 48, 3)
>>> tracks = read_back(video, anchors, s)
>>> tracks.found.all(), np.abs(tracks.pixels - pixels).max()
(np.True_, np.float64(0.0))
>>> tracks.depth.round(3).tolist() == depth.round(3).astype(np.float32).tolist()
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hoibench.geometry.arrays import (
    cast,
    check_bool,
    check_floating,
    check_namespace,
    check_size,
    flatnonzero,
    namespace,
    sort,
    sum_at,
)
from hoibench.geometry.colour_matching import match_pixels
from hoibench.geometry.motion_colours import (
    anchor_colours,
    check_darkest,
    check_depth_range,
    check_video_range,
    depth_colours,
    depth_from_colours,
    depth_range,
    has_colour,
    quantise,
)
from hoibench.geometry.splatting import (
    DEPTH_TOLERANCE,
    check_depth_tolerance,
    check_radius,
    points_in_image,
    raise_if_any_point,
    rasterise,
)

__all__ = ["RecoveredTracks", "depth_range", "points_in_image", "quantise", "read_back", "render"]


@dataclass(frozen=True, eq=False)
class RecoveredTracks:
    """Tracks of K points in one view over N frames that were read from a motion pseudo-video.

    Attributes:
        pixels: (N, K, 2) float32, zero for points that were not found.
        depth: (N, K) float32 metres along z, zero for points that were not found.
        found: (N, K) bool, true where a pixel of the frame shows the point.
    """

    pixels: Any
    depth: Any
    found: Any


def render(
    pixels: Any,
    depth: Any,
    anchors: Any,
    s: Any,
    size: tuple[int, int],
    *,
    visible: Any | None = None,
    radius: int = 1,
    depth_tolerance: float = DEPTH_TOLERANCE,
    darkest: float = 0.1,
    first_depth: bool = False,
) -> Any:
    """Render the motion pseudo-video of one view: each point as a square in the colour of its anchor and depth, on black.

    Args:
        pixels: (N, K, 2) pixels of the points in each frame; values of invisible points are ignored and may be NaN.
        depth: (N, K) metres along z.
        anchors: (K, 2) pixels of the points in frame 0.  A point with its anchor outside the image has no colour and is not drawn.
        s: (2,) near and far depth in metres, see ``depth_range``; other depths are clipped to it.
        size: (H, W) of the video in pixels.
        visible: (N, K) bool, points to draw; None means all points in front of the camera.
        radius: 0 or more; a point is a square with 2 radius + 1 pixels per side.
        depth_tolerance: 0 or more.  Of the points whose squares cover a pixel, those at most this share of the front point's depth behind it count
            as equally deep, as on one surface, and the pixel shows the one that is nearest to it in the image; points farther behind are hidden.
        darkest: colours are in [darkest, 1]; SyncMV4D uses 0, where the darkest points look like the background.
        first_depth: keep the colour of each point's depth in frame 0, as in the tracking video of Diffusion as Shader (Fig. 3, Table 4).  The current
            depth still decides occlusion.  Points that are drawn later need a depth in frame 0, and ``read_back`` returns frame 0's depth.

    Returns:
        The video (N, H, W, 3) float32 in [0, 1]; gradients of torch pass to ``depth`` and ``s``.

    Raises:
        TypeError: an argument is not an array, or numpy and torch are mixed; names the arguments.
        ValueError: a shape, a dtype, ``s`` or an option is invalid, or a drawn point has NaN; names frame and point.
    """
    xp = check_namespace(pixels=pixels, depth=depth, anchors=anchors, s=s, visible=visible)
    check_floating("pixels", pixels, ("N", "K", 2))
    n, k, _ = pixels.shape
    check_floating("depth", depth, (n, k))
    check_floating("anchors", anchors, (k, 2))
    check_depth_range(s)
    check_darkest(darkest)
    check_size(size)
    check_radius(radius)
    check_depth_tolerance(depth_tolerance)
    if s[1] < s[0]:
        raise ValueError(f"s is ({float(s[0])}, {float(s[1])}), expected near <= far")
    coloured = has_colour(anchors, size)
    visible = (
        xp.broadcast_to(coloured, (n, k)) if visible is None else check_bool("visible", visible, (n, k)) & coloured
    )
    drawn = points_in_image(pixels, depth, size, visible=visible)
    coloured_depth = depth[:1] if first_depth else depth
    raise_if_any_point("frame 0's depth has NaN or infinity", drawn & ~xp.isfinite(coloured_depth))
    index = rasterise(pixels, depth, size, visible=drawn, radius=radius, depth_tolerance=depth_tolerance)
    # Points that are not drawn may have NaN, which would spread to the gradient of s.
    blue = depth_colours(xp.where(drawn, coloured_depth, s[0]), s, darkest)
    red_green = xp.broadcast_to(anchor_colours(anchors, size, darkest), (n, k, 2))
    return _paint(index, xp.concat([red_green, blue[..., None]], axis=-1))


def read_back(
    video: Any, anchors: Any, s: Any, *, radius: int = 1, darkest: float = 0.1, match_within: float = 1.5
) -> RecoveredTracks:
    """Read the tracks of K points from a motion pseudo-video: each is at the mean of the pixels in its colour, at the depth of their mean blue.

    ``hoibench.geometry.colour_matching`` matches pixels to points.  Pixels farther than 2 ``radius`` from the median of their point, along either
    axis, are outliers of lossy compression and ignored; a point without other pixels is not found.  A video without losses has no outliers: a point
    with its complete square visible is recovered within half a pixel per axis, one that is partly covered or cut by the border within
    ``radius`` + 1/2, and a covered point is not found.

    Args:
        video: (N, H, W, 3) floating point in [0, 1], with up to 0.5 of overshoot.
        anchors: (K, 2) pixels of the points in frame 0.  Anchors outside the image are not found; of those with equal colours, only the first is.
        s: (2,) true or predicted near and far depth in metres.
        radius: the value that the video was rendered with.
        darkest: the value that the video was rendered with.
        match_within: maximum distance of a pixel's colour from the anchor's, in spacings of the anchors.

    Returns:
        The tracks; gradients of torch pass from ``depth`` to the video's blue and to ``s``.

    Raises:
        TypeError: an argument is not an array, or numpy and torch are mixed; names the arguments.
        ValueError: a shape, a dtype or an option is invalid, or the video or ``s`` has NaN, infinity or values out of range.
    """
    xp = check_namespace(video=video, anchors=anchors, s=s)
    check_floating("video", video, ("N", "H", "W", 3))
    check_floating("anchors", anchors, ("K", 2))
    check_depth_range(s)
    check_radius(radius)
    check_darkest(darkest)
    if not match_within > 0:
        raise ValueError(f"match_within is {match_within}, expected a number above 0")
    video = cast(video, xp.float32)
    check_video_range(video)
    frame, row, column, anchor = match_pixels(video, anchors, darkest=darkest, match_within=match_within)
    n, k = len(video), len(anchors)
    slot = frame * k + anchor
    near = _near_median(slot, row, 2 * radius, n * k) & _near_median(slot, column, 2 * radius, n * k)
    frame, row, column, slot = frame[near], row[near], column[near], slot[near]
    # Sums of float32 values are exact in float64, so the order of the additions does not matter.
    count = xp.bincount(slot, minlength=n * k)
    u, v, blue = (sum_at(slot, x, n * k) / count.clip(1) for x in (column, row, video[frame, row, column, 2]))
    found = count > 0
    pixels = cast(xp.stack([u, v], axis=-1), xp.float32)
    depth = cast(xp.where(found, depth_from_colours(blue, s, darkest), 0.0), xp.float32)
    return RecoveredTracks(pixels.reshape(n, k, 2), depth.reshape(n, k), found.reshape(n, k))


def _near_median(slot: Any, value: Any, reach: int, slots: int) -> Any:
    """Return (P,) bool, true where an integer ``value`` (P,) is within ``reach`` of the lower median of the values with the same ``slot`` (P,).

    A slot is a number below ``slots`` for one point in one frame.
    """
    count = namespace(slot).bincount(slot, minlength=slots)
    middle = count.cumsum(0) - count + (count - 1) // 2
    step = int(value.max()) + 1 if len(value) else 1
    median = sort(slot * step + value)[middle[slot]] - slot * step
    return abs(value - median) <= reach


def _paint(index: Any, colours: Any) -> Any:
    """Return a video (N, H, W, 3) float32: a pixel has the colour (from ``colours``, (N, K, 3)) of its point in ``index`` (N, H, W), or is black."""
    xp = namespace(index)
    n, height, width = index.shape
    shown = flatnonzero(index >= 0)
    row = shown // (height * width) * colours.shape[1] + index.reshape(-1)[shown]
    video = xp.zeros((n * height * width, 3), dtype=xp.float32, device=colours.device)
    video[shown] = colours.reshape(-1, 3)[row]
    return video.reshape(n, height, width, 3)
