"""Settings of a folder of prepared clips."""

import json

import pytest

from hoibench.datasets.taco.prepare.format import (
    PreparationSettings,
    check_truth,
    ensure_preparation_settings,
    is_prepared_folder,
    read_settings,
)
from hoibench.store.atomic import WriteError

OURS = PreparationSettings(truth="taco", hand_model="mano", native_size=(3000, 4096))
THEIRS = PreparationSettings(truth="proxy-hand", hand_model="hoibench-proxy", native_size=(3000, 4096))


def test_settings_are_read_and_may_be_repeated(tmp_path):
    folder = tmp_path / "new" / "folder"
    assert not is_prepared_folder(folder)
    for _ in range(2):
        ensure_preparation_settings(folder, OURS)
    assert is_prepared_folder(folder)
    assert read_settings(folder) == OURS


def test_other_settings_are_an_error(tmp_path):
    ensure_preparation_settings(tmp_path, THEIRS)
    with pytest.raises(
        ValueError, match=r"\(truth was proxy-hand, now taco; hand_model was hoibench-proxy, now mano\)"
    ):
        ensure_preparation_settings(tmp_path, OURS)
    assert read_settings(tmp_path) == THEIRS


def test_another_resolution_is_an_error(tmp_path):
    ensure_preparation_settings(tmp_path, OURS)
    with pytest.raises(
        ValueError, match=r"native_size was \[3000, 4096\], now \[376, 512\]\): prepare into another folder"
    ):
        ensure_preparation_settings(
            tmp_path, PreparationSettings(truth="taco", hand_model="mano", native_size=(376, 512))
        )


def test_truth_and_hand_model_are_checked_before_preparation(tmp_path):
    check_truth(tmp_path, "taco", "mano")
    ensure_preparation_settings(tmp_path, THEIRS)
    check_truth(tmp_path, "proxy-hand", "hoibench-proxy")
    for truth, hand_model, message in (
        ("proxy-hand", "mano", r"\(hand_model was hoibench-proxy, now mano\): prepare into another folder"),
        ("taco", "hoibench-proxy", r"\(truth was proxy-hand, now taco\): prepare into another folder"),
    ):
        with pytest.raises(ValueError, match=message):
            check_truth(tmp_path, truth, hand_model)


def test_an_unwritable_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="file"):
        ensure_preparation_settings(tmp_path / "file" / "out", OURS)


@pytest.mark.parametrize("table", [{}, {"schema": "hoibench/taco-clips@0"}, {"schema": "hoibench/taco-clips@1"}])
def test_settings_of_another_version_are_an_error(tmp_path, table):
    (tmp_path / "prepared.json").write_text(json.dumps(table))
    with pytest.raises(ValueError, match=r"prepared\.json.*: prepare into a new folder"):
        read_settings(tmp_path)


def test_a_folder_without_prepared_clips_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="was not written by hoibench data prepare"):
        read_settings(tmp_path)
