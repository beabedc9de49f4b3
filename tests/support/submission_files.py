"""Files of submissions: archives, and changed predictions."""

import zipfile
from pathlib import Path

import numpy as np

from hoibench.clip import Clip, Prediction
from hoibench.evaluation.request import build_request
from hoibench.methods.spec import Spec

SPEC = Spec(id="mine", outputs=("video", "tracks"), pairing="query")


def zip_folder(folder: Path, path: Path, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{top}{file.relative_to(folder).as_posix()}")
    return path


def make_prediction(clip: Clip, seed: int) -> Prediction:
    """Return the true first frames, brighter by the seed, with the true points in frame 0, moved away by the seed."""
    assert clip.tracks is not None and clip.cameras is not None and clip.video is not None
    tracks = np.stack([clip.tracks.world @ camera.R.T + camera.t for camera in clip.cameras]) + np.float32(0.01 * seed)
    tracks = tracks[:, :1].repeat(clip.frames, 1)
    video = clip.video[:, :1].repeat(clip.frames, 1) // 2 + np.uint8(20 * seed)
    return Prediction(video=video, tracks=tracks.astype(np.float32), anchors=build_request(clip, SPEC, seed).anchors)
