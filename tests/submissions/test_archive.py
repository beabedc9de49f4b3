"""Archives are unpacked completely and within their folder, or refused before a file is written."""

import zipfile

import pytest
from hostile_archives import ARCHIVES

from hoibench.problems import ProblemsFound
from hoibench.submissions.archive import ArchiveLimits, unpack

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "outer" / "inner" / "target"
    folder.mkdir(parents=True)
    return folder


def names(root):
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", ARCHIVES)
def test_hostile_archives_are_refused_and_write_nothing_outside(tmp_path, folder, case):
    write, message = ARCHIVES[case]
    write(tmp_path / "x.zip")
    with pytest.raises(ProblemsFound) as caught:
        unpack(tmp_path / "x.zip", folder)
    assert message in str(caught.value) and "x.zip" in str(caught.value)
    assert all(str(problem).isprintable() for problem in caught.value.problems)
    outside = names(tmp_path) - {f"outer/inner/target/{name}" for name in names(folder)}
    assert outside == {"x.zip", "outer", "outer/inner", "outer/inner/target"}
    assert not any(path.is_symlink() for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (ArchiveLimits(members=2), "has 3 members, expected at most 2"),
        (ArchiveLimits(member_bytes=MIB), f"member 'b' has {2 * MIB} bytes, expected at most {MIB}"),
        (ArchiveLimits(total_bytes=4 * MIB), f"unpacks to {6 * MIB} bytes, expected at most {4 * MIB}"),
    ],
)
def test_sizes_are_limited(tmp_path, folder, limits, message):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abc":
            archive.writestr(name, bytes(2 * MIB))
    with pytest.raises(ProblemsFound, match=message):
        unpack(tmp_path / "x.zip", folder, limits)
    assert names(folder) == set()
    unpack(tmp_path / "x.zip", folder)
    assert names(folder) == {"a", "b", "c"}


def test_a_zip_bomb_is_refused_by_its_ratio(tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(65 * MIB))
    with pytest.raises(ProblemsFound, match=r"unpacks to \d+ times its size, expected at most 100"):
        unpack(tmp_path / "x.zip", folder)
    assert names(folder) == set()


def test_every_problem_of_an_archive_is_listed(tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("../a", "b.tar", "c\n"):
            archive.writestr(name, "a")
    with pytest.raises(ProblemsFound) as caught:
        unpack(tmp_path / "x.zip", folder)
    assert len(caught.value.problems) == 3


def test_files_are_unpacked_as_they_were(tmp_path, folder):
    files = {"submission.toml": b"name", "seed-0/clip_1/tracks.npz": bytes(range(256)) * 5000}
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.mkdir("seed-0")
        for name, data in files.items():
            archive.writestr(name, data)
    unpack(tmp_path / "x.zip", folder)
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")} == files
