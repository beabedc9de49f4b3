import json

import numpy as np
import pytest

from hoibench.clip import Prediction, Request, View
from hoibench.methods.check import check_outputs, check_prediction
from hoibench.methods.spec import Spec
from hoibench.predictions import (
    decode_prediction,
    find_damaged_files,
    find_prediction,
    is_complete,
    read_prediction,
    read_prediction_record,
    write_prediction,
)
from hoibench.video import encode

V, N, H, W, K = 2, 5, 32, 48, 7


def frames(seed=0):
    smooth = np.random.default_rng(seed).integers(0, 256, (V, 1, 4, 6, 3), np.uint8)
    return np.repeat(smooth, N, 1).repeat(8, 2).repeat(8, 3)


@pytest.fixture
def prediction():
    rng = np.random.default_rng(0)
    return Prediction(
        video=frames(),
        tracks=rng.normal(size=(V, N, K, 3)).astype(np.float32),
        anchors=rng.uniform(0, 30, (V, K, 2)).astype(np.float32),
        valid=rng.random((V, N, K)) < 0.5,
        scale="shared",
        crop=(0, 1, 30, 40),
        provenance={"steps": 3},
    )


def test_round_trip(tmp_path, prediction):
    write_prediction(tmp_path, prediction, 8.0, seconds=1.5)
    assert is_complete(tmp_path)
    back = decode_prediction(read_prediction(tmp_path))
    assert np.array_equal(back.tracks, prediction.tracks)
    assert np.array_equal(back.anchors, prediction.anchors)
    assert np.array_equal(back.valid, prediction.valid)
    assert (back.scale, back.crop, back.provenance) == ("shared", (0, 1, 30, 40), {"steps": 3})
    assert np.abs(back.video.astype(int) - prediction.video).mean() < 4
    assert read_prediction_record(tmp_path).seconds == 1.5


def test_lossless_codec_keeps_every_byte_of_grey(tmp_path):
    grey = np.repeat(np.arange(V * N, dtype=np.uint8).reshape(V, N, 1, 1, 1) * 20, H, 2).repeat(W, 3).repeat(3, 4)
    write_prediction(tmp_path, Prediction(video=grey), 8.0, codec="ffv1")
    assert np.array_equal(decode_prediction(read_prediction(tmp_path)).video, grey)


def test_encoded_files_are_copied_byte_for_byte(tmp_path):
    source = tmp_path / "source.mp4"
    encode(source, frames()[0], 8.0)
    write_prediction(tmp_path / "out", Prediction(video=(source, source)), 8.0)
    assert (tmp_path / "out" / "view-1.mp4").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("damage", ["record", "missing", "short", "long", "text", "list"])
def test_a_damaged_prediction_is_not_complete(tmp_path, prediction, damage):
    write_prediction(tmp_path, prediction, 8.0)
    if damage == "record":
        (tmp_path / "prediction.json").unlink()
    elif damage == "missing":
        (tmp_path / "view-1.mp4").unlink()
    elif damage == "long":
        (tmp_path / "tracks.npz").write_bytes((tmp_path / "tracks.npz").read_bytes() + b"x")
    elif damage == "short":
        (tmp_path / "tracks.npz").write_bytes((tmp_path / "tracks.npz").read_bytes()[:-1])
    else:
        (tmp_path / "prediction.json").write_text("{" if damage == "text" else "[]")
    assert not is_complete(tmp_path)


def has_no_damage(folder):
    """Result of ``is_complete`` by the slower reader that explains the damage."""
    try:
        return not find_damaged_files(folder)
    except (OSError, ValueError):
        return False


@pytest.mark.parametrize(
    "change",
    [
        {}, {"schema": "hoibench/prediction@1"}, {"schema": None}, {"files": {}}, {"files": []}, {"files": None}, {"more": 1},
        {"scale": "feet"}, {"crop": [1, 2]}, {"crop": [1, 2, 3, 4]}, {"files": {"../x": {"bytes": 1, "sha256": "a"}}},
        {"files": {"view-0.mp4": {"bytes": 1}}}, {"files": {"view-9.mp4": {"bytes": 1, "sha256": "a"}}}, {"seconds": None},
    ],
)  # fmt: skip
def test_completeness_is_that_of_the_reader_that_explains(tmp_path, prediction, change):
    write_prediction(tmp_path, prediction, 8.0)
    record = json.loads((tmp_path / "prediction.json").read_text()) | change
    (tmp_path / "prediction.json").write_text(json.dumps(record))
    assert is_complete(tmp_path) == has_no_damage(tmp_path)


def test_temporary_files_of_a_killed_call_are_removed(tmp_path, prediction):
    (tmp_path / ".tmp-01234567-view-0.mp4").write_bytes(b"half")
    write_prediction(tmp_path, prediction, 8.0)
    assert not list(tmp_path.glob(".tmp-*")) and is_complete(tmp_path)


def test_folders_made_by_hand_need_no_record(tmp_path):
    encode(tmp_path / "view-0.mp4", frames()[0], 8.0)
    encode(tmp_path / "view-1.mp4", frames()[1], 8.0)
    assert read_prediction(tmp_path).scale == "metric"


def test_reading_errors_name_the_file(tmp_path, prediction):
    with pytest.raises(FileNotFoundError, match=r"view-0.mp4, view-1.mp4"):
        read_prediction(tmp_path)
    encode(tmp_path / "view-1.mp4", frames()[0], 8.0)
    with pytest.raises(ValueError, match="without a gap"):
        read_prediction(tmp_path)
    write_prediction(tmp_path / "p", prediction, 8.0)
    (tmp_path / "p" / "prediction.json").write_text(json.dumps({"schema": "other"}))
    with pytest.raises(ValueError, match="schema is 'other', expected"):
        read_prediction(tmp_path / "p")
    np.savez(tmp_path / "p" / "tracks.npz", tracks=np.full((V, N, K, 3), np.nan), anchors=np.zeros((V, K, 2)))
    (tmp_path / "p" / "prediction.json").unlink()
    with pytest.raises(ValueError, match="tracks.npz: tracks have NaN"):
        read_prediction(tmp_path / "p")


def test_views_must_agree(tmp_path):
    encode(tmp_path / "view-0.mp4", frames()[0], 8.0)
    encode(tmp_path / "view-1.mp4", frames()[1, :3], 8.0)
    with pytest.raises(ValueError, match=r"view-0.mp4: 5 frames of 32x48; view-1.mp4: 3 frames"):
        decode_prediction(read_prediction(tmp_path))


def test_seed_folders_come_first(tmp_path):
    (tmp_path / "clip").mkdir()
    assert find_prediction(tmp_path, "clip", 1) == tmp_path / "clip"
    (tmp_path / "seed-1" / "clip").mkdir(parents=True)
    assert find_prediction(tmp_path, "clip", 1) == tmp_path / "seed-1" / "clip"
    with pytest.raises(FileNotFoundError, match="seed-0"):
        find_prediction(tmp_path, "other", 0)


def test_a_prediction_has_exactly_the_outputs_of_its_spec(prediction):
    check_outputs(prediction, Spec(id="a", outputs=("video", "tracks")))
    with pytest.raises(ValueError, match="has the outputs video, tracks, but the spec of a declares video$"):
        check_outputs(prediction, Spec(id="a", outputs=("video",)))
    with pytest.raises(
        ValueError, match="has the outputs video, tracks, but the spec of a declares video, tracks, masks"
    ):
        check_outputs(prediction, Spec(id="a", outputs=("video", "tracks", "masks")))


def test_a_prediction_must_fit_its_request(prediction):
    views = (View("a"), View("b"))
    request = Request("c", None, views, N, 8.0, (H, W), 0, anchors=np.zeros((V, K, 2)))
    check_prediction(prediction, request)
    with pytest.raises(ValueError, match="video has shape"):
        check_prediction(Prediction(video=frames()[:, :3]), request)
    with pytest.raises(ValueError, match="for 4 query anchors"):
        check_prediction(prediction, Request("c", None, views, N, 8.0, (H, W), 0, anchors=np.zeros((V, 4, 2))))


@pytest.mark.parametrize(
    "files", [{"../other/view-0.mp4": {}}, {"/etc/passwd": {}}, ["view-0.mp4"], 3, {"view-0.avi": {}}]
)
def test_a_record_may_not_name_files_outside_its_folder(tmp_path, files):
    (tmp_path / "prediction.json").write_text(
        json.dumps({"schema": "hoibench/prediction@2", "scale": "metric", "files": files})
    )
    with pytest.raises(ValueError, match=r"prediction\.json: files"):
        read_prediction(tmp_path)
    assert not is_complete(tmp_path)


def test_links_to_other_folders_are_refused(tmp_path):
    encode(tmp_path / "theirs.mp4", frames()[0], 8.0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "view-0.mp4").symlink_to(tmp_path / "theirs.mp4")
    with pytest.raises(ValueError, match="is a link to another folder"):
        read_prediction(tmp_path / "mine")


@pytest.mark.parametrize(
    ("change", "message"), [({"crop": 7}, "crop is 7: "), ({"provenance": "x"}, "provenance is 'x': ")]
)
def test_a_record_is_checked_field_by_field(tmp_path, prediction, change, message):
    write_prediction(tmp_path, prediction, 8.0)
    record = json.loads((tmp_path / "prediction.json").read_text())
    (tmp_path / "prediction.json").write_text(json.dumps(record | change))
    with pytest.raises(ValueError, match=r"prediction\.json: " + message):
        read_prediction(tmp_path)
