import shutil
from dataclasses import asdict, replace

import pytest
import torch

from hoibench.clip import CLUSTERS
from hoibench.plugins import UnknownName
from hoibench.store.verified_folder import CorruptFolder
from reference_model.cache import CachedView, LatentCache
from reference_model.cache.files import write_text, write_view
from reference_model.cache.metadata import claim, read_origin
from reference_model.config import preset

TWELVE = [(f"{cluster}-{i}", cluster) for cluster in reversed(CLUSTERS) for i in (3, 1, 2, 0)]


@pytest.fixture
def cache(origin, view, tmp_path):
    """A cache of a clip with twelve views and one with a single one."""
    claim(tmp_path, origin)
    for name, cluster in TWELVE:
        write_view(tmp_path, origin, view("many", name, cluster))
    write_view(tmp_path, origin, view("lone", "x", "center"))
    write_text(tmp_path, origin, "a prompt", torch.ones(origin.text))
    return LatentCache(tmp_path)


def path_of(cache, clip="lone", cluster="center", name="x"):
    return cache.folder / "views" / clip / cluster / f"{name}.safetensors"


def test_views_come_left_to_right_with_their_clusters(cache):
    assert cache.clips == ("lone", "many")
    assert cache.views("lone") == (CachedView("x", "center"),)
    assert cache.views("many") == tuple(
        CachedView(f"{c}-{i}", c) for c in ("left", "center", "right") for i in range(4)
    )


def test_a_view_is_read_as_it_was_written(cache, view, tmp_path):
    for name, cluster in TWELVE[::5]:
        written, read = asdict(view("many", name, cluster)), asdict(cache.load("many", name))
        assert read.keys() == written.keys()
        assert all(torch.equal(read[k], v) if torch.is_tensor(v) else read[k] == v for k, v in written.items())


def test_a_moving_camera_has_a_pose_a_frame(cache, view, origin):
    write_view(cache.folder, origin, view("lone", "x", "center", moving=True))
    loaded = cache.load("lone", "x")
    assert (loaded.R.shape, loaded.t.shape) == ((origin.frames, 3, 3), (origin.frames, 3))


def test_a_clip_without_views_is_no_clip(cache):
    (cache.folder / "views" / "broken" / "left").mkdir(parents=True)
    (cache.folder / "views" / "broken" / ".lock").touch()
    (cache.folder / "views" / "broken" / "left" / ".tmp-01234567-x.safetensors").touch()
    assert LatentCache(cache.folder).clips == ("lone", "many")


def test_unknown_names_are_told_with_the_nearest(cache):
    with pytest.raises(UnknownName, match="unknown clip 'lane': did you mean lone"):
        cache.views("lane")
    with pytest.raises(UnknownName, match="unknown view of clip many 'left-9'"):
        cache.load("many", "left-9")
    with pytest.raises(FileNotFoundError, match="has no text of 'another'.*run python -m reference_model.prepare"):
        cache.text("another")


def test_a_file_that_went_is_named(cache):
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
def test_another_shape_is_refused(cache, view, origin, name, shape):
    write_view(cache.folder, origin, view("lone", "x", "center", **{name: torch.zeros(shape)}))
    with pytest.raises(CorruptFolder, match=r"x.safetensors holds \w+ of shape .*delete it and run"):
        cache.load("lone", "x")


def test_text_of_another_shape_is_refused(cache, origin):
    write_text(cache.folder, origin, "a prompt", torch.ones(origin.text[0] + 1, origin.text[1]))
    with pytest.raises(CorruptFolder, match="holds embedding of shape"):
        cache.text("a prompt")


def test_a_file_of_another_place_is_refused(cache, view, origin):
    shutil.copy(path_of(cache, "many", "left", "left-1"), path_of(cache))
    with pytest.raises(CorruptFolder, match="brought here from elsewhere .clip is 'many', expected 'lone'"):
        cache.load("lone", "x")
    write_view(cache.folder, origin.model_copy(update={"vae": "other weights"}), view("lone", "x", "center"))
    with pytest.raises(CorruptFolder, match="brought here from elsewhere .made is"):
        cache.load("lone", "x")
    (text,) = (cache.folder / "text").glob("*.safetensors")
    write_text(cache.folder, origin, "another", torch.ones(origin.text))
    (other,) = set((cache.folder / "text").glob("*.safetensors")) - {text}
    other.replace(text)
    with pytest.raises(CorruptFolder, match="brought here from elsewhere .prompt is 'another', expected 'a prompt'"):
        cache.text("a prompt")


def test_a_folder_that_is_no_cache_is_told(cache, tmp_path):
    with pytest.raises(
        FileNotFoundError, match="cache.json is missing: .* no folder that python -m reference_model.prepare"
    ):
        LatentCache(tmp_path / "elsewhere")
    record = cache.folder / "cache.json"
    record.write_text(record.read_text().replace("latent-cache@2", "latent-cache@1"))
    with pytest.raises(ValueError, match="cache.json: schema is 'hoibench/latent-cache@1'"):
        LatentCache(cache.folder)
    record.write_text('{"schema": "hoibench/latent-cache@2"}')
    with pytest.raises(ValueError, match="cache.json: the key 'frames' is missing"):
        LatentCache(cache.folder)


def test_a_cache_is_held_against_the_model_that_trains_on_it(cache, config):
    cache.check(config)
    with pytest.raises(ValueError, match="height was 64, now 128; width was 96, now 192; latent was"):
        cache.check(preset("nano"))
    with pytest.raises(ValueError, match=r"with other settings \(eight_bit was False, now True\)"):
        cache.check(replace(config, pseudo_video=replace(config.pseudo_video, eight_bit=True)))


def test_what_made_it_is_read_back(cache, origin):
    assert read_origin(cache.folder) == origin
    assert read_origin(cache.folder).id == origin.id
