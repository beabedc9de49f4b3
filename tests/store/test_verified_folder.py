"""A verified folder is complete or absent, and damage to it is found on reading."""

import errno
import os

import pytest

from hoibench.store import verified_folder
from hoibench.store.atomic import WriteError
from hoibench.store.verified_folder import (
    CorruptFolder,
    FolderMetadata,
    is_intact,
    read_metadata,
    write_folder,
    write_metadata,
)


class Note(FolderMetadata):
    SCHEMA = "hoibench/note@1"
    FILE = "note.json"
    FIX = "write it again"

    text: str
    size: tuple[int, int] = (3, 4)


def write(folder, text="whole", **options):
    def fill(new):
        (new / "file.txt").write_text(text)
        (new / "inner").mkdir()
        (new / "inner" / "more.txt").write_text(text)

    write_folder(folder, Note(text=text), fill, **options)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "folder")
    return tmp_path / "folder"


def test_a_written_folder_is_read_and_not_overwritten(folder):
    assert read_metadata(folder, Note, check="contents") == read_metadata(folder, Note)
    assert (read_metadata(folder, Note).text, read_metadata(folder, Note).size) == ("whole", (3, 4))
    assert list(read_metadata(folder, Note).files) == ["file.txt", "inner/more.txt"]
    write(folder, "another")
    assert (folder / "file.txt").read_text() == "whole"


def test_metadata_are_read_without_the_other_files(folder):
    (folder / "file.txt").write_text("WHOLE")
    assert read_metadata(folder, Note, check="sizes").text == "whole"
    assert not is_intact(folder, Note)
    with pytest.raises(
        CorruptFolder, match=r"file\.txt has changed since it was written \(its SHA-256 differs\): write it again"
    ):
        read_metadata(folder, Note, check="contents")


@pytest.mark.parametrize("text", ["whol", "wholes"])
def test_a_file_of_another_size_is_detected_without_reading_it(folder, text):
    (folder / "inner" / "more.txt").write_text(text)
    assert read_metadata(folder, Note).text == "whole"
    for check in ("sizes", "contents"):
        with pytest.raises(CorruptFolder, match=rf"more\.txt has {len(text)} bytes, expected 5: write it again"):
            read_metadata(folder, Note, check=check)


def test_a_missing_file_is_named(folder):
    (folder / "file.txt").unlink()
    with pytest.raises(CorruptFolder, match=r"file\.txt is missing: write it again"):
        read_metadata(folder, Note, check="sizes")


def test_a_missing_folder_is_not_corrupt(tmp_path):
    assert not is_intact(tmp_path / "none", Note)
    with pytest.raises(FileNotFoundError, match="none is missing: write it again"):
        read_metadata(tmp_path / "none", Note)


def test_without_hashes_only_sizes_are_checked(tmp_path):
    write(tmp_path / "folder", hashed=False)
    (tmp_path / "folder" / "file.txt").write_text("WHOLE")
    assert is_intact(tmp_path / "folder", Note)
    (tmp_path / "folder" / "file.txt").write_text("wholes")
    assert not is_intact(tmp_path / "folder", Note)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: "{}",
        lambda text: text.replace("whole", "half"),
        lambda text: text.replace('"metadata_sha256"', '"metadata_sha1"'),
        lambda text: text.replace("note@1", "note@2"),
    ],
)
def test_damaged_metadata_are_named(folder, change):
    (folder / "note.json").write_text(change((folder / "note.json").read_text()))
    with pytest.raises(CorruptFolder, match=r"note\.json cannot be used .*: write it again"):
        read_metadata(folder, Note)
    (folder / "note.json").unlink()
    with pytest.raises(CorruptFolder, match=r"note\.json cannot be used"):
        read_metadata(folder, Note)


def test_a_damaged_folder_is_replaced(folder):
    (folder / "file.txt").write_text("damaged")
    write(folder, "again")
    assert (folder / "file.txt").read_text() == "again"
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_a_folder_repaired_by_another_process_is_kept(folder):
    (folder / "file.txt").write_text("damaged")

    def fill(new):
        write(folder, "by another")
        (new / "file.txt").write_text("by us")

    write_folder(folder, Note(text="by us"), fill)
    assert (folder / "file.txt").read_text() == "by another"
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_a_failed_write_leaves_the_damaged_folder(folder):
    (folder / "file.txt").write_text("damaged")

    def fill(new):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WriteError, match="cannot write .*folder .No space left on device.: free space on that disk"):
        write_folder(folder, Note(text="by us"), fill)
    assert (folder / "file.txt").read_text() == "damaged"
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_metadata_can_be_written_after_the_files(tmp_path):
    (tmp_path / "file.txt").write_text("whole")
    write_metadata(tmp_path, Note(text="whole"))
    assert is_intact(tmp_path, Note)


def test_a_file_is_hashed_once_until_it_changes(folder, monkeypatch):
    hashed = []
    real = verified_folder.sha256_file
    monkeypatch.setattr(verified_folder, "sha256_file", lambda path: hashed.append(path.name) or real(path))
    for _ in range(3):
        assert is_intact(folder, Note)
    assert hashed == ["file.txt", "more.txt"]
    (folder / "file.txt").write_text("WHOLE")
    assert not is_intact(folder, Note)
    assert hashed == ["file.txt", "more.txt", "file.txt"]
