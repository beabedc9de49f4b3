"""A folder has one settings record, and everything in it is made with those settings."""

import pytest

from hoibench.store import folder_settings
from hoibench.store.atomic import WriteError
from hoibench.store.folder_settings import ensure_settings
from hoibench.store.locks import locked
from hoibench.store.records import Record


class Settings(Record):
    SCHEMA = "hoibench/settings@1"

    name: str
    size: tuple[int, int] = (3, 4)
    inner: dict[str, float] = {}


def ensure(path, settings, **options):
    ensure_settings(path, settings, fix="give another --out", **options)


def test_settings_are_written_once_and_then_checked(tmp_path):
    path = tmp_path / "new" / "settings.json"
    ensure(path, Settings(name="a", inner={"x": 1.0}))
    written = path.stat()
    ensure(path, Settings(name="a", inner={"x": 1.0}))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    message = r"new was made with other settings \(size was \[3, 4\], now \[5, 6\]; inner.x was 1.0, now 2.0\): give another --out"
    with pytest.raises(ValueError, match=message):
        ensure(path, Settings(name="a", size=(5, 6), inner={"x": 2.0}))
    with pytest.raises(ValueError, match="inner.x was 1.0, now None"):
        ensure(path, Settings(name="a"))
    assert Settings.read(path) == Settings(name="a", inner={"x": 1.0})


def test_ignored_settings_may_differ_and_are_not_overwritten(tmp_path):
    path = tmp_path / "settings.json"
    ensure(path, Settings(name="a", inner={"x": 1.0}))
    ensure(path, Settings(name="b", inner={"x": 2.0}), ignored=("name", "inner.x"))
    assert Settings.read(path).name == "a"
    with pytest.raises(ValueError, match=r"\(inner.x was 1.0, now 2.0\)"):
        ensure(path, Settings(name="b", inner={"x": 2.0}), ignored=("name",))


def test_unused_settings_are_replaced(tmp_path):
    path = tmp_path / "settings.json"
    ensure(path, Settings(name="a"))
    ensure(path, Settings(name="b"), may_replace=lambda recorded: recorded == Settings(name="a"))
    assert Settings.read(path).name == "b"
    with pytest.raises(ValueError, match="name was b, now c"):
        ensure(path, Settings(name="c"), may_replace=lambda recorded: recorded == Settings(name="a"))


def test_unreadable_settings_are_kept_unless_unused(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"settings\.json is not strict JSON"):
        ensure(path, Settings(name="a"))
    ensure(path, Settings(name="a"), may_replace=lambda recorded: recorded is None)
    assert Settings.read(path).name == "a"


def test_only_one_of_two_concurrent_callers_writes_the_settings(tmp_path, monkeypatch):
    """Another process writes the settings after this one found none."""
    path = tmp_path / "settings.json"
    real = folder_settings.locked

    def overtaken(lock_file, *, wait):
        monkeypatch.setattr(folder_settings, "locked", real)
        ensure(path, Settings(name="theirs"))
        return real(lock_file, wait=wait)

    monkeypatch.setattr(folder_settings, "locked", overtaken)
    with pytest.raises(ValueError, match="name was theirs, now ours"):
        ensure(path, Settings(name="ours"))
    assert Settings.read(path).name == "theirs"


def test_settings_are_written_while_the_folder_is_locked(tmp_path, monkeypatch):
    seen = []
    real = Settings.write

    def write_settings(self, path):
        with locked(path.with_name(f".{path.name}.lock"), wait=False) as ours:
            seen.append(ours)
        real(self, path)

    monkeypatch.setattr(Settings, "write", write_settings)
    ensure(tmp_path / "settings.json", Settings(name="a"))
    assert seen == [False]


def test_an_unwritable_place_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write .*file.*: choose a writable folder"):
        ensure(tmp_path / "file" / "settings.json", Settings(name="a"))
