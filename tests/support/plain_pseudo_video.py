"""Plain reference of the motion pseudo-video: chooses the point of each pixel, and matches every pixel, by exhaustive search."""

import math

import numpy as np


def draw_index(pixels, depth, size, visible, radius, depth_tolerance=0.02):
    """Reference of ``rasterise``: lists the points that cover a pixel, and takes the nearest in the image of those that are not clearly behind."""
    height, width = size
    index = np.full((len(pixels), height, width), -1)
    for n in range(len(pixels)):
        covering = {}
        for k in range(depth.shape[1]):
            if not (visible[n, k] and depth[n, k] > 0):
                continue
            u, v = (round(float(x)) for x in pixels[n, k])
            if not (0 <= u < width and 0 <= v < height):
                continue
            for y in range(max(0, v - radius), min(height, v + radius + 1)):
                for x in range(max(0, u - radius), min(width, u + radius + 1)):
                    covering.setdefault((y, x), []).append(k)
        for (y, x), points in covering.items():
            deepest = (1 + depth_tolerance) * min(float(depth[n, k]) for k in points)
            near = [k for k in points if float(depth[n, k]) <= deepest]
            index[n, y, x] = min(near, key=lambda k: (distance((x, y), pixels[n, k]), depth[n, k], k))
    return index


def distance(pixel, point):
    """Return the squared distance of a pixel's centre from a point, each axis in whole steps of 1/65536 square pixel."""
    return sum(int((a - float(b)) ** 2 * 65536) for a, b in zip(pixel, point, strict=True))


def colour(anchor, depth, s, size, darkest):
    """Return (red, green, blue) of a point, as in section 3.3."""
    near, far = (float(x) for x in s)
    u, v = (float(x) for x in anchor)
    share = (float(depth) - near) / (far - near) if far > near else 0.0
    bright = 1 - darkest
    return (
        darkest + bright * (u + 0.5) / size[1],
        darkest + bright * (v + 0.5) / size[0],
        darkest + bright * min(max(share, 0.0), 1.0),
    )


def draw(pixels, depth, anchors, s, size, visible, radius=1, darkest=0.1, depth_tolerance=0.02):
    """Reference of ``render`` for anchors inside the image."""
    index = draw_index(pixels, depth, size, visible, radius, depth_tolerance)
    video = np.zeros((*index.shape, 3), dtype=np.float32)
    for n, y, x in zip(*np.nonzero(index >= 0), strict=True):
        k = index[n, y, x]
        video[n, y, x] = colour(anchors[k], depth[n, k], s, size, darkest)
    return video


def place(red, green, size, darkest):
    """Return the pixel of frame 0 of a colour."""
    bright = 1 - darkest
    return (float(red) - darkest) / bright * size[1] - 0.5, (float(green) - darkest) / bright * size[0] - 0.5


def square(a, b):
    """Return the squared distance in the plane."""
    return (a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1])


def read(video, anchors, s, radius=1, darkest=0.1, match_within=1.5):
    """Reference of ``read_back``: pixels, depth, found."""
    n_frames, height, width, _ = video.shape
    size, points = (height, width), len(anchors)
    colours, places = {}, {}
    for k, (u, v) in enumerate(anchors.astype(np.float64)):
        if -0.5 <= u <= width - 0.5 and -0.5 <= v <= height - 0.5:
            c = tuple(np.float32(x) for x in colour((u, v), 0.0, (0.0, 0.0), size, darkest)[:2])
            if c not in colours.values():
                colours[k], places[k] = c, place(*c, size, darkest)
    near = [min(square(a, b) for j, b in places.items() if j != i) for i, a in places.items() if len(places) > 1]
    reach = match_within * np.median(np.sqrt(near)) if near else math.inf
    least = [*np.min([colours[k] for k in colours], axis=0), darkest] if colours else None
    pixels = {slot: [] for slot in np.ndindex(n_frames, points)}
    for n, y, x in np.ndindex(n_frames, height, width):
        pixel = [float(c) for c in video[n, y, x]]
        from_black = sum(c * c for c in pixel)
        from_colours = sum(max(float(low) - c, 0.0) ** 2 for c, low in zip(pixel, least or pixel, strict=True))
        if least is None or not from_black > from_colours:
            continue
        here = place(*pixel[:2], size, darkest)
        best = min(places, key=lambda k: (square(here, places[k]), k))
        if square(here, places[best]) <= reach**2:
            pixels[n, best].append((x, y, pixel[2]))
    mean, found = np.zeros((n_frames, points, 3)), np.zeros((n_frames, points), dtype=bool)
    for slot, group in pixels.items():
        middle = [sorted(p[axis] for p in group)[(len(group) - 1) // 2] if group else 0 for axis in (0, 1)]
        kept = [p for p in group if all(abs(p[axis] - middle[axis]) <= 2 * radius for axis in (0, 1))]
        if kept:
            mean[slot], found[slot] = np.sum(kept, axis=0) / len(kept), True
    near_depth, far_depth = (float(x) for x in s)
    depth = near_depth + (mean[..., 2] - darkest) / (1 - darkest) * (far_depth - near_depth)
    return mean[..., :2].astype(np.float32), np.where(found, depth, 0.0).astype(np.float32), found
