"""The --out folder, and when the settings of a cache may still change."""

import errno
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from reference_model.cache import LatentCache
from reference_model.cache.latent_cache import write_text, write_view
from reference_model.cache.settings import ensure_cache_settings, has_settings, read_settings
from reference_model.preparation.clips import prepare_clips
from reference_model.preparation.prompts import prepare_text
from reference_model.prepare import main

CHANGES = [{"vae": "x"}, {"text_encoder": "x"}, {"dtype": "bfloat16"}, {"split_id": "x"}, {"hoibench": "1"}]
TEXT_CHANGES = ({"text_encoder": "x"}, {"dtype": "bfloat16"}, {"hoibench": "1"})


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_the_settings_of_an_empty_cache_may_change(cache_settings, tmp_path, changes):
    ensure_cache_settings(tmp_path, cache_settings)
    assert has_settings(tmp_path, cache_settings)
    other = cache_settings.model_copy(update=changes)
    assert not has_settings(tmp_path, other)
    ensure_cache_settings(tmp_path, other)
    assert read_settings(tmp_path) == other


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_the_text_settings_of_a_cache_with_prompts_may_not_change(cache_settings, tmp_path, changes):
    ensure_cache_settings(tmp_path, cache_settings)
    write_text(tmp_path, cache_settings, "a prompt", torch.ones(cache_settings.text_shape))
    other = cache_settings.model_copy(update=changes)
    if changes in TEXT_CHANGES:
        with pytest.raises(ValueError, match=rf"was made with other settings \({next(iter(changes))} was "):
            ensure_cache_settings(tmp_path, other)
        assert read_settings(tmp_path) == cache_settings
    else:
        ensure_cache_settings(tmp_path, other)
        assert read_settings(tmp_path) == other
    assert torch.equal(LatentCache(tmp_path).text("a prompt"), torch.ones(cache_settings.text_shape))


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_no_setting_of_a_cache_with_views_may_change(cache_settings, view, tmp_path, changes):
    ensure_cache_settings(tmp_path, cache_settings)
    write_view(tmp_path, cache_settings, view())
    with pytest.raises(ValueError, match=rf"was made with other settings \({next(iter(changes))} was "):
        ensure_cache_settings(tmp_path, cache_settings.model_copy(update=changes))
    assert read_settings(tmp_path) == cache_settings


def test_nothing_is_written_to_a_cache_that_got_other_settings(job, view_group):
    ensure_cache_settings(job.folder, job.settings.model_copy(update={"vae": "x"}))
    with pytest.raises(ValueError, match=r"was made with other settings \(vae was x, now "):
        prepare_text(job, ["a hammer"], lambda *count: None)
    with pytest.raises(ValueError, match=r"was made with other settings \(vae was x, now "):
        prepare_clips(job, [view_group()], lambda result: None)
    assert not list(job.folder.rglob("*.safetensors"))


def test_prompts_that_another_process_embedded_meanwhile_are_not_counted(job, monkeypatch):
    acquire = FileLock.acquire

    def embed_others_first(lock, **options):
        monkeypatch.setattr(FileLock, "acquire", acquire)
        assert prepare_text(job, ["a hammer", ""], lambda *count: None) == (2, 0)
        return acquire(lock, **options)

    monkeypatch.setattr(FileLock, "acquire", embed_others_first)
    assert prepare_text(job, ["a hammer", "", "a spoon"], lambda *count: None) == (1, 2)


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_file_instead_of_a_folder_is_refused(arguments, tmp_path, capsys, below):
    (tmp_path / "out").write_text("mine")
    assert main([*arguments, "--out", str(tmp_path / "out" / below)]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / 'out'} is a file, expected a folder: give another --out" in error
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_of_other_files_is_refused(arguments, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("mine")
    (tmp_path / "videos").mkdir()
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert f"--out {tmp_path} is not a latent cache and has other files (thesis.tex and 1 more)" in error
    assert "give a new or empty folder" in error
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.tex", "videos"}


def test_hidden_and_temporary_files_are_ignored(cache_settings, tmp_path):
    (tmp_path / ".directory").touch()
    (tmp_path / ".tmp-01234567-cache.json").touch()
    (tmp_path / "views").mkdir()
    ensure_cache_settings(tmp_path, cache_settings)
    (tmp_path / "notes.txt").touch()  # allowed in a known cache
    assert has_settings(tmp_path, cache_settings)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_named(arguments, tmp_path, monkeypatch, capsys, code):
    mkdir, out = Path.mkdir, tmp_path / "out"

    def closed(path, *rest, **options):
        if path == out:
            raise OSError(code, "Closed", str(path))
        mkdir(path, *rest, **options)

    monkeypatch.setattr(Path, "mkdir", closed)
    assert main([*arguments, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert f"error: cannot write {out} (Closed): choose a writable folder" in error


def test_the_help_names_the_presets(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    error = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "The model to train: wan22_5b or nano" in error
