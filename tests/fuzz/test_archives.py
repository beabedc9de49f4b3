"""Archives with any names, kinds and flags of members are unpacked inside their folder or refused, and so are damaged ones."""

import os
import stat
import warnings
import zipfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hoibench.problems import ProblemsFound
from hoibench.submissions.archive import ArchiveLimits, unpack

LIMITS = ArchiveLimits(members=6, member_bytes=1000, total_bytes=2000)
PARTS = ["a", "A", "b", "..", ".", "", "c.zip", "\u00e9", "e\u0301", "~", "C:", "nul", "a\\b", "x" * 201]
PATHS = ["/etc/passwd", "../x", "a/../../x", "//x", "\\\\host\\x", "a\0b", "a/", ".bashrc", "a\u202eb", "-rf"]
names = st.one_of(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("/".join),
    st.text(min_size=1, max_size=8),
    st.sampled_from(PATHS),
)
kinds = st.sampled_from([0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
members = st.lists(st.tuples(names, kinds, st.binary(max_size=40) | st.just(bytes(1200)), st.booleans()), max_size=7)


EXAMPLES = int(os.environ.get("HOIBENCH_FUZZ_EXAMPLES", "150"))


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(members)
@example([("link", stat.S_IFLNK, b"/etc", False), ("link/x", 0, b"x", False)])
@example([("a", 0, b"1", False), ("A", 0, b"2", False)])
@example([("a", 0, b"1", False), ("a/b", 0, b"2", False)])
def test_members_stay_inside(tmp_path_factory, members):
    outer = tmp_path_factory.mktemp("unpack")
    path, target = outer / "x.zip", outer / "in"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, kind, data, is_packed in members:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name.encode("utf-8", "replace").decode()
            info.external_attr = kind << 16
            info.compress_type = zipfile.ZIP_DEFLATED if is_packed else zipfile.ZIP_STORED
            archive.writestr(info, data)
    target.mkdir()
    is_refused = False
    try:
        unpack(path, target, LIMITS)
    except ProblemsFound as error:
        is_refused = True
        assert "x.zip" in str(error)
        assert str(error).replace("\n", "").isprintable()
    check_inside(outer)
    if not is_refused:
        wanted = {name: data for name, _, data, _ in members if not name.endswith("/")}
        assert {
            found.relative_to(target).as_posix(): found.read_bytes() for found in target.rglob("*") if found.is_file()
        } == wanted


def check_inside(outer: Path) -> None:
    """Check that there is nothing beside the archive and the target, and in it only files and folders within the limits."""
    assert {path.name for path in outer.iterdir()} == {"x.zip", "in"}
    found = list((outer / "in").rglob("*"))
    assert all(stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFDIR) for path in found)
    assert sum(path.stat().st_size for path in found if path.is_file()) <= LIMITS.total_bytes
