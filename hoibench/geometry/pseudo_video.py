"""The motion pseudo-video: point tracks of one view drawn as a video that a video model can take, and read back from one (SyncMV4D, section 3.3).

    s = depth_range(depth, points_in_image(pixels, depth, size, visible=visible))
    video = render(pixels, depth, pixels[0], s, size, visible=visible)
    reading = read_back(video, pixels[0], s)

numpy and torch arrays alike, on the device where they lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hoibench.geometry.arrays import (
    ascending,
    cast,
    check_mask,
    check_real,
    check_size,
    flatnonzero,
    namespace,
    namespace_of,
    sums_at,
)
from hoibench.geometry.colour_matching import match
from hoibench.geometry.motion_colours import (
    anchor_colours,
    check_darkest,
    check_range,
    check_values,
    depth_colours,
    depth_of_colours,
    depth_range,
    has_colour,
    quantise,
)
from hoibench.geometry.splatting import check_radius, points_in_image, rasterise, refuse

__all__ = ["RecoveredTracks", "depth_range", "points_in_image", "quantise", "read_back", "render"]


@dataclass(frozen=True, eq=False)
class RecoveredTracks:
    """The points of one view as a pseudo-video shows them; zeros where a point is not found, so that a mask multiplies them away.

    Attributes:
        pixels: (N, K, 2) float32, where the point is in each frame.
        depth: (N, K) float32 metres along z.
        found: (N, K) bool, whether a pixel shows the point.
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
    darkest: float = 0.1,
    first_depth: bool = False,
) -> Any:
    """Draw the motion pseudo-video of one view: each point at its pixel of the frame, in the colour of its anchor and its depth, on black.

    Args:
        pixels: (N, K, 2) pixels of the points in each frame; what points hold that are not visible, NaN included, does not matter.
        depth: (N, K) metres along z; the nearest point wins a pixel.
        anchors: (K, 2) pixels of the points in frame 0.  A point whose anchor is not inside the image has no colour and is not drawn.
        s: (2,) near and far depth in metres, see ``depth_range``; depths beyond are drawn as these.
        size: (H, W).
        visible: (N, K) bool; None means all points in front of the camera, and the z-buffer decides.
        radius: a point is a square of 2 radius + 1 pixels.
        darkest: colours lie in [darkest, 1]; 0 is the paper's, where the darkest points cannot be told from the background.
        first_depth: a point keeps the colour of its depth in frame 0, which it must have wherever it is drawn: the tracking video of Diffusion as
            Shader (Fig. 3, Table 4).  The current depth still decides who covers whom; ``read_back`` gives the current pixels, but frame 0's depths.

    Returns:
        (N, H, W, 3) float32 in [0, 1]; torch's gradient passes to ``depth`` and ``s``.

    Raises:
        TypeError: an argument is no array, or they are of numpy and of torch; names them.
        ValueError: an array has another shape or dtype, a drawn point holds NaN (names frame and point), ``s`` is no range, or an option is
            out of bounds.
    """
    xp = namespace_of(pixels=pixels, depth=depth, anchors=anchors, s=s, visible=visible)
    check_real("pixels", pixels, ("N", "K", 2))
    n, k, _ = pixels.shape
    check_real("depth", depth, (n, k))
    check_real("anchors", anchors, (k, 2))
    check_range(s)
    check_darkest(darkest)
    check_size(size)
    check_radius(radius)
    if s[1] < s[0]:
        raise ValueError(f"s is ({float(s[0])}, {float(s[1])}), expected near <= far")
    coloured = has_colour(anchors, size)
    visible = (
        xp.broadcast_to(coloured, (n, k)) if visible is None else check_mask("visible", visible, (n, k)) & coloured
    )
    drawn = points_in_image(pixels, depth, size, visible=visible)
    coded = depth[:1] if first_depth else depth
    refuse("frame 0's depth holds NaN or infinity", drawn & ~xp.isfinite(coded))
    index = rasterise(pixels, depth, size, visible=drawn, radius=radius)
    # Hidden points may hold NaN, which would reach s through its gradient though no pixel shows them.
    blue = depth_colours(xp.where(drawn, coded, s[0]), s, darkest)
    red_green = xp.broadcast_to(anchor_colours(anchors, size, darkest), (n, k, 2))
    return _paint(index, xp.concat([red_green, blue[..., None]], axis=-1))


def read_back(
    video: Any, anchors: Any, s: Any, *, radius: int = 1, darkest: float = 0.1, match_within: float = 1.5
) -> RecoveredTracks:
    """Read the points off a pseudo-video: the pixels in an anchor's colour give its place (their mean) and its depth (of their mean blue).

    Which pixel shows which anchor is said in ``hoibench.geometry.colour_matching``.  Pixels farther than 2 ``radius`` from their median, in either
    direction, cannot be of its square: they are strays, which every lossy trip makes, and left out; without the rest the point is not found.
    Of a video as drawn no pixel is a stray: a point whose square is whole comes back within half a pixel a side, one partly covered or cut by the
    border within ``radius`` + 1/2, and a covered one is not found.

    Args:
        video: (N, H, W, 3) floating point in [0, 1]; a decoder's overshoot of up to a half is accepted, so that [-1, 1] and 0 to 255 are refused.
        anchors: (K, 2) pixels of the points in frame 0.  Not found are those outside the image, and all but the first of those that share a colour.
        s: (2,) near and far depth in metres, or a prediction of them.
        radius: as drawn.
        darkest: as drawn.
        match_within: how far from an anchor's colour a pixel's may be, in spacings of the anchors.

    Returns:
        Of torch's gradient, ``depth`` passes that of the video's blue and of ``s``; which pixels show a point is constant.

    Raises:
        TypeError: an argument is no array, or they are of numpy and of torch; names them.
        ValueError: an array has another shape or dtype, the video's values are not of [0, 1], the video or ``s`` holds NaN or infinity, or an option
            is out of bounds.
    """
    xp = namespace_of(video=video, anchors=anchors, s=s)
    check_real("video", video, ("N", "H", "W", 3))
    check_real("anchors", anchors, ("K", 2))
    check_range(s)
    check_radius(radius)
    check_darkest(darkest)
    if not match_within > 0:
        raise ValueError(f"match_within is {match_within}, expected a number above 0")
    video = cast(video, xp.float32)
    check_values(video)
    frame, row, column, anchor = match(video, anchors, darkest=darkest, match_within=match_within)
    n, k = len(video), len(anchors)
    slot = frame * k + anchor
    near = _near_median(slot, row, 2 * radius, n * k) & _near_median(slot, column, 2 * radius, n * k)
    frame, row, column, slot = frame[near], row[near], column[near], slot[near]
    # In float64 these sums are exact, of float32 blues too, so the order of the additions does not matter.
    count = xp.bincount(slot, minlength=n * k)
    u, v, blue = (sums_at(slot, x, n * k) / count.clip(1) for x in (column, row, video[frame, row, column, 2]))
    found = count > 0
    pixels = cast(xp.stack([u, v], axis=-1), xp.float32)
    depth = cast(xp.where(found, depth_of_colours(blue, s, darkest), 0.0), xp.float32)
    return RecoveredTracks(pixels.reshape(n, k, 2), depth.reshape(n, k), found.reshape(n, k))


def _near_median(slot: Any, value: Any, reach: int, slots: int) -> Any:
    """Which integer values, 0 or more, are within ``reach`` of the (lower) median of those in their slot; slot and value (P,) -> (P,) bool."""
    count = namespace(slot).bincount(slot, minlength=slots)
    middle = count.cumsum(0) - count + (count - 1) // 2
    step = int(value.max()) + 1 if len(value) else 1
    median = ascending(slot * step + value)[middle[slot]] - slot * step
    return abs(value - median) <= reach


def _paint(index: Any, colours: Any) -> Any:
    """Pixels in the colours of their points on black; index (N, H, W), colours (N, K, 3) -> (N, H, W, 3)."""
    xp = namespace(index, colours)
    n, height, width = index.shape
    shown = flatnonzero(index >= 0)
    row = shown // (height * width) * colours.shape[1] + index.reshape(-1)[shown]
    video = xp.zeros((n * height * width, 3), dtype=xp.float32, device=colours.device)
    video[shown] = colours.reshape(-1, 3)[row]
    return video.reshape(n, height, width, 3)
