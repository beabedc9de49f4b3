"""Draw the pictures and films of the shipped model in docs/pictures, or write generated clips alone for someone who does not know them.

``python docs/pictures/micro.py`` draws micro-N.png and micro-N.mp4 of three clips of ``synthetic@2/test_seen``, drawn by a seed: truth above,
generated below, tracks beside.  ``python docs/pictures/micro.py --blind FOLDER --clips 12`` writes FOLDER/N.mp4, generated views alone, in another
order, and FOLDER-answers.json with tool, action and target of each.
"""

from __future__ import annotations

import argparse
import colorsys
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from hoibench.clip import Clip, Prediction
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.synthetic.dataset import SyntheticDataset
from hoibench.evaluation.request import build_request
from hoibench.geometry import project, to_camera
from hoibench.methods.entrants import select_entrants
from hoibench.methods.method import Runtime
from hoibench.methods.registry import load_method
from hoibench.video import encode

FOLDER = Path(__file__).parent
SPLIT, SEED, CENTER = "test_seen", 0, 1
STRIP_FRAMES = (0, 8, 16, 24)
ENLARGED, CRF = 2, 24
TRAIL = 6
"""Frames of a point's trail in films."""


def generate(clips: int, seed: int) -> Iterator[tuple[ClipEntry, Clip, Prediction]]:
    """Yield clips of the split, drawn by the seed, with the shipped model's predictions."""
    dataset = SyntheticDataset.open(None)
    entries = dataset.manifest(SPLIT).entries
    (entrant,) = select_entrants(["syncmv4d"])
    method = load_method(entrant, Runtime())
    for place in np.random.default_rng(seed).permutation(len(entries))[:clips]:
        clip = dataset.load(entries[place])
        yield entries[place], clip, method.generate(build_request(clip, entrant.spec, seed=0))


def enlarge(frame: np.ndarray) -> np.ndarray:
    """Return a frame (H, W, 3) enlarged."""
    size = (ENLARGED * frame.shape[1], ENLARGED * frame.shape[0])
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))


def draw_tracks(image: np.ndarray, pixels: np.ndarray, valid: np.ndarray, frames: Sequence[int]) -> np.ndarray:
    """Draw the way of points (N, K, 2) through some frames over a grey image (H, W, 3), enlarged; a colour for each place in frame 0."""
    grey = (0.35 * enlarge(image).mean(axis=-1, keepdims=True)).repeat(3, axis=-1).astype(np.uint8)
    picture = Image.fromarray(grey)
    pen = ImageDraw.Draw(picture)
    height, width = image.shape[:2]
    for k in range(pixels.shape[1]):
        u, v = pixels[0, k]
        r, g, b = colorsys.hsv_to_rgb(u / width % 1, 0.9, min(1.0, max(0.4, 0.5 + 0.5 * v / height)))
        colour = (int(255 * r), int(255 * g), int(255 * b))
        way = [tuple(ENLARGED * (pixels[n, k] + 0.5)) for n in frames if valid[n, k]]
        if len(way) > 1:
            pen.line(way, fill=colour, width=1)
        if way:
            x, y = way[-1]
            pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
    return np.asarray(picture)


def compose(clip: Clip, prediction: Prediction) -> tuple[np.ndarray, np.ndarray]:
    """Return a strip (H, W, 3) of the center view and a film (N, H, W, 3) of all views, each with truth above, generated below, tracks beside."""
    camera = clip.cameras[CENTER]
    seen = clip.tracks.visible[CENTER, 0]
    truth = to_camera(clip.tracks.world.astype(float), camera.R, camera.t)[:, seen]
    generated, is_valid = prediction.tracks[CENTER][:, seen].astype(float), prediction.valid[CENTER][:, seen]
    rows = [
        (clip.video, project(truth, camera.K), np.ones(truth.shape[:2], bool)),
        (prediction.video, project(np.where(is_valid[..., None], generated, 1.0), camera.K), is_valid),
    ]
    image, frames = clip.video[CENTER, 0], clip.frames
    strip = np.vstack(
        [
            np.hstack([*(enlarge(video[CENTER, n]) for n in STRIP_FRAMES), draw_tracks(image, *way, range(frames))])
            for video, *way in rows
        ]
    )
    film = np.stack(
        [
            np.vstack(
                [
                    np.hstack([*map(enlarge, video[:, n]), draw_tracks(image, *way, range(max(0, n - TRAIL), n + 1))])
                    for video, *way in rows
                ]
            )
            for n in range(frames)
        ]
    )
    return strip, film


def write_blind(folder: Path, clips: int, seed: int) -> None:
    """Write generated views of clips alone, as FOLDER/1.mp4 and so on, and the answers beside the folder."""
    folder.mkdir(parents=True)
    answers = {}
    for number, (entry, clip, prediction) in enumerate(generate(clips, seed), start=1):
        film = np.stack([np.hstack([*map(enlarge, views)]) for views in prediction.video.swapaxes(0, 1)])
        encode(folder / f"{number}.mp4", film, clip.fps, crf=CRF)
        answers[number] = {"clip": entry.id, "tool, action, target": entry.triplet, "prompt": clip.prompt}
    folder.with_name(f"{folder.name}-answers.json").write_text(json.dumps(answers, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blind", type=Path, help="folder for generated clips alone")
    parser.add_argument("--clips", type=int, default=3)
    options = parser.parse_args()
    if options.blind:
        write_blind(options.blind, options.clips, SEED + 1)
    else:
        for number, (entry, clip, prediction) in enumerate(generate(options.clips, SEED), start=1):
            strip, film = compose(clip, prediction)
            Image.fromarray(strip).quantize(256).save(FOLDER / f"micro-{number}.png", optimize=True)
            encode(FOLDER / f"micro-{number}.mp4", film, clip.fps, crf=CRF)
            sys.stdout.write(f"{number} {entry.id} {clip.prompt}\n")
