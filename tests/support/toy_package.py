"""A third-party package with a small data set and a few methods, found through its entry points in this process and in others."""

import os
from functools import partial

import pytest
from fork_server import fork

DATASET = """
import numpy as np
from hoibench.clip import Camera, Clip, Tracks, View
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset, Manifest
from hoibench.plugins import UnknownName

V, N, H, W, K = 2, 6, 32, 48, 40
ENTRIES = tuple(ClipEntry(f"clip_{i}", ("spoon", "stir", "bowl"), (str(i % 2), str(i)), ("a", "b")) for i in range(6))


class Toy(Dataset):
    name, kind, default_split = "toy", "synthetic", "demo"

    @classmethod
    def open(cls, root, on_message=None):
        if root is not None and not root.is_dir():
            raise FileNotFoundError(f"{root}: no such folder")
        return cls()

    def splits(self):
        return ("demo",)

    def manifest(self, split):
        if split != "demo":
            raise UnknownName("split", split, self.splits())
        return Manifest("toy@1/demo", "0123456789ab", ENTRIES)

    def load(self, entry):
        rng = np.random.default_rng(int(entry.id[-1]))
        start = rng.uniform(-0.1, 0.1, (K, 3))
        drift = np.linspace(0, 0.2, N)[:, None, None] * rng.normal(size=3)
        world = (start + drift + rng.normal(0, 0.002, (N, K, 3))).astype(np.float32)
        K_ = np.array([[60.0, 0, 23.5], [0, 60, 15.5], [0, 0, 1]])
        turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
        cameras = [Camera(K_, R, np.array([0, 0, 1.0]), (H, W)) for R in (np.eye(3), turn)]
        frames = rng.integers(0, 256, (V, N, H // 8, W // 8, 3), np.uint8).repeat(8, 2).repeat(8, 3)
        visible = rng.random((V, N, K)) < 0.8
        return Clip(
            entry.id, entry.triplet, "stir", tuple(View(n, None, c, f[0]) for n, c, f in zip("ab", cameras, frames)),
            (), 8.0, N, (H, W), entry.instances, truth="synthetic",
            tracks=Tracks(world, visible, np.arange(K, dtype=np.uint8) % 4), load_video=lambda: frames,
        )
"""

METHODS = '''
import ctypes, dataclasses, os, subprocess, time
from pathlib import Path
import numpy as np
from hoibench.clip import Prediction
from hoibench.methods.method import Method

class Still(Method):
    """Repeats the reference images, with points one metre behind their anchors."""

    def generate(self, request):
        V, K = request.anchors.shape[:2]
        tracks = np.zeros((V, request.frames, K, 3), np.float32)
        for v, view in enumerate(request.views):
            ray = np.concatenate([request.anchors[v], np.ones((K, 1))], 1) @ np.linalg.inv(view.camera.K).T
            tracks[v] = ray
        video = np.stack([view.image for view in request.views])[:, None].repeat(request.frames, 1)
        return self.change(request, Prediction(video=video, tracks=tracks, anchors=request.anchors))

    def change(self, request, prediction):
        return prediction

class Picky(Still):
    def change(self, request, prediction):
        if request.clip_id == "clip_1":
            raise RuntimeError("clip_1 is not to my taste")
        if request.clip_id == "clip_2":
            tracks = prediction.tracks.copy()
            tracks[1, 2, 3] = np.nan
            return Prediction(tracks=tracks, anchors=prediction.anchors)
        if request.clip_id == "clip_3":
            return dataclasses.replace(prediction, video=prediction.video[:, :-1])
        if request.clip_id == "clip_4":
            return Prediction(video=prediction.video)
        return prediction

class Masked(Still):
    """Adds random masks that depend on the clip and the seed."""

    def change(self, request, prediction):
        rng = np.random.default_rng([request.seed, int(request.clip_id[-1])])
        masks = rng.random(prediction.video.shape[:4]) < 0.5
        return dataclasses.replace(prediction, masks=masks)

class Tuned(Still):
    """Moves the points by the number in its checkpoint; returns no video if the setting ``video`` is false."""

    def change(self, request, prediction):
        moved = prediction.tracks + np.float32(self.settings["checkpoint"].read_text())
        video = prediction.video if self.settings["video"] else None
        return dataclasses.replace(prediction, tracks=moved, video=video if "video" in self.spec.outputs else None)

class Rude(Still):
    """Writes into all its inputs."""

    def change(self, request, prediction):
        for view in request.views:
            view.camera.K[:2] /= 8
            view.camera.R[:] = 0
            view.image[:] = 0
        request.anchors[:] = 0
        for source in request.source_videos:
            source.video[:] = 0
        return prediction

class Leaving(Still):
    def change(self, request, prediction):
        if request.clip_id == "clip_1":
            raise SystemExit(0)
        return prediction

class Fickle(Still):
    """Claims to be deterministic, but moves the points by the seed; the video is always the same."""

    def change(self, request, prediction):
        return dataclasses.replace(prediction, tracks=prediction.tracks + np.float32(0.01 * request.seed))

class Slow(Still):
    def change(self, request, prediction):
        time.sleep(60 if request.clip_id == "clip_1" else 0.2)
        return prediction

class Dying(Still):
    def change(self, request, prediction):
        if request.clip_id == "clip_1":
            os._exit(9)
        return prediction

class Noisy(Still):
    """Prints much, by itself and by a child, and fails or crashes on some clips."""

    def __init__(self, entrant, runtime):
        print("loading weights")
        super().__init__(entrant, runtime)

    def change(self, request, prediction):
        for number in range(40_000):
            print(f"{request.clip_id}: step {number}")
        subprocess.run(["/bin/echo", "a child's line"])
        if request.clip_id == "clip_1":
            raise KeyError("prompt")
        if request.clip_id == "clip_2":
            ctypes.string_at(0)
        if request.clip_id == "clip_3":
            raise KeyboardInterrupt
        return prediction

class Unloadable(Still):
    def __init__(self, entrant, runtime):
        print("loading weights")
        os._exit(3)

class Wandering(Still):
    def change(self, request, prediction):
        os.chdir("/")
        return prediction

    def close(self):
        raise RuntimeError("the door is stuck")
'''


TUNED = """
entry = "toyset.methods:Tuned"
outputs = ["video", "tracks"]
pairing = "query"

[presets.full]
title = "full"

[presets.points]
title = "points only"
outputs = ["tracks"]

[settings.checkpoint]
type = "path"
help = "A file with a number."

[settings.video]
type = "flag"
help = "Return a video."
default = true

[settings.python]
type = "path"
help = "Not used."
affects_predictions = false
"""


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    files = {
        "toyset/__init__.py": "",
        "toyset/data.py": DATASET,
        "toyset/methods.py": METHODS,
        "toyset/datasets/__init__.py": "",
        "toyset/datasets/toy.toml": 'name = "toy"\nkind = "synthetic"\ntitle = "Toy"\nentry = "toyset.data:Toy"\n',
        "toyset/specs/__init__.py": "",
        "toyset-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: toyset\nVersion: 1\n",
        "toyset-1.dist-info/entry_points.txt": (
            "[hoibench.datasets]\ntoyset = toyset.datasets\n[hoibench.methods]\ntoyset = toyset.specs\n"
        ),
    }
    for name in ("still", "picky", "rude", "leaving", "slow", "dying", "wandering", "noisy", "unloadable"):
        files[f"toyset/specs/{name}.toml"] = (
            f'id = "{name}"\nentry = "toyset.methods:{name.title()}"\nfamilies = ["i2vm", "vto4r"]\n'
            'outputs = ["video", "tracks"]\npairing = "query"\n'
        )
    files["toyset/specs/masked/spec.toml"] = (
        'id = "masked"\nentry = "toyset.methods:Masked"\noutputs = ["video", "tracks", "masks"]\npairing = "query"\n'
    )
    for name, target in (("steady", "Still"), ("fickle", "Fickle")):
        files[f"toyset/specs/{name}/spec.toml"] = (
            f'id = "{name}"\nentry = "toyset.methods:{target}"\noutputs = ["video", "tracks"]\npairing = "query"\n'
            "deterministic = true\n"
        )
    for name in ("tuned", "tuned_too"):
        files[f"toyset/specs/{name}/spec.toml"] = f'id = "{name}"\n{TUNED}'
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def toy(package, monkeypatch):
    """The toy package in this process."""
    from hoibench.datasets.registry import all_datasets
    from hoibench.methods.registry import installed_specs

    monkeypatch.syspath_prepend(package)
    for cached in (all_datasets, installed_specs):
        cached.cache_clear()
    yield
    for cached in (all_datasets, installed_specs):
        cached.cache_clear()


@pytest.fixture(scope="session")
def launch_in(package):
    """Start `python -m hoibench.run` on the toy data set in a folder, in a separate process."""

    def start(folder, *flags, env=None, **kwargs):
        words = ["-m", "hoibench.run", "--dataset", "toy", "--metrics", "rpe,chamfer,smoothness", *flags]
        variables = {**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1", **(env or {})}
        return fork(words, imports="preimport_run", cwd=folder, env=variables, **kwargs)

    return start


@pytest.fixture
def launch(launch_in, tmp_path):
    """Start a run in the test's folder."""
    return partial(launch_in, tmp_path)
