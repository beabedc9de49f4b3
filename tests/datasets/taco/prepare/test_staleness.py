"""Views and tracks of different downloads are never mixed."""

import json
import os
import shutil

import numpy as np
import pytest
import taco_faults
from taco_pictures import paint, write_video
from taco_prepare import prepare_views
from taco_tree import SHORT, TRIO

from hoibench.datasets.surfaces import BACKGROUND
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.prepare.format import has_tracks, has_view, tracks_folder, view_folder
from hoibench.datasets.taco.protocol import Recipe
from hoibench.datasets.taco.recording import Recording
from hoibench.store import write_bytes

KEY = SHORT.key
RECIPE = Recipe("clip", "raw")
ONE, TWO, THREE = TRIO


def prepare(taco, out, *serials, recipe=RECIPE):
    return prepare_views(Recording(taco.download, taco.download.sequence(KEY), ProxyHand()), out, serials, recipe)


@pytest.fixture
def out(prepared_views, tmp_path):
    """SHORT, prepared for one camera."""
    out = shutil.copytree(prepared_views("taco-short", (KEY, (ONE, TWO), RECIPE)), tmp_path / "out")
    shutil.rmtree(view_folder(out, KEY, RECIPE, TWO))
    return out


def unpack_again(path):
    """The same bytes in a file of another time."""
    data, old = path.read_bytes(), path.stat().st_mtime
    write_bytes(path, data)
    os.utime(path, (old + 100, old + 100))


def recalibrate(taco):
    path = taco.sequence(KEY).calibration
    table = json.loads(path.read_text())
    for entry in table.values():
        entry["T"][0] += 0.01
    write_bytes(path, json.dumps(table).encode())


def test_views_of_two_calibrations_are_an_error(taco_copy, out):
    recalibrate(taco_copy)
    with pytest.raises(
        ValueError,
        match=rf"{KEY}/clip-raw/{ONE} was prepared from another calibration than .*calibration\.json: delete",
    ):
        prepare(taco_copy, out, TWO)
    assert not has_view(out, KEY, RECIPE, TWO)
    # The same for another recipe and for the existing view.
    with pytest.raises(ValueError, match="another calibration"):
        prepare(taco_copy, out, TWO, recipe=Recipe("frame0", "raw"))
    with pytest.raises(ValueError, match="another calibration"):
        prepare(taco_copy, out, ONE)
    shutil.rmtree(view_folder(out, KEY, RECIPE, ONE))
    assert prepare(taco_copy, out, ONE, TWO) == (ONE, TWO)


def test_another_video_than_that_of_an_existing_view_is_an_error(taco_copy, out):
    path = taco_copy.sequence(KEY).video(ONE)
    nothing = np.full(taco_copy.size, BACKGROUND)
    write_video(path, np.stack([paint(nothing, frame) for frame in range(SHORT.frames)]), 30.0)
    with pytest.raises(ValueError, match=rf"clip-raw/{ONE} was prepared from another video than .*{ONE}\.mp4: delete"):
        prepare(taco_copy, out, ONE)
    assert prepare(taco_copy, out, TWO) == (TWO,)


def test_other_annotations_are_an_error_even_without_tracks(taco_copy, out):
    taco_faults.nan_pose_rows(taco_copy, KEY, "target", (60,))
    with pytest.raises(ValueError, match=rf"{KEY}/tracks was prepared from other annotations .* delete"):
        prepare(taco_copy, out, ONE)
    shutil.rmtree(tracks_folder(out, KEY))
    with pytest.raises(ValueError, match=rf"clip-raw/{ONE} was prepared from other annotations .* delete"):
        prepare(taco_copy, out, ONE, TWO)
    assert not has_tracks(out, KEY)


def test_equal_files_unpacked_again_are_accepted(taco_copy, out):
    sequence = taco_copy.sequence(KEY)
    recording = Recording(taco_copy.download, taco_copy.download.sequence(KEY))
    for path in [sequence.calibration, sequence.video(ONE), *recording.annotation_files]:
        unpack_again(path)
    assert prepare(taco_copy, out, ONE) == ()
    assert prepare(taco_copy, out, ONE, TWO) == (TWO,)


def test_a_prepared_sequence_is_not_read(taco, out, monkeypatch):
    def read(*_):
        raise AssertionError("a file was read whose stamp is the same")

    for name in ("calibrations", "hands", "object_poses", "meshes", "video_info"):
        monkeypatch.setattr(Recording, name, property(read))
    assert prepare(taco, out, ONE) == ()


def test_a_deleted_video_is_accepted(taco_copy, out):
    taco_faults.drop_camera(taco_copy, KEY, ONE)
    assert prepare(taco_copy, out, ONE) == ()


def test_a_damaged_record_of_an_unused_view_is_ignored(taco, out):
    (view_folder(out, KEY, RECIPE, ONE) / "metadata.json").write_text("{}")
    assert not has_view(out, KEY, RECIPE, ONE)
    assert prepare(taco, out, TWO) == (TWO,)
