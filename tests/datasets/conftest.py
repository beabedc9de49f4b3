from dataclasses import dataclass
from pathlib import Path

import pytest

from hoibench.clip import Clip
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.synthetic.cameras import SOURCE_CAMERA, TRIO
from hoibench.datasets.synthetic.dataset import SyntheticDataset
from hoibench.datasets.synthetic.load import load_clip
from hoibench.datasets.synthetic.scene import Scene, build_scene
from hoibench.datasets.synthetic.writer import write_sequence
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.recording import Recording

POINTS = 128


@dataclass(frozen=True)
class Written:
    """One short synthetic clip on disk and its scene."""

    scene: Scene
    root: Path
    key: str
    seed: int

    @property
    def recording(self) -> Recording:
        tree = TacoDownload(self.root)
        return Recording(tree, tree.sequence(self.key))

    def load(self, serials=TRIO, source=SOURCE_CAMERA) -> Clip:
        return load_clip(TacoDownload(self.root), self.key, serials, source, points=POINTS, truth="synthetic")


def write(root: Path, key: str, frames: int = 5, seed: int = 7) -> Written:
    scene = build_scene(("spoon", "stir", "bowl"), 0, 0, seed, frames=frames)
    write_sequence(root, key, scene, (*TRIO, SOURCE_CAMERA), seed)
    return Written(scene, root, key, seed)


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Written:
    """A clip of the date with a world frame other than the rig frame."""
    return write(tmp_path_factory.mktemp("tree"), "20231002_001")


@pytest.fixture(scope="session")
def clip(written) -> Clip:
    return written.load()


@dataclass(frozen=True)
class Loaded:
    """A clip of a split and its recording."""

    entry: ClipEntry
    clip: Clip
    recording: Recording


@pytest.fixture(scope="session")
def demo(demo_root) -> list[Loaded]:
    """The clips of the default split, generated as in a user's first run."""
    dataset = SyntheticDataset.open(demo_root)
    loaded = []
    for entry in dataset.manifest("demo").entries:
        tree = TacoDownload(dataset.generate(entry))
        loaded.append(Loaded(entry, dataset.load(entry), Recording(tree, tree.sequence(entry.id))))
    return loaded
