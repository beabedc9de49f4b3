"""Claims of a submission: its texts, its names, its split, and different predictions for each seed."""

import os
import shutil
from pathlib import Path

import pytest

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Manifest
from hoibench.datasets.split_files import SPLITS_FOLDER, VersionedSplit
from hoibench.submissions.claims import find_copied_seeds, find_coverage_problems, find_name_problems
from hoibench.submissions.layout import StoredFolder
from hoibench.submissions.submission import read_submission
from hoibench.submissions.target import Target, find_target

TARGET = Target(Manifest("toy@1/demo", "0123456789ab", tuple(ClipEntry(f"clip_{n}") for n in range(6))), None)


@pytest.fixture
def read(complete, tmp_path):
    """Return a function that reads the complete submission.toml with other lines for some keys."""
    text = (complete / "submission.toml").read_text()

    def read(**lines):
        kept = [line for line in text.splitlines() if line.partition(" =")[0] not in lines]
        changed = [f"{key} = {value}" for key, value in lines.items() if value is not None]
        (tmp_path / "submission.toml").write_text("\n".join([*kept, *changed]))
        return read_submission(tmp_path)

    return read


def stored(*seeds, clips=range(6)):
    return [StoredFolder(Path(f"seed-{seed}/clip_{n}"), f"clip_{n}", seed) for seed in seeds for n in clips]


def texts(problems):
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    "key", ["name", "title", "contact", "licence", "dataset", "split", "paper", "code", "split_id"]
)
def test_texts_have_no_control_characters_and_are_short(read, key):
    for value in (r'"a\u0007b"', r'"a\u001b[31m"', r'"a\nb"', r'"a\u0000b"', r'"a\u202eb"', '"' + "a" * 501 + '"', "3"):
        with pytest.raises(ValueError, match=rf"submission\.toml: {key}") as caught:
            read(**{key: value})
        assert str(caught.value).isprintable()
    with pytest.raises(ValueError, match=r"authors\[1\]"):
        read(authors=r'["a", "\u001b[31m"]')


def test_html_is_a_text_or_no_name(read):
    html = "'<img src=x onerror=alert(1)>'"
    assert read(title=html, contact=html, authors=f"[{html}]").title.startswith("<img")
    with pytest.raises(ValueError, match="is not a folder name"):
        read(name=html)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"licence": None}, "the key 'licence' is missing"),
        ({"title": '""'}, "title is empty"),
        ({"surprise": "1"}, "unknown key 'surprise'"),
        ({"seeds": "[-1]"}, r"seeds\[0\] is -1"),
        ({"seeds": "[]"}, "seeds is"),
        ({"seeds": "[nan]"}, r"seeds\[0\] is"),
        ({"outputs": '["video", "sound"]'}, r"outputs\[1\] is 'sound'"),
        ({"scale": '"miles"'}, "scale is 'miles'"),
        ({"split_id": '"../../etc/pa"'}, "split_id"),
        ({"name": '"../../etc"'}, "is not a folder name"),
        ({"name": '"a" + "b"'}, "is not TOML"),
        ({"x": "[" * 5000}, "is not TOML"),
        ({"x": "1\n" * 40_000}, "bytes, expected at most 65536"),
    ],
)
def test_wrong_descriptions_are_refused(read, lines, message):
    with pytest.raises(ValueError, match=message):
        read(**lines)


def test_a_description_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "submission.toml")
    with pytest.raises(ValueError, match=r"submission\.toml is a pipe"):
        read_submission(tmp_path)


def test_a_linked_description_is_refused(complete, tmp_path):
    (tmp_path / "submission.toml").symlink_to(complete / "submission.toml")
    with pytest.raises(ValueError, match="is a link"):
        read_submission(tmp_path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"name": '"syncmv4d"'}, "name is 'syncmv4d', a method of the benchmark: choose a name of your own"),
        ({"name": '"svimo"'}, "name is 'svimo', a method of the benchmark"),
        ({"name": '"ground_truth"'}, "'ground_truth' is the name of one of the benchmark's own rows"),
        ({"name": '"frozen_self/mine"'}, "one of the benchmark's own rows"),
        ({"title": '" Diffusion AS  Shader"'}, "a row of the benchmark"),
        ({"title": '"Ｄiffusion as Shader"'}, "a row of the benchmark"),
        ({"seeds": "[0, 1, 0]"}, "seeds is [0, 1, 0], expected each value once"),
        ({}, None),
    ],
)
def test_names_of_the_benchmark_are_refused(read, lines, message):
    found = texts(find_name_problems(read(**lines)))
    assert found == [] if message is None else len(found) == 1 and message in found[0]


def test_clips_seeds_and_hash_are_those_of_the_split(read):
    submission = read()
    assert texts(find_coverage_problems(submission, stored(0, 1), TARGET)) == []
    other = read(split_id='"ffffffffffff"', seeds="[0, 5]")
    predictions = [*stored(0, clips=range(4)), *stored(1, clips=range(8))]
    assert texts(find_coverage_problems(other, predictions, TARGET)) == [
        "submission.toml: split_id is 'ffffffffffff', not that of toy@1/demo, expected '0123456789ab': "
        "predict the clips of this split",
        "submission.toml: seeds is [0, 5], expected seed-0, seed-1: name the folders' seeds",
        "seed-0 lacks 2 of 6 clips (clip_4, clip_5)",
        "seed-1 has 2 clips (clip_6, clip_7) not in toy@1/demo: remove them",
    ]
    (problem,) = texts(find_coverage_problems(read(), stored(None), TARGET))
    assert "expected one seed without folders seed-S" in problem
    assert any("has no predictions" in text for text in texts(find_coverage_problems(read(), [], TARGET)))


def test_copied_seeds_are_found():
    first, second, third = stored(0, 1, 2, clips=[1])
    digests = [(first, {"video": "a", "tracks": "b"}), (second, {"video": "c", "tracks": "b"}), (third, {"video": "a"})]
    assert texts(find_copied_seeds(digests)) == [
        "seed-1 repeats tracks of seed-0 in 1 clip: hand in predictions of another seed, or fewer seeds",
        "seed-2 repeats video of seed-0 in 1 clip: hand in predictions of another seed, or fewer seeds",
    ]
    assert texts(find_copied_seeds(digests[:1])) == []


def test_shipped_splits_need_no_data(tmp_path):
    target = find_target("taco", "taco-syncmv4d@2/test_unseen")
    assert target.manifest.split_id == VersionedSplit("taco-syncmv4d@2").manifest("test_unseen").split_id
    assert (target.grid.views, target.grid.frames, target.grid.fps) == (3, 49, 8.0)
    outside = tmp_path / "split"
    shutil.copytree(SPLITS_FOLDER / "synthetic@2", outside)
    for dataset, split, message in (
        ("synthetic", "taco-syncmv4d@2/test_unseen", "has no split 'taco-syncmv4d@2/test_unseen'"),
        ("synthetic", f"synthetic@2/{os.path.relpath(outside, SPLITS_FOLDER / 'synthetic@2')}/demo", "has no split"),
        ("synthetic", "synthetic@2/none", "unknown split"),
        ("none", "a@1/b", "unknown data set"),
    ):
        with pytest.raises(ValueError, match=message):
            find_target(dataset, split)
