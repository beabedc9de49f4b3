"""Draw the rows of the ablations side by side: ``python docs/pictures/ablations.py RUN``.

RUN is a run folder with predictions, such as runs/ablations/micro/training-0-0c5e9a1d.  ablations-N.jpg shows three of its clips, drawn by a seed:
the truth above, then each method's predictions of the first seed; frames of the center view, and the tracks beside.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from micro import CENTER, FOLDER, SEED, STRIP_FRAMES, draw_tracks, enlarge
from PIL import Image, ImageDraw

from hoibench.clip import Clip, Prediction
from hoibench.datasets.synthetic.dataset import SyntheticDataset
from hoibench.geometry import project, to_camera
from hoibench.predictions import decode_prediction, read_prediction
from hoibench.results.run_folder import read_run

CLIPS = 3
LABEL_WIDTH = 150

Way = tuple[np.ndarray, np.ndarray]
"""Pixels (N, K, 2) of points in the center view, and whether each is valid, (N, K)."""


def true_way(clip: Clip) -> Way:
    """Return the pixels of the true points that the center view sees in frame 0."""
    camera = clip.cameras[CENTER]
    points = to_camera(clip.tracks.world.astype(float), camera.R, camera.t)[:, clip.tracks.visible[CENTER, 0]]
    return project(points, camera.K), np.ones(points.shape[:2], bool)


def generated_way(clip: Clip, prediction: Prediction) -> Way:
    """Return the pixels of the generated points of the same anchors; none for a prediction without tracks."""
    if prediction.tracks is None or prediction.valid is None:
        return np.zeros((clip.frames, 0, 2)), np.zeros((clip.frames, 0), bool)
    seen = clip.tracks.visible[CENTER, 0]
    points, valid = prediction.tracks[CENTER][:, seen].astype(float), prediction.valid[CENTER][:, seen]
    return project(np.where(valid[..., None], points, 1.0), clip.cameras[CENTER].K), valid


def label(text: str, height: int) -> np.ndarray:
    """Return a picture (height, LABEL_WIDTH, 3) of a text."""
    picture = Image.new("RGB", (LABEL_WIDTH, height), "white")
    ImageDraw.Draw(picture).text((6, height // 2 - 8), text, fill="black", font_size=14)
    return np.asarray(picture)


def draw(clip: Clip, rows: list[tuple[str, np.ndarray, Way]]) -> np.ndarray:
    """Return a picture (H, W, 3) of rows with a name, a video (N, H, W, 3) of the center view, and the points' pixels."""
    image, strips = clip.video[CENTER, 0], []
    for name, video, way in rows:
        tracks = draw_tracks(image, *way, range(clip.frames))
        strips.append(np.hstack([label(name, len(tracks)), *(enlarge(video[n]) for n in STRIP_FRAMES), tracks]))
    return np.vstack(strips)


def main(folder: Path) -> None:
    """Draw the clips of a run folder."""
    run, dataset = read_run(folder), SyntheticDataset.open(None)
    methods = [method for method in run.record.methods if method.kind == "method"]
    for number, place in enumerate(np.random.default_rng(SEED).permutation(len(run.record.clips))[:CLIPS], start=1):
        entry = run.record.clips[place]
        clip = dataset.load(entry)
        rows = [("truth", clip.video[CENTER], true_way(clip))]
        for method in methods:
            stored = folder / "predictions" / method.key / f"seed-{method.seeds[0]}" / entry.id
            prediction = decode_prediction(read_prediction(stored))
            name = (method.preset or method.id).partition("-")[2] or method.key
            rows.append((name, prediction.video[CENTER], generated_way(clip, prediction)))
        picture = draw(clip, rows)
        Image.fromarray(picture).resize((picture.shape[1] // 2, picture.shape[0] // 2), Image.Resampling.LANCZOS).save(
            FOLDER / f"ablations-{number}.jpg", quality=88
        )
        sys.stdout.write(f"{number} {entry.id} {clip.prompt}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
