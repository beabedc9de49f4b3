"""Draw points as squares of pixels, where the nearest point hides those behind it, and find the visible ones.

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
    flatnonzero,
    is_integer,
    minimum_at,
    namespace,
)


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


def rasterise(pixels: Any, depth: Any, size: tuple[int, int], *, visible: Any | None = None, radius: int = 1) -> Any:
    """Draw each point as a square around its nearest pixel centre, and return the index of the point that each pixel shows.

    The nearest point wins a pixel; ties go to the lowest index.  Points outside ``points_in_image`` are not drawn, squares are cut at the image
    border, and half-integer coordinates round to even.

    Args:
        pixels: (N, K, 2) pixels (u right, v down).
        depth: (N, K) metres along z.
        size: (H, W) of the image in pixels.
        visible: (N, K) bool, points to draw; None means all.
        radius: 0 or more; a square has 2 radius + 1 pixels per side.

    Returns:
        (N, H, W) int32 index of the point that each pixel shows, -1 for background.

    Raises:
        TypeError: as ``points_in_image``.
        ValueError: as ``points_in_image``, or ``radius`` is invalid.
    """
    check_radius(radius)
    drawn = points_in_image(pixels, depth, size, visible=visible)
    xp = namespace(pixels)
    (n, k), (height, width) = drawn.shape, size
    # Points of a frame are ranked from near to far by distinct integers, so that the lowest rank wins a pixel in any order of drawing.
    order = xp.argsort(xp.where(drawn, depth, xp.inf), stable=True)
    chosen = flatnonzero(drawn)
    place = cast(xp.argsort(order, stable=True), xp.int32).reshape(-1)[chosen]
    centre = cast(xp.round(pixels.reshape(-1, 2)[chosen]), xp.int64)
    u, v, frame = centre[:, 0], centre[:, 1], chosen // max(k, 1)
    nearest = xp.full((n * height * width,), k, dtype=xp.int32, device=depth.device)
    for dv in range(-radius, radius + 1):
        for du in range(-radius, radius + 1):
            inside = (u + du >= 0) & (u + du < width) & (v + dv >= 0) & (v + dv < height)
            at = (frame * height + v + dv) * width + u + du
            minimum_at(nearest, at[inside], place[inside])
    shown = flatnonzero(nearest < k)
    index = xp.full((n * height * width,), -1, dtype=xp.int32, device=depth.device)
    index[shown] = cast(order, xp.int32).reshape(-1)[shown // (height * width) * k + nearest[shown]]
    return index.reshape(n, height, width)


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


def raise_if_any_point(problem: str, bad: Any) -> None:
    """Raise ValueError that states the ``problem`` if ``bad`` (N, K) is true for a point; names its frame and index."""
    if bad.any():
        frame, point = divmod(int(flatnonzero(bad)[0]), bad.shape[1])
        raise ValueError(
            f"{problem} at {int(bad.sum())} points, the first at frame {frame}, point {point}: set these points to false in `visible`"
        )
