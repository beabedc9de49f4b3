"""Preparing one clip of TACO's size, and its stages: objects of about 100,000 faces, four videos of 4096x3000, 181 frames."""

import os
import shutil
import subprocess

import numpy as np
import pytest
import taco_tree
import trimesh
from taco_prepare import prepare_views, read_view_record

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.download import RGB, TacoDownload
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.objects import read_mesh
from hoibench.datasets.taco.prepare.format import TRACKS, tracks_folder
from hoibench.datasets.taco.prepare.sequence import render_truth
from hoibench.datasets.taco.prepare.split import prepare_all
from hoibench.datasets.taco.protocol import Recipe, choose_window
from hoibench.datasets.taco.recording import Recording
from hoibench.store import read_npz

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
FACES = 100_000
RECIPE = Recipe("clip", "raw")
KEY = taco_tree.HIT.key


def refine(path):
    """Subdivide the triangles of an OBJ file until it has about as many as TACO's objects."""
    vertices, faces = read_mesh(path)
    while 4 * len(faces) <= FACES:
        vertices, faces = trimesh.remesh.subdivide(vertices, faces)
    extra = np.random.default_rng(0).permutation(len(faces))[: (FACES - len(faces)) // 3]
    vertices, faces = trimesh.remesh.subdivide(vertices, faces, face_index=extra)
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in (100 * vertices).tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (faces + 1).tolist()]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("taco")
    native = taco_tree.NATIVE
    tree = taco_tree.write_tree(folder / "tree", folder / "lists", [taco_tree.HIT], image_size=native)
    for instance in Recording(tree.download, tree.sequence(KEY)).instances:
        refine(tree.download.mesh(instance))
    first, *others = (tree.sequence(KEY).folder(RGB) / f"{serial}.mp4" for serial in taco_tree.FOUR)
    source = ["-f", "lavfi", "-i", "testsrc2=size=4096x3000:rate=30", "-frames:v", "181", "-pix_fmt", "yuv420p"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, "-c:v", "mpeg4", "-q:v", "3", first], check=True)
    for other in others:
        other.unlink()
        other.hardlink_to(first)
    return tree.root


def open_recording(root):
    tree = TacoDownload(root)
    return Recording(tree, tree.sequence(KEY))


@pytest.fixture(scope="module")
def prepared(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    prepare_views(open_recording(root), out, taco_tree.FOUR, RECIPE)
    return out


SEQUENCES = 4


@pytest.fixture(scope="module")
def many(root):
    """Copies of the sequence under other keys, as hard links."""
    tree = TacoDownload(root)
    keys = [f"20231102_9{number:02d}" for number in range(SEQUENCES)]
    for folder in [path for path in root.glob(f"*/(*)/{KEY}") if path.is_dir()]:
        for key in keys:
            shutil.copytree(folder, folder.with_name(key), copy_function=os.link)
    serials, source = taco_tree.TRIO, taco_tree.SOURCE_CAMERA
    return tree, [
        SplitLine(ClipEntry(key, camera_ids=serials), source, {"crop": "clip", "video": "raw"}) for key in keys
    ]


@pytest.mark.benchmark(group="four such sequences with the whole command")
@pytest.mark.parametrize("workers", [1, 2])
def test_throughput(benchmark, many, tmp_path, workers):
    tree, lines = many
    report = benchmark.pedantic(
        lambda: prepare_all(tree, lines, tmp_path / "out", model=ProxyHand(), workers=workers), rounds=1
    )
    assert len(report.created) == SEQUENCES
    benchmark.extra_info["sequences per hour"] = round(3600 * SEQUENCES / benchmark.stats["mean"])


@pytest.mark.benchmark(group="one TACO clip and its source view, 100,000-face objects, 4096x3000 video")
def test_preparation(benchmark, root, tmp_path):
    outs = (tmp_path / str(number) for number in range(100))
    made = benchmark.pedantic(lambda: prepare_views(open_recording(root), next(outs), taco_tree.FOUR, RECIPE), rounds=2)
    assert len(made) == 4


@pytest.mark.benchmark(group="visibility and masks of four views")
def test_visibility_and_masks(benchmark, root, prepared):
    surfaces = open_recording(root).surfaces_in(choose_window(181, 30.0).indices)
    assert sum(len(surface.faces) for surface in surfaces) > 1.5 * FACES
    tracks = read_npz(tracks_folder(prepared, KEY) / TRACKS)
    cameras = [read_view_record(prepared, KEY, RECIPE, serial).camera.to_camera() for serial in taco_tree.FOUR]
    truths = benchmark.pedantic(lambda: render_truth(surfaces, tracks["world"], tracks["recorded"], cameras), rounds=2)
    assert all(truth.visible.any() and truth.mask.any() for truth in truths)


@pytest.mark.benchmark(group="an already prepared sequence")
def test_a_prepared_sequence_is_skipped(benchmark, root, prepared):
    assert benchmark(lambda: prepare_views(open_recording(root), prepared, taco_tree.FOUR, RECIPE)) == ()
