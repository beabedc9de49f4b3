"""The command on a real clip: it writes the inputs of training, and keeps completed files."""

import gc
import json
import shutil
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from hoibench.clip import PARTS
from hoibench.geometry import project, to_camera
from hoibench.geometry.pseudo_video import render
from hoibench.video import resize
from reference_model.cache import LatentCache
from reference_model.loading import autoencoder, text_encoder
from reference_model.loading.autoencoder import WanAutoencoder, load_vae
from reference_model.loading.text_encoder import load_text_encoder
from reference_model.preparation.clips import prepare_clips
from reference_model.preparation.encode_view import render_view
from reference_model.preparation.prompts import prepare_text
from reference_model.prepare import main


@pytest.fixture(scope="session")
def cache(prepared_cache):
    return LatentCache(prepared_cache)


@pytest.fixture(scope="session")
def views(cache, clip):
    return [cache.load(clip.id, view.id) for view in cache.views(clip.id)]


def test_every_view_is_there_from_left_to_right(cache, clip):
    assert cache.clips == (clip.id,)
    assert [tuple(view) for view in cache.views(clip.id)] == [(view.id, view.cluster) for view in clip.views]
    assert [view.cluster for view in cache.views(clip.id)] == ["left", "center", "right"]


def test_latents_are_those_of_the_resized_video_and_begin_with_the_images(views, clip, wan_folder, config):
    autoencoder = WanAutoencoder(load_vae(wan_folder))
    for view, pixels in zip(views, clip.video, strict=True):
        video = resize(pixels, (config.height, config.width)) / np.float32(255)
        assert torch.equal(view.z_video, autoencoder.encode(video))
        assert torch.equal(view.z_video[:, :1], autoencoder.encode(video[:1]))


def test_the_pseudo_video_can_be_rendered_from_the_file(views, wan_folder, config):
    """The loop renders refined points in the same way."""
    autoencoder, size = WanAutoencoder(load_vae(wan_folder)), (config.height, config.width)
    for view in views:
        seen = to_camera(view.world.double(), view.R.double(), view.t.double())
        pixels, depth = project(seen, view.K.double()), seen[..., 2]
        torch.testing.assert_close(pixels[0].float(), view.anchors, atol=1e-4, rtol=0)
        motion = render(pixels, depth, view.anchors.double(), view.s.double(), size, radius=config.pseudo_video.radius)
        assert (
            autoencoder.encode(motion) - view.z_motion
        ).abs().mean() < 1e-3  # poses are stored in float32: a point on the edge of a pixel may cross it
        inside = (pixels.round() >= 0).all(-1) & (pixels.round() < torch.tensor(size).flip(0)).all(-1)
        torch.testing.assert_close(
            view.s.double(), torch.stack([depth[inside].min(), depth[inside].max()]), atol=1e-5, rtol=0
        )


def test_points_are_those_visible_in_frame_0(views, clip, config):
    size = torch.tensor([config.width, config.height])
    for index, view in enumerate(views):
        seen = np.flatnonzero(clip.tracks.visible[index, 0])
        assert 0 < len(seen) < clip.tracks.world.shape[1]  # the rule has an effect
        assert np.array_equal(view.world, clip.tracks.world[:, seen])
        assert np.array_equal(view.visible, clip.tracks.visible[index][:, seen])
        assert np.array_equal(view.part, clip.tracks.part[seen])
        assert view.visible[0].all()
        assert ((view.anchors > -0.5) & (view.anchors < size - 0.5)).all()
        assert set(view.part.tolist()) <= set(range(len(PARTS)))


def test_intrinsics_follow_the_smaller_grid(views, clip):
    for index, view in enumerate(views):
        camera = clip.views[index].camera
        corner = np.array([0, 0, 0.5])  # pixel areas are aligned, not centres
        half = (camera.K[:2] + corner) / 2 - corner
        np.testing.assert_allclose(view.K[:2], half, rtol=1e-6)
        np.testing.assert_allclose(view.R, camera.R, atol=1e-6)
        np.testing.assert_allclose(view.t, camera.t, atol=1e-6)


def test_prompts_and_the_empty_one_are_embedded(cache, views, clip, wan_folder, config):
    encoder = load_text_encoder(wan_folder)
    assert {view.prompt for view in views} == {clip.prompt}
    for prompt in ("", clip.prompt):
        assert torch.equal(cache.text(prompt), encoder.embed([prompt], config.text_tokens)[0])


@pytest.mark.parametrize(
    ("most", "expected"),
    [(100, range(3, 33)), (30, range(3, 33)), (3, (3, 13, 23)), (1, (3,)), (20, np.arange(20) * 30 // 20 + 3)],
)
def test_at_most_k_points_are_chosen_evenly(clip, config, most, expected):
    """30 points are visible; each is recognized by its position."""
    visible = np.zeros_like(clip.tracks.visible)
    visible[:, 0, 3:33] = True
    style = replace(config.pseudo_video, points=most)
    rendered = render_view(
        replace(clip, tracks=replace(clip.tracks, visible=visible)), 0, replace(config, pseudo_video=style)
    )
    assert np.array_equal(rendered.fields["world"], clip.tracks.world[:, list(expected)].astype(np.float32))


def test_an_empty_argument_is_refused(arguments, capsys):
    assert main([*arguments, "--out", ""]) == 2
    assert "error: --out is empty (an unset variable?): give a value" in capsys.readouterr().err


def test_unrecorded_frames_are_not_drawn(clip, config):
    recorded = np.ones(clip.tracks.world.shape[:2], dtype=bool)
    recorded[5:8] = False
    tracks = clip.tracks
    partial = type(tracks)(tracks.world, tracks.visible & recorded, tracks.part, recorded)
    rendered = render_view(replace(clip, tracks=partial), 0, config)
    lit = rendered.motion.any(axis=(1, 2, 3))
    assert lit[:5].all() and not lit[5:8].any() and lit[8:].all()


def test_eight_bits_are_256_levels(clip, config):
    style = replace(config.pseudo_video, eight_bit=True)
    levels = render_view(clip, 0, replace(config, pseudo_video=style)).motion * 255
    np.testing.assert_allclose(levels, levels.round(), atol=1e-4)
    assert len(np.unique(levels.round())) > 20


def test_the_same_command_skips_all_and_loads_nothing(arguments, prepared_cache, monkeypatch, capsys):
    before = {path: path.stat().st_mtime_ns for path in prepared_cache.rglob("*")}
    for module, name in ((autoencoder, "load_vae"), (text_encoder, "load_text_encoder")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("loaded"))
    assert main([*arguments, "--out", str(prepared_cache), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == {
        "out": str(prepared_cache), "clips": 1, "views": {"created": 0, "skipped": 3, "failed": 0}, "failed": {}, "excluded": {},
        "prompts": {"created": 0, "skipped": 2},
    }  # fmt: skip
    assert {path: path.stat().st_mtime_ns for path in prepared_cache.rglob("*")} == before


def test_damaged_files_are_replaced_with_the_same_bytes(arguments, prepared_cache, clip, contents, tmp_path, capsys):
    out = shutil.copytree(prepared_cache, tmp_path / "cache")
    left, center, right = sorted(
        out.glob(f"views/{clip.id}/*/*.safetensors"), key=lambda path: "lcr".index(path.parent.name[0])
    )
    left.write_bytes(left.read_bytes()[:-1])
    center.unlink()
    text_file = next(out.glob("text/*.safetensors"))
    text_file.write_bytes(text_file.read_bytes()[:-1] + b"x")
    (right.parent / ".tmp-01234567-killed.safetensors").write_bytes(b"half")
    assert main([*arguments, "--out", str(out)]) == 0
    output = capsys.readouterr()
    assert "views: 2 created, 1 skipped, 0 failed\nprompts: 1 created, 1 skipped" in output.out
    assert "\x1b" not in output.out + output.err
    assert contents(out) == contents(prepared_cache)


def test_the_text_encoder_is_released_before_the_autoencoder_is_loaded(job, view_group, monkeypatch):
    encoders, order, counts = [], [], []
    load_text, load_video = text_encoder.load_text_encoder, autoencoder.load_vae

    def load_words(*arguments, **options):
        encoder = load_text(*arguments, **options)
        encoders.append(weakref.ref(encoder.model))
        order.append("text")
        return encoder

    def load_pictures(*arguments):
        gc.collect()
        order.append("video")
        assert [encoder() for encoder in encoders] == [None]
        return load_video(*arguments)

    monkeypatch.setattr(text_encoder, "load_text_encoder", load_words)
    monkeypatch.setattr(autoencoder, "load_vae", load_pictures)
    assert prepare_text(job, ["a hammer", "", "a hammer"], lambda *count: counts.append(count)) == (2, 0)
    assert counts == [(0, 2), (1, 2)]
    prepare_clips(job, [view_group()], lambda result: None)
    assert order == ["text", "video"]


def test_bfloat16_halves_latents_and_text_and_nothing_else(arguments, prepared_cache, clip, tmp_path):
    out = tmp_path / "half"
    assert main([*arguments, "--out", str(out), "--dtype", "bfloat16"]) == 0
    full, half = LatentCache(prepared_cache), LatentCache(out)
    view = full.views(clip.id)[0].id
    one, other = full.load(clip.id, view), half.load(clip.id, view)
    for name in ("z_video", "z_motion"):
        assert torch.equal(getattr(other, name), getattr(one, name).bfloat16())
    assert torch.equal(half.text(clip.prompt), full.text(clip.prompt).bfloat16())
    assert other.world.dtype == other.s.dtype == torch.float32
    assert torch.equal(other.world, one.world)


def test_a_launch_configuration_may_change_the_pseudo_videos(arguments, config, tmp_path):
    """Squares of 5 pixels instead of 7, for a training with the same launch configuration."""
    launch = tmp_path / "wide.toml"
    stage = '[[stages]]\nname = "loop"\nobjective = "joint"\niterations = 1\nsize = [128, 192]\n'
    launch.write_text(stage + "[model.pseudo_video]\nradius = 2\n")
    assert main([*arguments, "--launch", str(launch), "--out", str(tmp_path / "wide")]) == 0
    wide = LatentCache(tmp_path / "wide")
    wide.check(replace(config, pseudo_video=replace(config.pseudo_video, radius=2)))
    with pytest.raises(ValueError, match="radius"):
        wide.check(config)


def test_a_prompt_that_is_too_long_costs_no_other(job):
    with pytest.raises(ValueError, match="has 42 tokens, the model takes at most 16: shorten it"):
        prepare_text(job, ["a hammer", "z" * 40], lambda *count: None)
    assert prepare_text(job, ["a hammer"], lambda *count: None) == (0, 1)
