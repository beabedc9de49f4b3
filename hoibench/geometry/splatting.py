"""Points drawn as squares with a z-buffer: which point each pixel shows.

N frames of H x W pixels, K points; pixels have their centres at integer coordinates.  numpy and torch arrays alike.
"""

from __future__ import annotations

from typing import Any

from hoibench.geometry.arrays import (
    cast,
    check_mask,
    check_real,
    check_size,
    flatnonzero,
    is_integer,
    lower_at,
    namespace,
    namespace_of,
)


def points_in_image(pixels: Any, depth: Any, size: tuple[int, int], *, visible: Any | None = None) -> Any:
    """The points that a drawing shows if nothing covers them: in front of the camera, the nearest pixel centre inside the image.

    Args:
        pixels: (N, K, 2) pixels (u right, v down).
        depth: (N, K) metres along z.
        size: (H, W).
        visible: (N, K) bool, the points that are meant to be drawn; None means all.  What the others hold, NaN included, does not matter.

    Returns:
        (N, K) bool.

    Raises:
        TypeError: an argument is no array, or they are of numpy and of torch; names them.
        ValueError: ``size`` is none, an array has another shape or dtype, or a point that is meant to be drawn has NaN; names the first.
    """
    xp = namespace_of(pixels=pixels, depth=depth, visible=visible)
    check_real("pixels", pixels, ("N", "K", 2))
    check_real("depth", depth, tuple(pixels.shape[:2]))
    check_size(size)
    meant = (
        xp.ones_like(depth, dtype=xp.bool) if visible is None else check_mask("visible", visible, tuple(depth.shape))
    )
    refuse("depth holds NaN or infinity", meant & ~xp.isfinite(depth))
    front = meant & (depth > 0)
    refuse("pixels hold NaN", front & xp.isnan(pixels).any(axis=-1))
    u, v = xp.round(pixels[..., 0]), xp.round(pixels[..., 1])
    height, width = size
    return front & (u >= 0) & (u < width) & (v >= 0) & (v < height)


def rasterise(pixels: Any, depth: Any, size: tuple[int, int], *, visible: Any | None = None, radius: int = 1) -> Any:
    """The point that each pixel shows, each point being a square of 2 radius + 1 pixels around the nearest pixel centre.

    The nearest point wins a pixel, of equally near ones that of the lowest index.  Points behind the camera or whose nearest pixel centre is
    outside the image are not drawn, squares are cut at its borders, and halves round to the even pixel.

    Args:
        pixels: (N, K, 2), the rest as in ``points_in_image``.
        depth: (N, K) metres.
        size: (H, W).
        visible: (N, K) bool or None.
        radius: pixels, 0 or more.

    Returns:
        (N, H, W) int32 indices of points, -1 where there is none.

    Raises:
        TypeError: as ``points_in_image``.
        ValueError: as ``points_in_image``; or ``radius`` is no number of pixels.
    """
    check_radius(radius)
    drawn = points_in_image(pixels, depth, size, visible=visible)
    xp = namespace(pixels)
    (n, k), (height, width) = drawn.shape, size
    # A frame's points get their places from near to far: distinct integers, so that the smallest wins a pixel in whatever order they come.
    order = xp.argsort(xp.where(drawn, depth, xp.inf), stable=True)
    hit = flatnonzero(drawn)
    place = cast(xp.argsort(order, stable=True), xp.int32).reshape(-1)[hit]
    centre = cast(xp.round(pixels.reshape(-1, 2)[hit]), xp.int64)
    u, v, frame = centre[:, 0], centre[:, 1], hit // max(k, 1)
    nearest = xp.full((n * height * width,), k, dtype=xp.int32, device=depth.device)
    for dv in range(-radius, radius + 1):
        for du in range(-radius, radius + 1):
            inside = (u + du >= 0) & (u + du < width) & (v + dv >= 0) & (v + dv < height)
            at = (frame * height + v + dv) * width + u + du
            lower_at(nearest, at[inside], place[inside])
    shown = flatnonzero(nearest < k)
    index = xp.full((n * height * width,), -1, dtype=xp.int32, device=depth.device)
    index[shown] = cast(order, xp.int32).reshape(-1)[shown // (height * width) * k + nearest[shown]]
    return index.reshape(n, height, width)


def visible_points(index: Any, pixels: Any) -> Any:
    """The points that the nearest pixel centre shows; index (N, H, W) of ``rasterise``, pixels (N, K, 2) -> (N, K) bool."""
    check_real("pixels", pixels, (index.shape[0], "K", 2))
    xp = namespace(index, pixels)
    n, height, width = index.shape
    u, v = xp.round(pixels[..., 0]), xp.round(pixels[..., 1])
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)  # false for NaN, too
    u, v = (cast(xp.where(inside, x, 0.0), xp.int64) for x in (u, v))
    frame = xp.arange(n, device=index.device)[:, None]
    return inside & (index[frame, v, u] == xp.arange(pixels.shape[1], device=index.device))


def fully_visible_points(index: Any, points: int, *, radius: int = 1) -> Any:
    """The points whose whole square is seen: inside the image and covered by no other; index (N, H, W) of ``rasterise`` -> (N, points) bool."""
    check_radius(radius)
    xp = namespace(index)
    n, height, width = index.shape
    shown = flatnonzero(index >= 0)
    seen = xp.bincount(shown // (height * width) * points + index.reshape(-1)[shown], minlength=n * points)
    return seen.reshape(n, points) == (2 * radius + 1) ** 2


def check_radius(radius: int) -> None:
    """Raise ValueError unless ``radius`` is a number of pixels."""
    if not (is_integer(radius) and radius >= 0):
        raise ValueError(f"radius is {radius}, expected a whole number of pixels, 0 or more")


def refuse(what: str, bad: Any) -> None:
    """Raise ValueError where ``bad`` (N, K) is true for a point."""
    if bad.any():
        frame, point = divmod(int(flatnonzero(bad)[0]), bad.shape[1])
        raise ValueError(
            f"{what} at {int(bad.sum())} drawn points, the first at frame {frame}, point {point}: mark such points false in `visible`"
        )
