from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hoibench.clip import Clip
from hoibench.datasets.base import sample_clips
from hoibench.datasets.synthetic.dataset import SyntheticDataset
from reference_model.cache.files import LatentView
from reference_model.cache.metadata import Origin, claim, of_config, read_origin
from reference_model.config import preset
from reference_model.preparation.job import Job
from reference_model.preparation.shots import Shot
from reference_model.prepare import main

SIZE = (64, 96)


@pytest.fixture(scope="session")
def arguments(wan_folder, train_root) -> list[str]:
    """The command line that prepares one clip; append --out."""
    size = [str(length) for length in SIZE]
    return [
        "--preset", "nano", "--wan", str(wan_folder), "--dataset", "synthetic", "--root", str(train_root),
        "--limit", "1", "--size", *size, "--device", "cpu",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def made(arguments, tmp_path_factory) -> Path:
    """The cache of one clip, as the command made it; break a copy."""
    out = tmp_path_factory.mktemp("latents") / "cache"
    assert main([*arguments, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def clip(train_root) -> Clip:
    """The clip that ``made`` is of."""
    dataset = SyntheticDataset.open(train_root)
    (entry,) = sample_clips(dataset.manifest("train").entries, 1)
    return dataset.load(entry)


@pytest.fixture(scope="session")
def config():
    """nano on the grid of ``made``."""
    return replace(preset("nano"), height=SIZE[0], width=SIZE[1])


@pytest.fixture
def job(made, config, wan_folder, tmp_path) -> Job:
    """What ``made`` was made by, into an empty folder that is claimed for it."""
    job = Job(tmp_path / "out", read_origin(made), config, wan_folder, "cpu")
    claim(job.out, job.origin)
    return job


@pytest.fixture
def shot(clip):
    """A shot of the clip under any name, and with anything else about it changed."""

    def make(name=None, **changed) -> Shot:
        other = replace(clip, id=name or clip.id, **changed)
        return Shot(other.id, tuple(view.id for view in clip.views), clip.prompt, lambda: other)

    return make


@pytest.fixture
def origin(config) -> Origin:
    return Origin(
        **of_config(config), dtype="float32", dataset="synthetic", split="synthetic@1/train", split_id="a", truth_id="b",
        vae="c", text_encoder="d", hoibench="0",
    )  # fmt: skip


@pytest.fixture
def view(origin):
    """A view of random numbers in the shapes of ``origin``."""

    def make(clip="clip", view="view", cluster="left", points=5, moving=False, **changed) -> LatentView:
        draw = torch.Generator().manual_seed(0)
        n = origin.frames
        shapes = {
            "z_video": origin.latent, "z_motion": origin.latent, "s": (2,), "anchors": (points, 2), "world": (n, points, 3),
            "K": (3, 3), "R": (n, 3, 3) if moving else (3, 3), "t": (n, 3) if moving else (3,),
        }  # fmt: skip
        tensors = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
        tensors["visible"] = torch.rand(n, points, generator=draw) < 0.5
        tensors["part"] = torch.arange(points, dtype=torch.uint8) % 4
        return LatentView(clip=clip, view=view, cluster=cluster, prompt="a prompt", **(tensors | changed))

    return make


@pytest.fixture
def contents():
    """Every file of a cache but the locks."""

    def read(folder) -> dict:
        paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
        return {path.relative_to(folder): path.read_bytes() for path in paths}

    return read
