"""A sealed folder is whole or absent, and a damaged one is replaced, whoever else is at it."""

import pytest

from hoibench.datasets.taco.prepare import sealed
from hoibench.datasets.taco.prepare.sealed import Damaged, is_sealed, peek, read_sealed, seal


def write(folder, text="whole"):
    seal(folder, {"text": text}, lambda temporary: (temporary / "file.txt").write_text(text))


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "folder")
    return tmp_path / "folder"


def test_what_was_sealed_is_read_and_stays(folder):
    assert peek(folder)["text"] == read_sealed(folder)["text"] == "whole"
    write(folder, "another")
    assert (folder / "file.txt").read_text() == "whole"


def test_facts_are_read_without_the_files_that_they_are_of(folder):
    (folder / "file.txt").write_text("damaged")
    assert peek(folder)["text"] == "whole"
    assert not is_sealed(folder)
    with pytest.raises(Damaged, match=r"file\.txt is missing or damaged"):
        read_sealed(folder)


@pytest.mark.parametrize("facts", ["", "{}", '{"schema": "hoibench/taco-clips@1", "seal": ""}'])
def test_damaged_facts_are_named(folder, facts):
    (folder / "facts.json").write_text(facts)
    with pytest.raises(Damaged, match=r"facts\.json is missing or damaged"):
        peek(folder)


def test_a_damaged_folder_is_replaced(folder):
    (folder / "file.txt").write_text("damaged")
    write(folder, "again")
    assert (folder / "file.txt").read_text() == "again"
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_a_folder_that_another_mended_meanwhile_is_not_taken_from_it(folder, monkeypatch):
    """Ours finds it damaged, another process replaces it, ours goes on."""
    (folder / "file.txt").write_text("damaged")
    real = sealed.is_sealed

    def judge(judged):
        monkeypatch.setattr(sealed, "is_sealed", real)
        found = real(judged)
        write(folder, "by another")
        return found

    monkeypatch.setattr(sealed, "is_sealed", judge)
    write(folder, "by us")
    assert (folder / "file.txt").read_text() == "by another"
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_a_file_is_hashed_once_until_it_changes(folder, monkeypatch):
    hashed = []
    real = sealed.sha256_file
    monkeypatch.setattr(sealed, "sha256_file", lambda path: hashed.append(path.name) or real(path))
    for _ in range(3):
        read_sealed(folder)
    assert hashed == ["file.txt"]
    (folder / "file.txt").write_text("WHOLE")
    assert not is_sealed(folder)
    assert hashed == ["file.txt"] * 2
