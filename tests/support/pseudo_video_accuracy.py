"""Measure how accurately tracks are read back from motion pseudo-videos.

``python tests/support/pseudo_video_accuracy.py`` prints the rows of the tables of docs/reference_model.md.  A view's points are those visible in
frame 0, as in the latent cache.  All are drawn in every frame; figures are over those that the surfaces do not hide.
"""

import re
import sys
import tempfile
from pathlib import Path

import numpy as np
from moving_bodies import moving_bodies

from hoibench.geometry import depth_range, points_in_image, project, quantise, read_back, render, to_camera

DOCS = Path(__file__).parents[2] / "docs" / "reference_model.md"
RADII = (1, 2, 3)
TOLERANCES = (0.0, 0.005, 0.01, 0.02, 0.04)
CHANNELS = ("float", "8 bits", "1 % colour noise", "8 bits, H.264 at CRF 12", "DaS's tracking video, float")


def bodies():
    """One view of four moving ellipsoids with about 1600 points: pixels (N, K, 2), depth (N, K), visible (N, K), size."""
    size = (480, 704)
    pixels, depth, visible = moving_bodies(points=2600, size=size)
    first = visible[0]
    return [(pixels[:, first], depth[:, first], visible[:, first], size)]


def synthetic(clips=3):
    """All views of the first clips of the synthetic data set's part demo: pixels (N, K, 2), depth (N, K), visible (N, K), size."""
    from hoibench.datasets.registry import open_dataset

    data = open_dataset("synthetic", None)
    views = []
    for entry in data.manifest("demo").entries[:clips]:
        clip = data.load(entry)
        for camera, visible in zip(clip.cameras, clip.tracks.visible, strict=True):
            points = to_camera(clip.tracks.world[:, visible[0]].astype(np.float64), camera.R, camera.t)
            pixels, depth = project(points, camera.K).astype(np.float32), points[..., 2].astype(np.float32)
            views.append((pixels, depth, visible[:, visible[0]], clip.size))
    return views


SCENES = {"bodies": bodies, "synthetic": synthetic}


def through_h264(video):
    """Return the video as decoded from a lossy video file."""
    from hoibench.video import decode, encode

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "motion.mp4"
        encode(path, np.round(video * 255).astype(np.uint8), fps=8.0)
        return (decode(path) / 255).astype(np.float32)


def measure(views, channel, radius, depth_tolerance=0.02):
    """Return shares of visible and of hidden points that are found; lateral errors in px and depth errors in mm of those visible and found."""
    rng, first_depth = np.random.default_rng(0), channel.startswith("DaS")
    visible_found, hidden_found, lateral, depths = [], [], [], []
    for pixels, depth, visible, size in views:
        drawn = points_in_image(pixels, depth, size)
        first = 1 if first_depth else None
        s = depth_range(depth[:first], drawn[:first])
        style = {"radius": radius, "depth_tolerance": depth_tolerance, "first_depth": first_depth}
        video = render(pixels, depth, pixels[0], s, size, **style)
        if "noise" in channel:
            video = (video + rng.normal(0, 0.01, video.shape)).astype(np.float32)
        if "8 bits" in channel:
            video = quantise(video)
        if "H.264" in channel:
            video = through_h264(video)
        reading = read_back(video, pixels[0], s, radius=radius)
        visible_found.append(reading.found[drawn & visible])
        hidden_found.append(reading.found[drawn & ~visible])
        found = drawn & visible & reading.found
        lateral.append(np.linalg.norm(reading.pixels - pixels, axis=-1)[found])
        depths.append(1000 * np.abs(reading.depth - depth)[found])
    return tuple(np.concatenate(x) for x in (visible_found, hidden_found, lateral, depths))


def channel_cell(views, channel, radius):
    """Return "share found; lateral error, px; depth error, mm", errors as median / 95th percentile."""
    found, _, lateral, depth = measure(views, channel, radius)
    errors = ("{:.2f} / {:.2f}".format(*np.percentile(x, [50, 95])) for x in (lateral, depth))
    return "; ".join([f"{found.mean():.3f}", *errors])


def tolerance_cell(views, depth_tolerance, radius=3):
    """Return "lateral error, px; share of visible points found; of hidden points", the error as median / 95th percentile."""
    found, hidden, lateral, _ = measure(views, "float", radius, depth_tolerance)
    return "{:.2f} / {:.2f}; {:.3f}; {:.3f}".format(*np.percentile(lateral, [50, 95]), found.mean(), hidden.mean())


def documented(label):
    """Return the cells of the row of a table of the docs that begins with ``label``."""
    rows = [line.strip("| \n").split(" | ") for line in DOCS.read_text(encoding="utf-8").splitlines()]
    (cells,) = (row[1:] for row in rows if row[0] == label)
    return cells


def numbers(cell):
    """Return the numbers of a cell."""
    return [float(x) for x in re.findall(r"[\d.]+", cell)]


def main():
    """Print the tables."""
    scenes = {name: views() for name, views in SCENES.items()}
    for name, views in scenes.items():
        for channel in CHANNELS:
            print("|", f"{name}: {channel}", *("| " + channel_cell(views, channel, r) for r in RADII), "|", flush=True)
    for tolerance in TOLERANCES:
        cells = ("| " + tolerance_cell(views, tolerance) for views in scenes.values())
        print("|", f"{100 * tolerance:g} %", *cells, "|", flush=True)


if __name__ == "__main__":
    sys.exit(main())
