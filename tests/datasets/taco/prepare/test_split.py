"""Preparation of a split despite failing sequences, workers and disks."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import taco_faults
from dying_hand import DyingHand
from taco_prepare import is_prepared
from taco_tree import FOUR, HIT, MEASURE, POUR, SHORT, TRIO

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.prepare import split
from hoibench.datasets.taco.prepare.split import LineResult, prepare_all
from hoibench.datasets.taco.protocol import Recipe
from hoibench.datasets.taco.recording import Recording
from hoibench.store.atomic import WriteError
from hoibench.video import DEFAULT_DECODER

SOURCE = FOUR[3]
RAW = {"crop": "clip", "video": "raw"}


def line(key, serials=TRIO[:1], source=None):
    return SplitLine(ClipEntry(key, camera_ids=serials), source, RAW)


def contents(out):
    """Every file of a prepared folder by its path, but what killed processes left."""
    files = (path for path in out.rglob("*") if path.is_file() and ".tmp-" not in str(path))
    return {path.relative_to(out): path.read_bytes() for path in files}


def test_failed_sequences_are_reported_and_skipped(taco_copy, tmp_path):
    cut = taco_faults.truncate_video(taco_copy, MEASURE.key, TRIO[0])
    seen = []
    lines = [line(SHORT.key), line(MEASURE.key), line("20230927_999")]
    report = prepare_all(
        taco_copy.download, lines, tmp_path / "out", model=ProxyHand(), workers=2, on_result=seen.append
    )
    assert report.created == (SHORT.key,)
    assert report.skipped == ()
    assert list(report.failed) == ["20230927_999", MEASURE.key]
    assert "has no sequence 20230927_999" in report.failed["20230927_999"]
    assert cut.name in report.failed[MEASURE.key]
    assert sorted(outcome.key for outcome in seen) == sorted(line.entry.id for line in lines)
    assert all(isinstance(outcome, LineResult) for outcome in seen)

    again = prepare_all(taco_copy.download, lines[:1], tmp_path / "out", model=ProxyHand())
    assert (again.created, again.skipped, again.failed) == ((), (SHORT.key,), {})


def test_a_crashed_worker_is_a_failed_sequence(taco, tmp_path):
    report = prepare_all(taco.download, [line(HIT.key), line(SHORT.key)], tmp_path, model=DyingHand(frames=49))
    assert report.created == (SHORT.key,)
    assert report.failed == {HIT.key: "its process ended by itself with exit code 9: its code or a library called exit"}


def test_the_lines_of_a_sequence_share_one_recording(taco, tmp_path, monkeypatch):
    placed, place = [], Recording.surfaces_in
    monkeypatch.setattr(Recording, "surfaces_in", lambda *call: placed.append(call) or place(*call))
    worker = split._Worker(taco.download, tmp_path, ProxyHand(), DEFAULT_DECODER)
    monkeypatch.setattr(split, "_worker", worker)
    results = [split._prepare_in_worker(line(SHORT.key, (serial,))) for serial in FOUR]
    assert [result.created_views for result in results] == [(serial,) for serial in FOUR]
    assert len({id(recording) for recording, _ in placed}) == 1
    frames = [len(chosen) for _, chosen in placed]
    assert frames.count(max(frames)) == 1  # the frames of the clip; checks place fewer
    first = worker.last
    split._prepare_in_worker(line("20230927_999"))
    assert worker.last is not first


def test_another_hand_model_is_an_error_even_if_all_clips_exist(taco, tmp_path):
    prepare_all(taco.download, [line(SHORT.key)], tmp_path, model=ProxyHand())
    with pytest.raises(ValueError, match="with other settings .*hand_model was hoibench-proxy, now mano"):
        prepare_all(taco.download, [line(SHORT.key)], tmp_path, model=ProxyHand(name="mano"))


def test_a_source_view_error_is_reported_and_does_not_fail_the_sequence(taco_copy, tmp_path):
    path = taco_faults.shorten_video(taco_copy, SHORT.key, SOURCE)
    lines = [line(SHORT.key, source=SOURCE)]
    for status in ("created", "skipped"):
        report = prepare_all(taco_copy.download, lines, tmp_path, model=ProxyHand())
        assert (getattr(report, status), report.failed) == ((SHORT.key,), {})
        assert path.name in report.source_view_errors[SHORT.key]


def test_results_before_a_full_disk_are_reported(taco, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / SHORT.key).write_text("")
    seen = []
    lines = [line("20230927_999"), line(SHORT.key)]
    with pytest.raises(WriteError, match=SHORT.key):
        prepare_all(taco.download, lines, out, model=ProxyHand(), on_result=seen.append)
    assert [(outcome.key, outcome.status) for outcome in seen] == [("20230927_999", "failed")]


def test_an_interrupt_reports_results_and_leaves_no_process(taco, tmp_path):
    def stop(outcome):
        assert outcome.key == SHORT.key
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_all(taco.download, [line(SHORT.key), line(HIT.key)], tmp_path, model=ProxyHand(), on_result=stop)
    assert is_prepared(tmp_path, SHORT.key, Recipe("clip", "raw"), TRIO[:1])
    assert not multiprocessing.active_children()


def test_an_unwritable_folder_stops_preparation(taco, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="file"):
        prepare_all(taco.download, [line(SHORT.key)], tmp_path / "file" / "out", model=ProxyHand())


def test_a_folder_that_becomes_unwritable_stops_preparation(taco, tmp_path):
    # The sequence's folder cannot be created because a file has its name.
    out = tmp_path / "out"
    out.mkdir()
    (out / SHORT.key).write_text("")
    with pytest.raises(WriteError, match=SHORT.key):
        prepare_all(taco.download, [line(SHORT.key)], out, model=ProxyHand())


def test_no_lines_give_an_empty_report(taco, tmp_path):
    report = prepare_all(taco.download, [], tmp_path, model=ProxyHand())
    assert (report.created, report.skipped, report.failed) == ((), (), {})


SCRIPT = """
import sys
from pathlib import Path
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.prepare.split import prepare_all

if __name__ == "__main__":
    root, out, serials, *keys = sys.argv[1:]
    recipe = {"crop": "clip", "video": "raw"}
    lines = [SplitLine(ClipEntry(key, camera_ids=tuple(serials.split(","))), None, recipe) for key in keys]
    report = prepare_all(TacoDownload(Path(root)), lines, Path(out), model=ProxyHand(), workers=2)
    print(report)
    sys.exit(bool(report.failed))
"""


@pytest.fixture
def command(taco, tmp_path):
    """The command that prepares three sequences for two cameras into a folder."""
    script = tmp_path / "prepare.py"
    script.write_text(SCRIPT)
    keys = (SHORT.key, HIT.key, POUR.key)
    return lambda out: [sys.executable, str(script), str(taco.root), str(out), ",".join(TRIO[:2]), *keys]


@pytest.mark.slow
def test_preparation_resumes_after_being_killed_anywhere(command, tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    subprocess.run(command(tmp_path / "undisturbed"), check=True, env=environment)
    usual = time.monotonic() - began
    rng, killed = random.Random(0), 0
    for _ in range(8):
        process = subprocess.Popen(command(tmp_path / "killed"), start_new_session=True, env=environment)
        try:
            process.wait(timeout=rng.uniform(0.1, 0.7) * usual)
            break
        except subprocess.TimeoutExpired:
            # Half of the time the workers die with their parent, half of the time they find out that it is gone.
            if rng.random() < 0.5:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.wait()
            killed += 1
    assert killed >= 2
    subprocess.run(command(tmp_path / "killed"), check=True, env=environment)
    assert contents(tmp_path / "killed") == contents(tmp_path / "undisturbed")


@pytest.mark.slow
def test_two_preparations_at_once_give_the_same_clips(command, tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    both = [subprocess.Popen(command(tmp_path / "out"), env=environment) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    subprocess.run(command(tmp_path / "alone"), check=True, env=environment)
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")
    assert is_prepared(tmp_path / "out", HIT.key, Recipe("clip", "raw"), TRIO[:2])
    assert ProxyHand().name in (tmp_path / "out" / "prepared.json").read_text()
    assert not list(Path(tmp_path / "out").rglob(".tmp-*"))
