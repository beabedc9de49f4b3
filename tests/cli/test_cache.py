"""``hoibench cache``."""

import json

import pytest

from hoibench.cli.main import main

CLIPS = "synthetic-clips@2"


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """A folder of the user's own, which holds clips and weights too."""
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    for name in ("Documents", CLIPS, "weights"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"12345")
    return tmp_path


def left(root):
    return sorted(path.name for path in root.iterdir())


def test_clear_deletes_generated_clips_and_nothing_else(root, capsys):
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == f"cleared 1 entry, 0.0 MB, from {root}\n"
    assert left(root) == ["Documents", "weights"]
    assert main(["cache", "clear", "weights"]) == 0
    assert left(root) == ["Documents"]


def test_only_cache_entries_can_be_cleared(root, capsys):
    assert main(["cache", "clear", "Documents"]) == 2
    assert f"has no entry 'Documents'; entries: {CLIPS}, weights" in capsys.readouterr().err
    assert left(root) == ["Documents", CLIPS, "weights"]


def test_ls_lists_cache_entries(root, capsys):
    assert main(["cache"]) == 0
    shown = capsys.readouterr().out
    assert CLIPS in shown
    assert "Documents" not in shown
    assert main(["cache", "ls", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed == {
        "folder": str(root),
        "entries": [{"name": name, "bytes": 5, "files": 1} for name in (CLIPS, "weights")],
    }


def test_help_describes_what_is_deleted(capsys):
    with pytest.raises(SystemExit):
        main(["cache", "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "HOIBENCH_CACHE" in text
    assert "Weights and prepared clips of TACO are deleted only by name" in text
