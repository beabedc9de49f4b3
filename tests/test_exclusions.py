"""Files with clips to leave out of runs."""

import pytest

from hoibench.exclusions import ExcludedClip, Exclusions, read_exclusions


def write(path, *ids, reasons=()):
    Exclusions(clips=tuple(ExcludedClip(id=id, reasons=reasons) for id in ids)).write(path)
    return path


def test_a_list_has_the_ids_and_is_named_by_file_and_digest(tmp_path):
    read = read_exclusions(write(tmp_path / "suspects.json", "b", "a"))
    assert read.ids == {"a", "b"}
    assert read.name == f"suspects.json ({read.digest})"


def test_the_digest_is_that_of_the_ids_alone(tmp_path):
    read = read_exclusions(write(tmp_path / "1.json", "a", "b"))
    assert read_exclusions(write(tmp_path / "2.json", "b", "a", "a", reasons=("is displaced",))).digest == read.digest
    assert read_exclusions(write(tmp_path / "3.json", "a")).digest != read.digest


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "list.json"
    path.write_text('{"schema": "hoibench/exclusions@1", "clips": ["a"]}')
    with pytest.raises(ValueError, match=r"list\.json"):
        read_exclusions(path)
    with pytest.raises(FileNotFoundError):
        read_exclusions(tmp_path / "none.json")
