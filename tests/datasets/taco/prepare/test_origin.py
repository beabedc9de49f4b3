"""A folder of prepared clips is made with one thing, whoever comes first and however many come at once."""

import errno
import json
import os

import pytest

from hoibench.datasets.taco.prepare import origin as module
from hoibench.datasets.taco.prepare.origin import Origin, check_made_with, claim, read_origin
from hoibench.datasets.taco.prepare.sealed import Unwritable

OURS = Origin("taco", "mano", (3000, 4096))
THEIRS = Origin("proxy-hand", "hoibench-proxy", (3000, 4096))


def test_what_was_claimed_is_read_and_may_be_claimed_again(tmp_path):
    claim(tmp_path / "new" / "folder", OURS)
    claim(tmp_path / "new" / "folder", OURS)
    assert read_origin(tmp_path / "new" / "folder") == OURS
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["prepared.json"]


def come_in_between(monkeypatch, folder, origin):
    """Have another process claim the folder just after ours found it new."""
    real = module.is_origin

    def found_new(out):
        monkeypatch.setattr(module, "is_origin", real)
        claim(folder, origin)
        return False

    monkeypatch.setattr(module, "is_origin", found_new)


def test_of_two_who_claim_a_new_folder_at_once_only_one_may_go_on(tmp_path, monkeypatch):
    come_in_between(monkeypatch, tmp_path, THEIRS)
    with pytest.raises(ValueError, match="truth proxy-hand, now taco, hand_model hoibench-proxy, now mano"):
        claim(tmp_path, OURS)
    assert read_origin(tmp_path) == THEIRS


def test_two_of_one_mind_both_go_on(tmp_path, monkeypatch):
    come_in_between(monkeypatch, tmp_path, OURS)
    claim(tmp_path, OURS)
    assert read_origin(tmp_path) == OURS


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    claim(tmp_path, OURS)
    assert read_origin(tmp_path) == OURS
    assert [path.name for path in tmp_path.iterdir()] == ["prepared.json"]


def test_what_is_known_of_an_origin_is_held_against_what_is_there(tmp_path):
    check_made_with(tmp_path, "taco", "mano")
    claim(tmp_path, THEIRS)
    check_made_with(tmp_path, "proxy-hand", "hoibench-proxy")
    with pytest.raises(
        ValueError, match="prepared otherwise .*hand_model hoibench-proxy, now mano.* into another folder"
    ):
        check_made_with(tmp_path, "taco", "mano")


def test_another_resolution_does_not_mix(tmp_path):
    claim(tmp_path, OURS)
    with pytest.raises(ValueError, match=r"native_size \(3000, 4096\), now \(376, 512\)"):
        claim(tmp_path, Origin("taco", "mano", (376, 512)))


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable, match="file"):
        claim(tmp_path / "file" / "out", OURS)


@pytest.mark.parametrize("table", [{}, {"schema": "hoibench/taco-clips@0"}, {"schema": "hoibench/taco-clips@1"}])
def test_a_record_of_another_version_is_refused(tmp_path, table):
    (tmp_path / "prepared.json").write_text(json.dumps(table))
    with pytest.raises(ValueError, match=r"prepared\.json"):
        read_origin(tmp_path)


def test_a_folder_that_nobody_prepared_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder that hoibench data prepare wrote"):
        read_origin(tmp_path)
