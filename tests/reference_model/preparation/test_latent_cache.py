import shutil
from dataclasses import asdict, replace

import pytest
import torch

from hoibench.clip import CLUSTERS
from hoibench.plugins import UnknownName
from hoibench.store.verified_folder import CorruptFolder
from reference_model.cache import CachedView, LatentCache
from reference_model.cache.latent_cache import write_text, write_view
from reference_model.cache.settings import ensure_cache_settings, read_settings
from reference_model.config import preset

TWELVE = [(f"{cluster}-{i}", cluster) for cluster in reversed(CLUSTERS) for i in (3, 1, 2, 0)]


@pytest.fixture
def cache(cache_settings, view, tmp_path):
    """A cache of a clip with twelve views and one with a single one."""
    ensure_cache_settings(tmp_path, cache_settings)
    for name, cluster in TWELVE:
        write_view(tmp_path, cache_settings, view("many", name, cluster))
    write_view(tmp_path, cache_settings, view("lone", "x", "center"))
    write_text(tmp_path, cache_settings, "a prompt", torch.ones(cache_settings.text_shape))
    return LatentCache(tmp_path)


def path_of(cache, clip="lone", cluster="center", name="x"):
    return cache.folder / "views" / clip / cluster / f"{name}.safetensors"


def test_views_are_sorted_by_cluster(cache):
    assert cache.clips == ("lone", "many")
    assert cache.views("lone") == (CachedView("x", "center"),)
    assert cache.views("many") == tuple(
        CachedView(f"{c}-{i}", c) for c in ("left", "center", "right") for i in range(4)
    )


def test_a_view_survives_the_round_trip(cache, view, tmp_path):
    for name, cluster in TWELVE[::5]:
        written, read = asdict(view("many", name, cluster)), asdict(cache.load("many", name))
        assert read.keys() == written.keys()
        assert all(torch.equal(read[k], v) if torch.is_tensor(v) else read[k] == v for k, v in written.items())


def test_a_moving_camera_has_a_pose_per_frame(cache, view, cache_settings):
    write_view(cache.folder, cache_settings, view("lone", "x", "center", moving=True))
    loaded = cache.load("lone", "x")
    assert (loaded.R.shape, loaded.t.shape) == ((cache_settings.frames, 3, 3), (cache_settings.frames, 3))


def test_a_clip_without_views_is_not_listed(cache):
    (cache.folder / "views" / "empty" / "left").mkdir(parents=True)
    (cache.folder / "views" / "empty" / ".lock").touch()
    (cache.folder / "views" / "empty" / "left" / ".tmp-01234567-x.safetensors").touch()
    assert LatentCache(cache.folder).clips == ("lone", "many")


def test_a_prompt_without_embedding_is_refused(cache):
    assert cache.has_text("a prompt") and not cache.has_text("another")
    with pytest.raises(FileNotFoundError, match=r"no embedding of 'another' \(\w+\.safetensors\): run python -m"):
        cache.text("another")


def test_an_unknown_clip_or_view_is_refused_by_name(cache):
    with pytest.raises(UnknownName, match="unknown clip of the cache 'lon': did you mean lone"):
        cache.views("lon")
    for read in (cache.load, cache.header):
        with pytest.raises(UnknownName, match="unknown view of clip lone 'y': known: x"):
            read("lone", "y")


def test_a_missing_file_is_named(cache):
    assert cache.clips
    path_of(cache).unlink()
    with pytest.raises(FileNotFoundError, match="x.safetensors is missing"):
        cache.load("lone", "x")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("z_video", (16, 7, 4, 5)), ("z_motion", (15, 7, 4, 6)), ("s", (3,)), ("anchors", (4, 2)), ("world", (24, 5, 3)),
        ("visible", (25, 4)), ("part", (6,)), ("K", (3, 4)), ("R", (4, 3)), ("t", (1, 3)),
    ],
)  # fmt: skip
def test_another_shape_is_refused(cache, view, cache_settings, name, shape):
    write_view(cache.folder, cache_settings, view("lone", "x", "center", **{name: torch.zeros(shape)}))
    with pytest.raises(CorruptFolder, match=r"x.safetensors has \w+ of shape .*delete it and run"):
        cache.load("lone", "x")


def test_text_of_another_shape_is_refused(cache, cache_settings):
    write_text(
        cache.folder,
        cache_settings,
        "a prompt",
        torch.ones(cache_settings.text_shape[0] + 1, cache_settings.text_shape[1]),
    )
    with pytest.raises(CorruptFolder, match="has embedding of shape"):
        cache.text("a prompt")


def test_a_file_of_another_view_or_cache_is_refused(cache, view, cache_settings):
    shutil.copy(path_of(cache, "many", "left", "left-1"), path_of(cache))
    with pytest.raises(CorruptFolder, match="belongs elsewhere .clip is 'many', expected 'lone'"):
        cache.load("lone", "x")
    write_view(cache.folder, cache_settings.model_copy(update={"vae": "other weights"}), view("lone", "x", "center"))
    with pytest.raises(CorruptFolder, match="belongs elsewhere .settings_id is"):
        cache.load("lone", "x")
    (text,) = (cache.folder / "text").glob("*.safetensors")
    write_text(cache.folder, cache_settings, "another", torch.ones(cache_settings.text_shape))
    (other,) = set((cache.folder / "text").glob("*.safetensors")) - {text}
    other.replace(text)
    with pytest.raises(CorruptFolder, match="belongs elsewhere .prompt is 'another', expected 'a prompt'"):
        cache.text("a prompt")


def test_a_folder_that_is_not_a_cache_is_refused(cache, tmp_path):
    with pytest.raises(
        FileNotFoundError, match="cache.json is missing: expected a folder written by python -m reference_model.prepare"
    ):
        LatentCache(tmp_path / "elsewhere")
    record = cache.folder / "cache.json"
    record.write_text(record.read_text().replace("latent-cache@4", "latent-cache@1"))
    with pytest.raises(ValueError, match="cache.json: schema is 'hoibench/latent-cache@1'"):
        LatentCache(cache.folder)
    record.write_text('{"schema": "hoibench/latent-cache@4"}')
    with pytest.raises(ValueError, match="cache.json: the key 'frames' is missing"):
        LatentCache(cache.folder)


def test_a_cache_is_checked_against_the_model(cache, config):
    cache.check(config)
    with pytest.raises(ValueError, match="height was 64, now 128; width was 96, now 192; latent_shape was"):
        cache.check(preset("nano"))
    with pytest.raises(ValueError, match=r"with other settings \(eight_bit was False, now True\)"):
        cache.check(replace(config, pseudo_video=replace(config.pseudo_video, eight_bit=True)))


def test_settings_survive_the_round_trip(cache, cache_settings):
    assert read_settings(cache.folder) == cache_settings
    assert read_settings(cache.folder).id == cache_settings.id
