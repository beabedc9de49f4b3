"""The clips that a run stores beside its predictions."""

from dataclasses import replace

import numpy as np
import pytest
from toy_runs import RecordingListener, headline_rows, run_toy

from hoibench.clip_file import CLIP_FILE, clip_folder, read_clip
from hoibench.evaluation.measure import measure
from hoibench.evaluation.rescore import rescore
from hoibench.metric_card import select_cards
from hoibench.metrics.case import Case
from hoibench.predictions import decode_prediction, read_prediction, trim_prediction
from hoibench.rigid_object import OBJECT_PARTS, RigidObject

pytestmark = pytest.mark.usefixtures("toy")

METRICS = "rpe,mv_rpe_world,xv_rpe,chamfer,motion_following,smoothness,rigidity,object_rotation,object_error"


def headline_values(case):
    measured = [(card.id, m) for card in select_cards(METRICS.split(",")) for m in measure(case, card)]
    return {(name, m.region): m.value for name, m in measured if m.view is m.pair is m.part is m.frame is None}


def test_a_stored_clip_gives_the_run_s_values(tmp_path, monkeypatch):
    from toyset.data import Toy

    load = Toy.load
    triangle = np.eye(3), np.array([[0, 1, 2]])

    def load_with_objects(self, entry):
        clip = load(self, entry)
        tool = RigidObject(OBJECT_PARTS[0], *triangle, np.stack([np.eye(3)] * clip.frames), np.zeros((clip.frames, 3)))
        return replace(clip, valid_frames=4, load_objects=lambda: (tool,))

    monkeypatch.setattr(Toy, "load", load_with_objects)
    out = tmp_path / "r"
    run_toy(out, limit=1, metrics=METRICS)
    rows = headline_rows(out).reset_index()
    (name,) = rows["clip"].unique()
    clip = read_clip(clip_folder(out, name))
    assert (clip.frames, clip.valid_frames, clip.video) == (4, None, None)
    assert {path.name for path in clip_folder(out, name).iterdir()} == {CLIP_FILE, "tracks.npz", "objects.npz"}
    assert [len(rigid.R) for rigid in clip.objects] == [4]
    for method in ("still", "gt_noise_1cm"):
        stored = decode_prediction(read_prediction(out / "predictions" / method / "seed-0" / name))
        expected = rows[rows["method"] == method].set_index(["metric", "region"])["value"]
        found = headline_values(Case(trim_prediction(stored, clip.frames), clip))
        assert found == dict(expected)
        assert all(value is not None for value in found.values())


def test_scoring_again_writes_missing_clips_and_keeps_the_others(tmp_path):
    out = tmp_path / "r"
    run_toy(out, limit=2)
    one, two = sorted((out / "clips").iterdir())
    before = {path: path.read_bytes() for path in two.iterdir()}
    times = {path: path.stat().st_mtime_ns for path in one.iterdir()}
    (two / CLIP_FILE).unlink()  # as if the process had been killed before it was written
    (two / "tracks.npz").write_bytes(b"partial")
    rescore(out, {"workers": 1}, "cpu", RecordingListener())
    assert {path: path.stat().st_mtime_ns for path in one.iterdir()} == times
    assert read_clip(two).tracks.world.shape == read_clip(one).tracks.world.shape
    assert (two / CLIP_FILE).read_bytes() == before[two / CLIP_FILE]
