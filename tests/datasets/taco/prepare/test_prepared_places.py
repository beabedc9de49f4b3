"""Prepared folders that were brought from elsewhere, or edited, are not taken for what they are not."""

import json
import shutil

import pytest
import taco_faults
import taco_tree
from mano_files import write_mano

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.clip_source import PreparedClips, prepared_folder
from hoibench.datasets.taco.hand.hand_models import ProxyHand, read_mano_hand
from hoibench.datasets.taco.prepare.split import prepare_line
from hoibench.datasets.taco.splits import split_lines

KEY = taco_tree.HIT.key


@pytest.fixture
def line():
    return next(line for line in split_lines("test") if line.entry.id == KEY)


@pytest.fixture
def brought(prepared, tmp_path):
    """A copy of the prepared clip, to be spoilt."""
    return PreparedClips(shutil.copytree(prepared, tmp_path / "brought"))


def test_exchanged_views_are_an_error(brought, line):
    views = brought.folder / KEY / "clip-raw"
    (views / "22139911").rename(views / "other")
    (views / "22139946").rename(views / "22139911")
    (views / "other").rename(views / "22139946")
    with pytest.raises(ValueError, match="belongs to 22139946, clip-raw, .* expected 22139911, clip-raw"):
        brought.load(line)


def test_tracks_of_another_sequence_are_an_error(brought, line):
    (brought.folder / KEY).rename(brought.folder / "20231102_071")
    shutil.copytree(brought.folder / "20231102_071", brought.folder / KEY)
    brought.load(line)
    other = line.entry.__class__("20231102_071", line.entry.triplet, None, line.entry.camera_ids)
    with pytest.raises(ValueError, match=f"belongs to {KEY}, .* expected 20231102_071"):
        brought.load(line.__class__(other, line.source, line.recipe))


@pytest.mark.parametrize("change", [{"truth": "taco"}, {"hand_model": "mano-0123456789ab"}])
def test_clips_of_another_truth_are_an_error(brought, line, change):
    path = brought.folder / "prepared.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=f"belongs to {KEY}, synthetic, hoibench-proxy, expected"):
        brought.load(line)


def test_another_mano_file_is_another_model(taco_copy, tmp_path):
    taco_faults.claim_mano(taco_copy)
    models = []
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        for side in ("left", "right"):
            write_mano(folder, side, seed=seed)
        models.append(read_mano_hand(folder))
    assert read_mano_hand(tmp_path / "0").identity == models[0].identity
    assert len({model.identity for model in (*models, ProxyHand())}) == 3
    assert len({prepared_folder(taco_copy.download, model) for model in (*models, ProxyHand())}) == 3
    out = tmp_path / "out"
    short = SplitLine(
        ClipEntry(taco_tree.SHORT.key, camera_ids=taco_tree.TRIO[:1]), None, {"crop": "clip", "video": "raw"}
    )
    prepare_line(taco_copy.download, short, out, models[0])
    with pytest.raises(ValueError, match="was made with other settings .*hand_model was mano-"):
        prepare_line(taco_copy.download, short, out, models[1])
