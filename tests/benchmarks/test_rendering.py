"""Rendering with embree compared with the numpy z-buffer, and the cost of a clip."""

import pytest

from hoibench.datasets.numpy_ray_caster import NumpyCaster
from hoibench.datasets.ray_casting import EmbreeCaster, pixel_rays
from hoibench.datasets.surfaces import build_frame_mesh
from hoibench.datasets.synthetic.cameras import SOURCE_CAMERA, TRIO, build_camera
from hoibench.datasets.synthetic.load import load_clip
from hoibench.datasets.synthetic.materials import build_textured_surfaces
from hoibench.datasets.synthetic.scene import build_scene
from hoibench.datasets.synthetic.writer import write_sequence
from hoibench.datasets.taco.download import TacoDownload

TRIPLET = ("spoon", "stir", "pan")


@pytest.mark.benchmark(group="primary rays of one 128x192 view, 2x2 samples a pixel")
@pytest.mark.parametrize("kind", [EmbreeCaster, NumpyCaster])
def test_primary_rays(benchmark, kind):
    surfaces = [textured.surface for textured in build_textured_surfaces(build_scene(TRIPLET, 0, 0, 1, frames=1), 1)]
    corners = build_frame_mesh(surfaces, 0).corners
    rays = pixel_rays(build_camera(TRIO[1]), samples=2)
    hits = benchmark.pedantic(lambda: kind(corners).cast(*rays), rounds=5, warmup_rounds=1)
    assert hits.is_hit.mean() > 0.9


@pytest.mark.benchmark(group="a synthetic clip, 4 views x 25 frames")
def test_generate(benchmark, tmp_path):
    scene = build_scene(TRIPLET, 0, 0, 1)
    benchmark.pedantic(lambda: write_sequence(tmp_path, "20230927_001", scene, (*TRIO, SOURCE_CAMERA), 1), rounds=3)


@pytest.mark.benchmark(group="a synthetic clip, 4 views x 25 frames")
def test_load(benchmark, tmp_path):
    write_sequence(tmp_path, "20230927_001", build_scene(TRIPLET, 0, 0, 1), (*TRIO, SOURCE_CAMERA), 1)

    def load():
        clip = load_clip(TacoDownload(tmp_path), "20230927_001", TRIO, SOURCE_CAMERA, points=256, truth="synthetic")
        return clip.video, clip.masks, clip.load_source_videos()

    benchmark.pedantic(load, rounds=3)
