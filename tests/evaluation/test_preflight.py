"""Checks before a run's first clip, by which --dry-run and the run give the same problems and exit code."""

import json
import shutil

import pytest
from toy_runs import run_toy

from hoibench.cli.run import main
from hoibench.datasets.base import Grid
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation import preflight as preflight_module
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.preflight import preflight
from hoibench.evaluation.run import MethodNotLoaded, lock_run
from hoibench.exclusions import ExcludedClip, Exclusions
from hoibench.results.run_record import RunRecord

pytestmark = pytest.mark.usefixtures("toy")

SPEC = 'id = "mine"\nentry = "a.py:A"\noutputs = ["video", "tracks"]\npairing = "query"\n'
ADAPTER = """
from hoibench.methods.method import Method
from hoibench.problems import Problem

class Mine(Method):
    def __init__(self, entrant, runtime):
        raise MemoryError("no room for the weights")

    @classmethod
    def preflight(cls, entrant, runtime):
        return [{problem}]

    def generate(self, request):
        raise AssertionError
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def find(*, grid=None, **settings):
    settings = {"method": ("still",), "metrics": "rpe", "limit": 2, "executor": "inline", "dataset": "toy"} | settings
    dataset = open_dataset("toy", None)
    dataset.grid = grid
    plan = make_plan(RunConfig(**settings), dataset, "cpu")
    return preflight(plan, dataset)


def lines(findings):
    return [str(problem) for problem in findings.refusals(keep_going=False)]


def write_adapter(folder, text):
    folder.mkdir()
    (folder / "a.py").write_text(text)
    (folder / "spec.toml").write_text(SPEC)
    return f"{folder / 'a.py'}:Mine"


def missing_weights(folder):
    return write_adapter(
        folder, ADAPTER.format(problem='Problem("w.bin", "", "is missing", "", "run `fetch`")')
    )  # as a method does whose weights were not fetched


def test_a_run_without_problems(folder):
    findings = find(method=("still", "picky"))
    assert lines(findings) == [] and findings.warnings == ()
    assert list(folder.iterdir()) == []


def test_a_run_folder_that_cannot_be_used(folder):
    (folder / "file").touch()
    assert lines(find(out="file")) == [f"--out {folder}/file is a file: give another --out"]
    (line,) = lines(find(out="file/r"))
    assert line == f"--out {folder}/file/r cannot be created, since {folder}/file is a file: give another --out"
    (folder / "old" / "predictions").mkdir(parents=True)
    for resume in (True, False):
        (line,) = lines(find(out="old", resume=resume))
        assert "has predictions or scores, but no run.json" in line
    with lock_run(folder / "busy", "run"):
        (line,) = lines(find(out="busy"))
        assert line.startswith(f"another process is working on {folder}/busy: wait for it")
    assert lines(find(out="busy")) == []


def test_no_resume_starts_again_whatever_the_folder_has(folder):
    run_toy(folder / "r", limit=1, metrics="rpe")
    (line,) = lines(find(out="r", limit=2))
    assert "cannot be resumed" in line and "clip_set_id" in line
    assert lines(find(out="r", limit=2, resume=False)) == []
    mine = missing_weights(folder / "a")
    for unit in (folder / "r" / "predictions" / "still").rglob("clip_*"):
        shutil.copytree(unit, folder / "r" / "predictions" / "mine" / "seed-0" / unit.name)
    (line,) = lines(find(out="r", limit=1, adapter=(mine,), resume=False))
    assert line.startswith("mine cannot start: w.bin is missing"), "its stored predictions are not used"


@pytest.fixture
def stored(folder):
    """Predictions of two clips of the toy data set."""
    run_toy(folder / "r", limit=2, metrics="rpe")
    stored = folder / "stored"
    shutil.copytree(folder / "r" / "predictions" / "still" / "seed-0", stored)
    return stored


def test_stored_predictions_that_fit(stored):
    grid = Grid(views=2, frames=6, size=(32, 48), points=40)
    assert lines(find(method=(f"mine={stored}",), grid=grid)) == []


def test_missing_predictions_are_joined_and_count_as_failures(folder):
    (folder / "empty").mkdir()
    (folder / "empty" / "spec.toml").write_text(SPEC)
    settings = {"method": ("mine=empty",), "limit": None}
    (line,) = lines(find(**settings))
    place = folder / "empty"
    assert line == (
        f"--method mine={place} lacks 6 of 6 predictions (clip_0, clip_1, clip_2, and 3 more): "
        f"expected {place}/CLIP or {place}/seed-S/CLIP; {place} has no folder"
    )
    assert lines(find(**settings, max_failures="5")) == [line]
    allowed = find(**settings, max_failures="6")
    assert lines(allowed) == [] and [str(problem) for problem in allowed.warnings] == [line]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda clip: (clip / "view-1.mp4").write_bytes(b"x"), "view-1.mp4 has 1 bytes, expected "),
        (lambda clip: (clip / "prediction.json").write_text("{"), "prediction.json"),
        (lambda clip: (clip.parent / "spec.toml").write_text(SPEC + 'scale = "shared"'), "says scale metric"),
        (lambda clip: (clip.parent / "spec.toml").write_text(SPEC.replace('"video", ', "")), "expected tracks"),
    ],
)
def test_a_stored_prediction_that_cannot_be_used(stored, damage, message):
    damage(next(path for path in stored.iterdir() if path.is_dir()))
    (line,) = lines(find(method=(f"mine={stored}",)))
    assert message in line and "cannot be used for " in line
    assert line.endswith("; --max-failures 1 scores the others") == ("cannot be used for 1 of 2" in line)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": 41}, "tracks has shape (2, 6, 40, 3), expected (2, 6, 41, 3)"),
        ({"views": 3}, "has 2 videos, expected one for each of 3 views"),
        ({"size": (32, 64)}, "has 6 frames of 32x48, expected 6 of 32x64"),
        ({"frames": 7}, "has 6 frames of 32x48, expected 7 of 32x48"),
    ],
)
def test_a_stored_prediction_of_another_shape(stored, change, message):
    grid = Grid(**({"views": 2, "frames": 6, "size": (32, 48), "points": 40} | change))
    for tracks in stored.glob("*/tracks.npz"):
        if "points" not in change:
            tracks.unlink()
    for record in stored.glob("*/prediction.json"):
        record.unlink()
    (stored / "spec.toml").write_text(SPEC if "points" in change else SPEC.replace(', "tracks"', ""))
    (line,) = lines(find(method=(f"mine={stored}",), grid=grid))
    assert message in line


def test_a_disk_that_is_too_small(folder, monkeypatch):
    grid = Grid(views=3, frames=10, size=(4, 6), points=5)
    most = 16 * 3 * 10 * (4 * 6 * 3 + 5 * (12 + 1))  # 2 clips, 8 rows each
    for free, refused, warned in ((most, 0, 0), (most - 1, 0, 1), (int(most * 0.04) - 1, 1, 0)):
        monkeypatch.setattr(preflight_module, "free_bytes", lambda _, free=free: free)
        findings = find(grid=grid)
        assert (len(findings.problems), len(findings.warnings)) == (refused, warned)
        assert all(f"has {free} bytes free" in str(p) for p in (*findings.problems, *findings.warnings))
    run_toy(folder / "r", limit=2, metrics="rpe")
    monkeypatch.setattr(preflight_module, "free_bytes", lambda _: 0)
    done = find(grid=grid, out="r")
    assert (done.problems, done.warnings) == ((), ()), "nothing is left to store"


def test_missing_weights_of_metrics_are_warnings():
    findings = find(metrics="matching_pixels/aliked-mnn,subject_consistency/vbench")
    assert lines(findings) == []
    (warning,) = map(str, findings.warnings)
    assert warning.startswith("aliked-n16, dino-vitb16 are missing:") and "fetch aliked-n16 dino-vitb16`" in warning


def test_exclusions_without_effect_are_a_warning_of_dry_run_and_log(folder):
    path = folder / "suspects.json"
    Exclusions(clips=(ExcludedClip(id="20231102_070"),)).write(path)
    (warning,) = map(str, find(exclude=path).warnings)
    assert "excludes none of the " in warning
    run_toy(folder / "r", limit=1, exclude=path)
    assert (folder / "r" / "log.txt").read_text().count(warning) == 1


def test_methods_that_cannot_start_are_named(folder):
    findings = find(adapter=(missing_weights(folder / "a"),))
    assert lines(findings) == ["mine cannot start: w.bin is missing: run `fetch`"]
    assert findings.refusals(keep_going=True) == ()
    write_adapter(folder / "b", "import no_such_library\nclass Mine: ...")
    (line,) = lines(find(adapter=("b/a.py:Mine",)))
    assert line.startswith("mine cannot start:") and "'no_such_library', which is not installed" in line
    write_adapter(folder / "c", "class Mine: ...")
    assert "is no class of hoibench.methods.method.Method" in lines(find(adapter=("c/a.py:Mine",)))[0]


def test_an_import_that_ends_its_process_is_a_problem(folder):
    write_adapter(folder / "a", "import os\nprint('no licence', flush=True)\nos._exit(3)\nclass Mine: ...")
    (line,) = lines(find(adapter=("a/a.py:Mine",), executor="local"))
    assert "exit code 3" in line and line.endswith("it printed: no licence")


def test_a_method_that_needs_a_gpu(folder):
    target = missing_weights(folder / "a")
    (folder / "a" / "spec.toml").write_text(SPEC + "min_gpu_mb = 9000\n")
    assert lines(find(adapter=(target,))) == [
        "mine cannot start: needs a GPU with 9000 MiB, the run's device is cpu",
        "mine cannot start: w.bin is missing: run `fetch`",
    ]


TOY = ("--dataset", "toy", "--metrics", "rpe", "--limit", "1", "--executor", "inline")


def test_run_and_dry_run_are_refused_alike_and_write_nothing(folder, capsys):
    target = missing_weights(folder / "a")
    (folder / "r").touch()
    before = sorted(folder.rglob("*"))
    words = [*TOY, "--method", "still", "--method", "mine", "--adapter", target, "--out", "r"]
    assert main(words) == 2
    printed = capsys.readouterr()
    assert main([*words, "--json"]) == 2
    refused = json.loads(capsys.readouterr().out)
    assert main([*words, "--dry-run", "--json"]) == 2
    planned = json.loads(capsys.readouterr().out)
    assert refused == {"status": "refused", "problems": planned["problems"]}
    assert len(planned["problems"]) == 2
    assert all(problem in printed.err for problem in planned["problems"]) and printed.out == ""
    assert "--keep-going runs the methods that can start" in printed.err
    assert [path for path in sorted(folder.rglob("*")) if "__pycache__" not in str(path)] == before


def test_keep_going_runs_the_others_and_records_the_reason(folder, capsys):
    target = missing_weights(folder / "a")
    words = [*TOY, "--method", "mine", "--method", "still", "--adapter", target, "--out", "r", "--keep-going", "--json"]
    assert main(words) == 3
    summary = json.loads(capsys.readouterr().out)
    (failure,) = summary["failures"]
    assert failure["stage"] == "start" and "w.bin is missing" in failure["reason"]
    assert (folder / summary["page"]).is_file()
    assert list((folder / "r" / "predictions" / "still").rglob("prediction.json"))


def test_keep_going_covers_a_missing_setting(folder, capsys):
    words = [*TOY, "--method", "svimo", "--method", "still", "--out", "r", "--json"]
    assert main(words) == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert main([*words, "--keep-going"]) == 3
    (failure,) = json.loads(capsys.readouterr().out)["failures"]
    assert problem.startswith("svimo needs --set svimo.command=TEXT")
    assert problem.removeprefix("svimo ") in failure["reason"]


def test_every_wrong_name_is_listed_at_once(folder, capsys):
    words = ["--dataset", "toy", "--method", "stil", "--method", "tuned+ful", "--method", "tuned_too", "--limit", "0"]
    words += ["--metrics", "rpx,chamfer,epipola", "--split", "demi", "--adapter", "none.py:A", "--set", "tuned_too.x=1"]
    (folder / "file").touch()
    words += ["--out", "file"]
    assert main([*words, "--json"]) == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    for start in (
        "--limit is 0", "--metrics rpx: unknown metric", "--metrics epipola: unknown metric", "--split demi: unknown split",
        "--adapter none.py:A: no such file", "--method stil: unknown method", "--method tuned+ful: unknown preset",
        "--set tuned_too.x=1: unknown setting", "--out file is a file",
    ):  # fmt: skip
        assert sum(problem.startswith(start) for problem in problems) == 1, start
    assert len(problems) == 9


def test_a_method_that_cannot_be_loaded_stops_a_run_of_several(folder):
    target = write_adapter(folder / "a", ADAPTER.format(problem=""))
    settings = {"limit": 2, "adapter": (target,)}
    with pytest.raises(MethodNotLoaded, match=r"mine cannot be loaded \(generate: MemoryError.*--keep-going"):
        run_toy(folder / "r", method=("mine", "still"), **settings)
    assert RunRecord.read(folder / "r" / "run.json").exit.status == "stopped"
    outcome, _ = run_toy(folder / "r", method=("mine", "still"), **settings, keep_going=True)
    assert {failure.unit.partition("/")[0] for failure in outcome.failures} == {"mine"}
    outcome, _ = run_toy(folder / "alone", method=(), **settings)
    assert (len(outcome.failures), outcome.exit_code) == (2, 3)
