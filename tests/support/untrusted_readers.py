"""The readers of files that may come from strangers, each with small valid files to start from."""

import io
import json
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fake_runs
import numpy as np

from hoibench.clip import Camera, Prediction
from hoibench.clip_file import CLIP_FILE, ClipRecord, read_clip
from hoibench.datasets.videos_manifest import VideosManifest
from hoibench.evaluation.failures import FailureRecord
from hoibench.methods.exchange import RESPONSE_FILE, read_response
from hoibench.methods.geometry_file import read_geometry
from hoibench.methods.spec import Spec
from hoibench.predictions import PREDICTION_FILE, decode_prediction, read_prediction, write_prediction
from hoibench.results.pack import PackRecord, write_pack
from hoibench.results.result_row import ResultRow
from hoibench.results.results_file import read_headlines, read_rows
from hoibench.results.run_record import RunRecord
from hoibench.results.score_file import append_metric, read_scores
from hoibench.store import npz, read_npz
from hoibench.store.records import read_toml
from hoibench.store.torch_pickle import read_torch_pickle
from hoibench.store.verified_folder import read_metadata
from hoibench.submissions.archive import ArchiveLimits, unpack
from hoibench.submissions.submission import SUBMISSION_FILE, read_submission
from hoibench.video import decode, encode, probe, read_video_header

ALLOWED = (ValueError, FileNotFoundError)
"""The errors of readers; every other exception is a defect."""

SMALL = npz.ArrayLimits(members=8, array_bytes=1 << 20, total_bytes=4 << 20)


@dataclass(frozen=True)
class Reader:
    """A reader: the file's name, a function that reads it, and whether the file is text of JSON or TOML."""

    file: str
    read: Callable[[Path], object]
    text: str = ""


def _read_video(path: Path) -> None:
    header, info = read_video_header(path), probe(path)
    if max(header.height, info.height) * max(header.width, info.width) * info.frames < 1 << 24:
        decode(path)


def _read_folder(path: Path) -> None:
    decode_prediction(read_prediction(path.parent))


def _read_npz(path: Path) -> None:
    npz.read_npz_shapes(path)
    read_npz(path, SMALL)


def _read_npy(path: Path) -> None:
    """Read the bytes as the only member of an otherwise correct npz file, which gets past the checks of the zip format."""
    packed = path.with_name("packed.npz")
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.npy", path.read_bytes())
    try:
        _read_npz(packed)
    finally:
        packed.unlink()


def _unpack(path: Path) -> None:
    """Unpack an archive; whatever is in it, its files end in the target, and none is a link."""
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        target = Path(name, "target")
        target.mkdir()
        try:
            unpack(path, target, ArchiveLimits(members=20, member_bytes=1 << 16, total_bytes=1 << 18))
        finally:
            assert list(Path(name).iterdir()) == [target]
            assert not any(found.is_symlink() for found in target.rglob("*"))
            assert sum(found.stat().st_size for found in target.rglob("*") if found.is_file()) <= 1 << 18


READERS = {
    "zip": Reader("mine.zip", _unpack),
    "submission": Reader(SUBMISSION_FILE, lambda path: read_submission(path.parent), "toml"),
    "npz": Reader("tracks.npz", _read_npz),
    "npy": Reader("a.npy", _read_npy),
    "geometry": Reader("geometry.npz", lambda path: read_geometry(path, 4)),
    "video": Reader("view-0.mp4", _read_video),
    "matroska": Reader("view-0.mkv", _read_video),
    "pickle": Reader("hand.pkl", read_torch_pickle),
    "parquet": Reader("results.parquet", lambda path: (read_headlines(path), read_rows(path))),
    "scores": Reader("clip.jsonl", read_scores, "json"),
    "run": Reader("run.json", RunRecord.read, "json"),
    "prediction": Reader(PREDICTION_FILE, _read_folder, "json"),
    "clip": Reader(CLIP_FILE, lambda path: read_clip(path.parent), "json"),
    "failure": Reader("failure.json", FailureRecord.read, "json"),
    "response": Reader(RESPONSE_FILE, lambda path: read_response(path.parent), "json"),
    "pack": Reader(PackRecord.FILE, lambda path: read_metadata(path.parent, PackRecord, "contents"), "json"),
    "videos": Reader("manifest.json", VideosManifest.read, "json"),
    "spec": Reader("spec.toml", lambda path: read_toml(Spec, path), "toml"),
}


def make_folder(name: str, folder: Path) -> bytes:
    """Fill a folder with the other files that a reader needs, and return a small valid file for it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / READERS[name].file
    _MAKERS[name](file)
    READERS[name].read(file)  # it is valid
    return file.read_bytes()


def _arrays() -> dict[str, np.ndarray]:
    return {
        "tracks": np.zeros((1, 4, 5, 3), np.float32),
        "anchors": np.ones((1, 5, 2)),
        "valid": np.ones((1, 4, 5), bool),
    }


def _make_npy(file: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.arange(12, dtype=np.float32).reshape(3, 4))
    file.write_bytes(stream.getvalue())


def _make_video(file: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    encode(file, frames, 8.0)


def _make_scores(file: Path) -> None:
    row = {name: None for name, field in ResultRow.model_fields.items() if field.is_required()} | {
        "method": "m", "clip": "c", "split": "s", "clip_set_id": "0", "seed": 0, "metric": "rpe@2", "region": "full", "value": 1.5,
        "status": "ok", "unit": "%",
    }  # fmt: skip
    append_metric(file, "rpe@2", [ResultRow(**row), ResultRow(**(row | {"frame": 1, "details": {"x": [1.0]}}))])


def _make_prediction(file: Path) -> None:
    video = np.zeros((1, 4, 32, 32, 3), np.uint8)
    write_prediction(file.parent, Prediction(video=video, **_arrays()), 8.0, seconds=1.0)


def _make_clip(file: Path) -> None:
    camera = Camera(np.eye(3), np.eye(3), np.zeros(3), (32, 32))
    view = {"id": "a", "K": camera.K.tolist(), "R": camera.R.tolist(), "t": [0.0, 0.0, 0.0], "size": [32, 32]}
    table = {"fps": 8.0, "frames": 4, "size": [32, 32], "prompt": "stir", "views": [view]}
    file.write_text(json.dumps({"schema": ClipRecord.SCHEMA} | table))


def _make_response(file: Path) -> None:
    result = {
        "id": "a-0",
        "status": "ok",
        "outputs": [{"view": "a", "video": "a.mp4", "box": [0, 0, 4, 4]}],
        "seconds": 1.5,
    }
    file.write_text(json.dumps({"schema": "hoibench/exchange-response@1", "results": [result], "python": "3.11"}))


def _make_videos(file: Path) -> None:
    table = {
        "fps": 8.0,
        "frames": 4,
        "height": 32,
        "width": 32,
        "views": ["a", "b"],
        "clips": [{"id": "a", "prompt": "stir"}],
    }
    table |= {
        "methods": {"m": {"name": "M"}},
        "path": "{method}/{clip}/{view}.mp4",
        "source_view": None,
        "source": "x",
        "licence": "y",
    }
    file.write_text(json.dumps({"schema": VideosManifest.SCHEMA} | table))


SUBMISSION = """name = "mine"
title = "Mine"
authors = ["A"]
contact = "a@example.org"
licence = "CC-BY-4.0"
dataset = "synthetic"
split = "synthetic@2/demo"
split_id = "0123456789ab"
seeds = [0, 1]
families = ["i2v"]
view_type = "mv"
outputs = ["video", "tracks"]
pairing = "anchor"
scale = "metric"
"""


def _make_zip(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("submission.toml", SUBMISSION)
        archive.writestr("seed-0/clip/view-0.mp4", b"x" * 40)
        archive.writestr("seed-0/clip/tracks.npz", bytes(400), zipfile.ZIP_DEFLATED)


SPEC = """id = "mine"
name = "Mine"
families = ["i2vm"]
outputs = ["video", "tracks"]
scale = "metric"
[presets.small]
title = "small"
settings = {steps = 4}
[settings.steps]
type = "int"
help = "Steps."
"""


def _make_run(folder: Path) -> Path:
    return fake_runs.write_run(folder, methods=fake_runs.METHODS[:1], clips=1, seeds=(0,))


def _make_pack(file: Path) -> None:
    run = _make_run(file.parent.parent / "run")
    write_pack(run, file.parent.parent / "packed")
    for path in (file.parent.parent / "packed").iterdir():
        path.rename(file.parent / path.name)


_MAKERS: dict[str, Callable[[Path], object]] = {
    "npz": lambda file: np.savez(file, **_arrays()),
    "npy": _make_npy,
    "geometry": lambda file: np.savez(file, depth=np.ones((4, 2, 2), np.float32), K=np.eye(3)),
    "video": _make_video,
    "matroska": _make_video,
    "pickle": lambda file: file.write_bytes(pickle.dumps({"a": [1, 2.5, "x"], "b": (None, True)}, 2)),
    "parquet": lambda file: _make_run(file.parent),
    "scores": _make_scores,
    "run": lambda file: _make_run(file.parent),
    "prediction": _make_prediction,
    "clip": _make_clip,
    "failure": lambda file: FailureRecord(unit="m/seed-0/c", stage="score", reason="why").write(file),
    "response": _make_response,
    "pack": _make_pack,
    "videos": _make_videos,
    "spec": lambda file: file.write_text(SPEC),
    "zip": _make_zip,
    "submission": lambda file: file.write_text(SUBMISSION),
}
