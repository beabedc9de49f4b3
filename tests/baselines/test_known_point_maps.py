"""Point maps of known scale and pose, written by upstream code, through the command line to scores."""

import os
import re

import numpy as np
import pandas as pd
from depth_and_part import render_depth_and_part
from fake_upstream import complete, make_tree
from fork_server import fork_run

from hoibench.cli.main import main
from hoibench.datasets.base import sample_clips
from hoibench.datasets.registry import open_dataset
from hoibench.datasets.surfaces import build_frame_mesh
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.recording import Recording
from hoibench.geometry import project, to_camera
from hoibench.geometry.point_maps import points_from_depth
from hoibench.metrics.pairing import pair_prediction
from hoibench.metrics.true_tracks import build_true_tracks
from hoibench.predictions import read_prediction

SCALES = (0.4, 1.0, 2.5)
"""Metres in a unit of the maps of each view."""


def test_points_and_scales_come_back_and_the_floor_is_printed(tmp_path, train_root, capsys):
    """The true surfaces at each pixel, of which float16 keeps 11 bits."""
    dataset = open_dataset("synthetic", train_root)
    (entry,) = sample_clips(dataset.manifest("train").entries, 1)
    clip, download = dataset.load(entry), TacoDownload(dataset.generate(entry))
    surfaces = Recording(download, download.sequence(entry.id)).surfaces
    maps = {}
    meshes = [build_frame_mesh(surfaces, n) for n in range(clip.frames)]
    for v, camera in enumerate(clip.cameras):
        depth = np.stack([render_depth_and_part(mesh, camera)[0] for mesh in meshes])
        maps[v] = points_from_depth(np.where(np.isfinite(depth), depth, 3.0), camera.K)
        np.save(tmp_path / f"{clip.id}-view-{v}.npy", maps[v] / SCALES[v])

    tree = make_tree("geometrycrafter", tmp_path)
    complete(tree, tmp_path / "hub")
    words = [
        "-m",
        "hoibench.run",
        "--dataset",
        "synthetic",
        "--root",
        str(train_root),
        "--split",
        "train",
        "--limit",
        "1",
    ]
    words += ["--method", "geometrycrafter", *tree.flags, "--set", "geometrycrafter.accept_terms=true"]
    done = fork_run(
        [*words, "--metrics", "rpe", "--workers", "1", "--out", "r"],
        imports="preimport_run", cwd=tmp_path, env={**os.environ, "FAKE_MAPS": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

    rows = pd.read_parquet(tmp_path / "r" / "results.parquet").query("method == 'geometrycrafter' and part.isna()")
    of_views = rows.dropna(subset="view").drop_duplicates("view").set_index("view")
    assert set(of_views["alignment"]) == {"per_view"}
    np.testing.assert_allclose(of_views.loc[[view.id for view in clip.views], "scale"], SCALES, rtol=1e-3)

    prediction = read_prediction(tmp_path / "r" / "predictions" / "geometrycrafter" / "seed-0" / clip.id, "per_view")
    truth = build_true_tracks(clip).without_depth_edges()
    tracks = pair_prediction(prediction, truth, "oracle-projection").pred
    assert (tracks.valid | ~truth.mask).all()
    for v, camera in enumerate(clip.cameras):
        pixels = project(to_camera(clip.tracks.world.astype(float), camera.R, camera.t), camera.K)
        for n in range(clip.frames):
            seen = truth.mask[v, n]
            column, row = np.floor(pixels[n, seen] + 0.5).astype(int).T
            error = np.linalg.norm(tracks.xyz[v, n, seen] * SCALES[v] - maps[v][n, row, column], axis=-1)
            assert error.max() < 1e-3

    assert main(["show", str(tmp_path / "r"), "--method", "geometrycrafter", "--metrics", "rpe"]) == 0
    assert re.search(r"floor of the pairing: \S+ % \(the truth itself", capsys.readouterr().out)
