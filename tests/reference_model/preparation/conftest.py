from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hoibench.clip import Clip
from hoibench.datasets.base import sample_clips
from hoibench.datasets.synthetic.dataset import SyntheticDataset
from reference_model.cache.latent_cache import LatentView
from reference_model.cache.settings import CacheSettings, config_settings, ensure_cache_settings, read_settings
from reference_model.config import preset
from reference_model.preparation.job import PreparationJob
from reference_model.preparation.view_groups import ViewGroup
from reference_model.prepare import main

SIZE = (64, 96)


@pytest.fixture(scope="session")
def arguments(wan_folder, train_root) -> list[str]:
    """The command line that prepares one clip; append --out."""
    size = ",".join(map(str, SIZE))
    return [
        "--preset", "nano", "--wan", str(wan_folder), "--dataset", "synthetic", "--root", str(train_root),
        "--limit", "1", "--size", size, "--device", "cpu",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def prepared_cache(arguments, tmp_path_factory) -> Path:
    """A cache of one clip, written by the command; damage copies only."""
    out = tmp_path_factory.mktemp("latents") / "cache"
    assert main([*arguments, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def clip(train_root) -> Clip:
    """The clip of ``prepared_cache``."""
    dataset = SyntheticDataset.open(train_root)
    (entry,) = sample_clips(dataset.manifest("train").entries, 1)
    return dataset.load(entry)


@pytest.fixture(scope="session")
def config():
    """nano on the grid of ``prepared_cache``."""
    return replace(preset("nano"), height=SIZE[0], width=SIZE[1])


@pytest.fixture
def job(prepared_cache, config, wan_folder, tmp_path) -> PreparationJob:
    """A job like that of ``prepared_cache``, with an empty folder."""
    job = PreparationJob(tmp_path / "out", read_settings(prepared_cache), config, wan_folder, "cpu")
    ensure_cache_settings(job.folder, job.settings)
    return job


@pytest.fixture
def view_group(clip):
    """Function that returns the views of the clip under another name and with other changes."""

    def make(name=None, **changed) -> ViewGroup:
        other = replace(clip, id=name or clip.id, **changed)
        return ViewGroup(other.id, tuple(view.id for view in clip.views), clip.prompt, lambda: other)

    return make


@pytest.fixture
def cache_settings(config) -> CacheSettings:
    return CacheSettings(
        **config_settings(config), dtype="float32", dataset="synthetic", split="synthetic@2/train", split_id="a", truth_id="b",
        vae="c", text_encoder="d", hoibench="0",
    )  # fmt: skip


@pytest.fixture
def view(cache_settings):
    """Function that returns a view of random numbers in the shapes of ``cache_settings``."""

    def make(clip="clip", view="view", cluster="left", points=5, moving=False, **changed) -> LatentView:
        draw = torch.Generator().manual_seed(0)
        n, latent = cache_settings.frames, cache_settings.latent_shape
        shapes = {
            "z_video": latent, "z_motion": latent, "s": (2,), "anchors": (points, 2), "world": (n, points, 3),
            "K": (3, 3), "R": (n, 3, 3) if moving else (3, 3), "t": (n, 3) if moving else (3,),
        }  # fmt: skip
        tensors = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
        tensors["visible"] = torch.rand(n, points, generator=draw) < 0.5
        tensors["part"] = torch.arange(points, dtype=torch.uint8) % 4
        return LatentView(clip=clip, view=view, cluster=cluster, prompt="a prompt", **(tensors | changed))

    return make


@pytest.fixture
def contents():
    """Function that reads every file of a cache except the locks."""

    def read(folder) -> dict:
        paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
        return {path.relative_to(folder): path.read_bytes() for path in paths}

    return read
