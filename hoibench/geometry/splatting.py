"""Draw points as squares of pixels, where a point hides those clearly behind it, and find the visible ones.

Shapes use N frames of H x W pixels and K points; pixel centres are at integer coordinates.  Arrays are numpy or torch.
"""

from __future__ import annotations

from typing import Any

from hoibench.geometry.arrays import (
    cast,
    check_bool,
    check_floating,
    check_namespace,
    check_size,
    detach,
    flatnonzero,
    is_integer,
    minimum_at,
    namespace,
    to_numpy,
)
from hoibench.text import count

DEPTH_TOLERANCE = 0.02
"""Points at most this share of their depth behind another may be on the same surface."""

_NO_KEY = 1 << 62
"""An integer above every point's."""


def points_in_image(pixels: Any, depth: Any, size: tuple[int, int], *, visible: Any | None = None) -> Any:
    """Return a mask of the points that are in front of the camera with their nearest pixel centre inside the image.

    Args:
        pixels: (N, K, 2) pixels (u right, v down).
        depth: (N, K) metres along z.
        size: (H, W) of the image in pixels.
        visible: (N, K) bool, points to consider; None means all.  Other points may have any values, including NaN.

    Returns:
        (N, K) bool, false for points that are not considered.

    Raises:
        TypeError: an argument is not an array, or numpy and torch are mixed; names the arguments.
        ValueError: ``size``, a shape or a dtype is invalid, or a considered point has NaN; names the first one.
    """
    xp = check_namespace(pixels=pixels, depth=depth, visible=visible)
    check_floating("pixels", pixels, ("N", "K", 2))
    check_floating("depth", depth, tuple(pixels.shape[:2]))
    check_size(size)
    considered = (
        xp.ones_like(depth, dtype=xp.bool) if visible is None else check_bool("visible", visible, tuple(depth.shape))
    )
    raise_if_any_point("depth has NaN or infinity", considered & ~xp.isfinite(depth))
    front = considered & (depth > 0)
    raise_if_any_point("pixels have NaN", front & xp.isnan(pixels).any(axis=-1))
    u, v = xp.round(pixels[..., 0]), xp.round(pixels[..., 1])
    height, width = size
    return front & (u >= 0) & (u < width) & (v >= 0) & (v < height)


def rasterise(
    pixels: Any,
    depth: Any,
    size: tuple[int, int],
    *,
    visible: Any | None = None,
    radius: int = 1,
    depth_tolerance: float = DEPTH_TOLERANCE,
) -> Any:
    """Draw each point as a square around its nearest pixel centre, and return the index of the point that each pixel shows.

    Of the points whose squares cover a pixel, those at most ``depth_tolerance`` deeper than the front one compete for it, and the one nearest to its
    centre in the image wins.  Ties (distances squared that are equal in steps of 1/65536 px^2) go to the front one, then to the lowest index.
    Points outside ``points_in_image`` are not drawn, squares are cut at the image border, and half-integer coordinates round to even.

    Args:
        pixels: (N, K, 2) pixels (u right, v down).
        depth: (N, K) metres along z.
        size: (H, W) of the image in pixels.
        visible: (N, K) bool, points to draw; None means all.
        radius: 0 or more; a square has 2 radius + 1 pixels per side.
        depth_tolerance: 0 or more, as a share of the front point's depth; with 0, only points of equal depth compete.

    Returns:
        (N, H, W) int32 index of the point that each pixel shows, -1 for background.

    Raises:
        TypeError: as ``points_in_image``.
        ValueError: as ``points_in_image``, or ``radius`` or ``depth_tolerance`` is invalid.
    """
    check_radius(radius)
    check_depth_tolerance(depth_tolerance)
    drawn = points_in_image(pixels, depth, size, visible=visible)
    xp = namespace(pixels)
    pixels, depth = (cast(detach(x), xp.float64) for x in (pixels, depth))
    if str(pixels.device) == "cpu":  # numpy's minimum at repeated indices is twice as fast as torch's
        pixels, depth, drawn = to_numpy(pixels), to_numpy(depth), to_numpy(drawn)
    index = namespace(drawn).full((len(drawn), *size), -1, dtype=namespace(drawn).int32, device=drawn.device)
    for n in range(len(drawn)):
        pixel, point = draw_frame(pixels[n], depth[n], drawn[n], size, radius, depth_tolerance)
        index[n].reshape(-1)[pixel] = cast(point, index.dtype)
    return xp.asarray(index)


def draw_frame(
    pixels: Any, depth: Any, drawn: Any, size: tuple[int, int], radius: int, depth_tolerance: float
) -> tuple[Any, Any]:
    """Return the P covered pixels of one frame, as indices (P,) in reading order, and the indices (P,) of the points that they show.

    Args:
        pixels: (K, 2) float64 pixels of the points.
        depth: (K,) float64 their depths.
        drawn: (K,) bool, the points to draw.
        size: (H, W) of the frame in pixels.
        radius: as in ``rasterise``.
        depth_tolerance: as in ``rasterise``.
    """
    xp, (height, width) = namespace(pixels), size
    # From near to far, so that the lowest rank is the front point.
    points = flatnonzero(drawn)
    points = points[xp.argsort(depth[points], stable=True)]
    pixels, depth, count = pixels[points], depth[points], len(points)
    columns, step = width + 2 * radius, xp.arange(2 * radius + 1, device=depth.device)  # a margin keeps squares inside
    square = (count, len(step), len(step))
    rank = xp.arange(count, device=depth.device)[:, None, None]
    centre = xp.round(pixels)
    u, v = (cast(centre[:, axis, None, None], xp.int64) for axis in (0, 1))
    at = ((v + step[:, None]) * columns + u + step).reshape(-1)
    front = xp.full(((height + 2 * radius) * columns,), count, dtype=xp.int64, device=depth.device)
    minimum_at(front, at, xp.broadcast_to(rank, square).reshape(-1))
    near = xp.broadcast_to(depth[:, None, None], square).reshape(-1) <= (1.0 + depth_tolerance) * depth[front[at]]
    # Distance and rank make one integer, so that one minimum finds the winner in any order of drawing.
    squared = cast(((centre - pixels - radius)[:, :, None] + step) ** 2 * 65536.0, xp.int64)
    key = ((squared[:, 1, :, None] + squared[:, 0, None, :]) * count + rank).reshape(-1)
    best = xp.full_like(front, _NO_KEY)
    minimum_at(best, at[near], key[near])
    inside = best.reshape(-1, columns)[radius : radius + height, radius : radius + width].reshape(-1)
    pixel = flatnonzero(inside < _NO_KEY)
    return pixel, points[inside[pixel] % max(count, 1)]


def visible_points(index: Any, pixels: Any) -> Any:
    """Return (N, K) bool, true for points at ``pixels`` (N, K, 2) that their nearest pixel shows in ``index`` (N, H, W) from ``rasterise``."""
    check_floating("pixels", pixels, (index.shape[0], "K", 2))
    xp = check_namespace(index=index, pixels=pixels)
    n, height, width = index.shape
    u, v = xp.round(pixels[..., 0]), xp.round(pixels[..., 1])
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)  # false for NaN, too
    u, v = (cast(xp.where(inside, x, 0.0), xp.int64) for x in (u, v))
    frame = xp.arange(n, device=index.device)[:, None]
    return inside & (index[frame, v, u] == xp.arange(pixels.shape[1], device=index.device))


def fully_visible_points(index: Any, points: int, *, radius: int = 1) -> Any:
    """Return (N, points) bool, true for points whose complete square is shown in ``index`` (N, H, W), drawn by ``rasterise`` with ``radius``.

    It is false if the image border cuts the square, or another point covers a part of it.
    """
    check_radius(radius)
    xp = namespace(index)
    n, height, width = index.shape
    shown = flatnonzero(index >= 0)
    count = xp.bincount(shown // (height * width) * points + index.reshape(-1)[shown], minlength=n * points)
    return count.reshape(n, points) == (2 * radius + 1) ** 2


def check_radius(radius: int) -> None:
    """Raise ValueError unless ``radius`` is a whole number, 0 or more."""
    if not (is_integer(radius) and radius >= 0):
        raise ValueError(f"radius is {radius}, expected a whole number of pixels, 0 or more")


def check_depth_tolerance(depth_tolerance: float) -> None:
    """Raise ValueError unless ``depth_tolerance`` is a number, 0 or more."""
    if not depth_tolerance >= 0:
        raise ValueError(f"depth_tolerance is {depth_tolerance}, expected a share of the depth, 0 or more")


def raise_if_any_point(problem: str, bad: Any) -> None:
    """Raise ValueError that states the ``problem`` if ``bad`` (N, K) is true for a point; names its frame and index."""
    if bad.any():
        frame, point = divmod(int(flatnonzero(bad)[0]), bad.shape[1])
        raise ValueError(
            f"{problem} at {count(int(bad.sum()), 'point')}, the first at frame {frame}, point {point}: set them to false in `visible`"
        )
