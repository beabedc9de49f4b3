"""What --out may be, and what a cache that is there may yet be claimed for."""

import errno
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from hoibench.store.locks import locked
from reference_model.cache import LatentCache
from reference_model.cache.files import write_text, write_view
from reference_model.cache.metadata import claim, is_claimed, read_origin
from reference_model.preparation import prompts as prepare_prompts
from reference_model.preparation.clips import prepare_clips
from reference_model.preparation.prompts import prepare_text
from reference_model.prepare import main

ANY = [{"vae": "x"}, {"text_encoder": "x"}, {"dtype": "bfloat16"}, {"split_id": "x"}, {"hoibench": "1"}]
OF_TEXT = ({"text_encoder": "x"}, {"dtype": "bfloat16"}, {"hoibench": "1"})


@pytest.mark.parametrize("changes", ANY, ids=str)
def test_a_cache_of_nothing_is_free(origin, tmp_path, changes):
    claim(tmp_path, origin)
    assert is_claimed(tmp_path, origin)
    other = origin.model_copy(update=changes)
    assert not is_claimed(tmp_path, other)
    claim(tmp_path, other)
    assert read_origin(tmp_path) == other


@pytest.mark.parametrize("changes", ANY, ids=str)
def test_a_cache_of_prompts_is_held_to_what_made_them(origin, tmp_path, changes):
    claim(tmp_path, origin)
    write_text(tmp_path, origin, "a prompt", torch.ones(origin.text))
    other = origin.model_copy(update=changes)
    if changes in OF_TEXT:
        with pytest.raises(ValueError, match=rf"was made with other settings \({next(iter(changes))} was "):
            claim(tmp_path, other)
        assert read_origin(tmp_path) == origin
    else:
        claim(tmp_path, other)
        assert read_origin(tmp_path) == other
    assert torch.equal(LatentCache(tmp_path).text("a prompt"), torch.ones(origin.text))


@pytest.mark.parametrize("changes", ANY, ids=str)
def test_a_cache_of_views_is_held_to_all(origin, view, tmp_path, changes):
    claim(tmp_path, origin)
    write_view(tmp_path, origin, view())
    with pytest.raises(ValueError, match=rf"was made with other settings \({next(iter(changes))} was "):
        claim(tmp_path, origin.model_copy(update=changes))
    assert read_origin(tmp_path) == origin


def test_who_lost_the_cache_to_another_writes_nothing(job, shot):
    claim(job.out, job.origin.model_copy(update={"vae": "x"}))
    with pytest.raises(ValueError, match=r"was made with other settings \(vae was x, now "):
        prepare_text(job, ["a hammer"], lambda *count: None)
    with pytest.raises(ValueError, match=r"was made with other settings \(vae was x, now "):
        prepare_clips(job, [shot()], lambda outcome: None)
    assert not list(job.out.rglob("*.safetensors"))


def test_prompts_that_another_process_made_meanwhile_are_not_counted_as_made(job, monkeypatch):
    @contextmanager
    def overtaken(lock_file, *, wait):
        with monkeypatch.context() as patch:
            patch.setattr(prepare_prompts, "locked", locked)
            assert prepare_text(job, ["a hammer", ""], lambda *count: None) == (2, 0)
        with locked(lock_file, wait=wait) as ours:
            yield ours

    monkeypatch.setattr(prepare_prompts, "locked", overtaken)
    assert prepare_text(job, ["a hammer", "", "a spoon"], lambda *count: None) == (1, 2)


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_file_in_place_of_the_folder(arguments, tmp_path, capsys, below):
    (tmp_path / "out").write_text("mine")
    assert main([*arguments, "--out", str(tmp_path / "out" / below)]) == 2
    told = capsys.readouterr().err
    assert f"{tmp_path / 'out'} is a file, expected a folder: give another --out" in told
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_of_other_things(arguments, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("mine")
    (tmp_path / "videos").mkdir()
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert f"--out {tmp_path} is no latent cache and holds other things (thesis.tex and 1 more)" in told
    assert "give a folder that is new or empty" in told
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.tex", "videos"}


def test_hidden_files_and_what_a_killed_process_left_are_no_other_things(origin, tmp_path):
    (tmp_path / ".directory").touch()
    (tmp_path / ".tmp-01234567-cache.json").touch()
    (tmp_path / "views").mkdir()
    claim(tmp_path, origin)
    (tmp_path / "notes.txt").touch()  # one's own, beside a cache that is known as one
    assert is_claimed(tmp_path, origin)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_is_closed(arguments, tmp_path, monkeypatch, capsys, code):
    mkdir, out = Path.mkdir, tmp_path / "out"

    def closed(path, *rest, **options):
        if path == out:
            raise OSError(code, "Closed", str(path))
        mkdir(path, *rest, **options)

    monkeypatch.setattr(Path, "mkdir", closed)
    assert main([*arguments, "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert (
        f"error: cannot write {out} (Closed): free space on that disk, or choose a writable folder with --out" in told
    )


def test_the_help_names_the_presets(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "The model that is to be trained: wan22_5b or nano" in told
