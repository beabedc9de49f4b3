"""Runs with a copy in an object store: a real S3 server (moto's) in a process of its own."""

import shutil
import time

import pandas as pd
import pytest
from toy_runs import RecordingListener, headline_rows, run_toy

from hoibench.cli.main import main
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.build_run_record import RunRefused
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.merge import merge
from hoibench.evaluation.mirror import open_mirror
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.run import run
from hoibench.store.remote_folder import RemoteFolder, RemoteFolderError

pytestmark = pytest.mark.usefixtures("toy")

SETTINGS = {"dataset": "toy", "method": ("still",), "metrics": "rpe", "executor": "inline", "limit": 2}


class Killed(BaseException):
    pass


class StoppingListener(RecordingListener):
    """Calls a function, which may raise, after a number of units."""

    def __init__(self, after, call):
        super().__init__()
        self.after, self.call = after, call

    def on_report(self, report):
        super().on_report(report)
        if len(self.reports) == self.after:
            self.call()


def run_mirrored(out, address, listener=None, **settings):
    listener = listener or RecordingListener()
    config = RunConfig(out=out, mirror=address, **SETTINGS | settings)
    with open_mirror(address, out) as mirror:
        run(make_plan(config, open_dataset("toy", None), "cpu"), listener, mirror=mirror)
        mirror.upload_results()
    return [report.unit.key for report in listener.reports if report.did_work]


@pytest.fixture(scope="module")
def expected(tmp_path_factory, package):
    return {}


@pytest.fixture
def table(expected, tmp_path):
    """The rows of the same run without a mirror."""
    if "rows" not in expected:
        run_toy(tmp_path / "plain", **{name: SETTINGS[name] for name in ("metrics", "limit")})
        expected["rows"] = headline_rows(tmp_path / "plain")
    return expected["rows"]


def stored(address):
    return set(RemoteFolder(address).sizes())


def kill():
    raise Killed


def test_a_killed_run_goes_on_on_another_machine(tmp_path, bucket, table):
    address = f"s3://{bucket}/run"
    with pytest.raises(Killed):
        run_mirrored(tmp_path / "a", address, StoppingListener(6, kill))
    done = {name.split("/", 1)[1].rsplit("/", 1)[0] for name in stored(address) if name.endswith("/prediction.json")}
    assert done and not any(name.endswith("results.parquet") for name in stored(address))
    work = run_mirrored(tmp_path / "b", address)
    assert not {key for key in work if key in done and work.count(key) > 1}, "no stored prediction is made again"
    pd.testing.assert_frame_equal(headline_rows(tmp_path / "b"), table)
    # A third machine has nothing to do, and needs no video for it.
    assert run_mirrored(tmp_path / "c", address) == []
    pd.testing.assert_frame_equal(headline_rows(tmp_path / "c"), table)
    assert not list((tmp_path / "c").rglob("*.mp4"))
    # The first one goes on, too, with the predictions that it has.
    work = run_mirrored(tmp_path / "a", address)
    assert set(work) < done and len(work) == len(set(work))
    pd.testing.assert_frame_equal(headline_rows(tmp_path / "a"), table)


@pytest.mark.slow
def test_kill_9_leaves_a_run_in_the_store_that_goes_on(launch, tmp_path, bucket):
    """Twice on machines of their own, each killed when the store has more units than before."""
    address = f"s3://{bucket}/run"
    flags = ("--method", "still", "--workers", "2", "--limit", "3")
    for machine in ("a", "b"):
        before = sum(name.endswith(".json") for name in stored(address))
        process = launch(*flags, "--out", machine, "--mirror", address)
        while sum(name.endswith(".json") for name in stored(address)) < before + 4:
            assert process.poll() is None
            time.sleep(0.2)
        process.kill()
        process.communicate(timeout=60)
    for out, more in (("c", ("--mirror", address)), ("plain", ())):
        _, err = (process := launch(*flags, "--out", out, *more)).communicate(timeout=250)
        assert process.returncode == 0, err
    pd.testing.assert_frame_equal(headline_rows(tmp_path / "c"), headline_rows(tmp_path / "plain"))
    assert (tmp_path / "c" / "leaderboard" / "index.html").read_bytes() == RemoteFolder(address).read(
        "leaderboard/index.html"
    )


def test_a_prediction_that_is_made_again_replaces_its_rows(tmp_path, bucket):
    address, out = f"s3://{bucket}/run", tmp_path / "r"
    run_mirrored(out, address)
    unit = make_plan(RunConfig(**SETTINGS), open_dataset("toy", None), "cpu").units[0]
    shutil.rmtree(unit.prediction_folder(out))
    before = RemoteFolder(address).read(f"predictions/{unit.key}/prediction.json")
    assert run_mirrored(out, address) == [], "the store has it"
    remote = RemoteFolder(address)
    remote.delete([name for name in stored(address) if unit.key in name and name.endswith(".json")])
    shutil.rmtree(unit.prediction_folder(out), ignore_errors=True)
    assert unit.key in run_mirrored(out, address)
    assert remote.read(f"predictions/{unit.key}/prediction.json") != before
    assert remote.read(f"scores/{unit.key}.jsonl") == unit.score_file(out).read_bytes()


def test_a_store_that_fails_loses_nothing(tmp_path, s3_server, bucket, table):
    address, out = f"s3://{bucket}/run", tmp_path / "r"
    with pytest.raises(RemoteFolderError, match=f"--mirror {address}: cannot .*completed work is kept in {out}"):
        run_mirrored(out, address, StoppingListener(3, s3_server.stop))
    kept = set(out.rglob("prediction.json"))
    assert kept
    s3_server.start()
    with pytest.raises(RemoteFolderError, match="cannot (write|list)"):  # this server's bucket is gone
        run_mirrored(out, address)
    RemoteFolder(address)._system.mkdir(bucket)
    work = run_mirrored(out, address)
    assert {path for path in kept if path.is_file()} == kept and len(work) < 16
    pd.testing.assert_frame_equal(headline_rows(out), table)
    on_disk = {path.relative_to(out).as_posix() for path in out.glob("[ps]*/**/*") if path.is_file()}
    assert on_disk <= stored(address)


def test_shards_on_several_machines_are_merged_from_the_store(tmp_path, bucket, table, capsys):
    address = f"s3://{bucket}/run"
    for i in (1, 2):
        run_mirrored(tmp_path / str(i), address, shard=f"{i}/2")
    assert main(["merge", str(tmp_path / "merged"), "--mirror", address]) == 0
    pd.testing.assert_frame_equal(headline_rows(tmp_path / "merged"), table)
    assert {"results.parquet", "leaderboard/index.html", "run.1of2.json", "run.json"} <= stored(address)
    assert list((tmp_path / "merged" / "leaderboard" / "media").glob("*.webp")), "the page has the videos"
    with pytest.raises(RunRefused, match="no run.2of3.json"):
        run_mirrored(tmp_path / "x", f"{address}3", shard="1/3")
        merge(tmp_path / "x")


def test_another_run_in_the_store_is_refused(tmp_path, bucket):
    run_mirrored(tmp_path / "a", f"s3://{bucket}/run", limit=1)
    for _ in range(2):
        with pytest.raises(RunRefused, match=r"(?s)--mirror s3.*other settings:\n  .*metrics: .*with pi@1"):
            run_mirrored(tmp_path / "b", f"s3://{bucket}/run", limit=1, metrics="pi")
    assert not (tmp_path / "b" / "run.json").exists()


def test_lists_are_complete_and_names_stay_inside(tmp_path, bucket):
    remote = RemoteFolder(f"s3://{bucket}/folder")
    names = [f"many/{n}.json" for n in range(1003)]
    (tmp_path / "many").mkdir()
    for name in names:
        (tmp_path / name).write_text("{}")
    remote.upload(tmp_path, names)
    for bad in ("../outside", "many/../../outside", "a\\b", "/etc/passwd", "c:d", "x//y"):
        remote._system.pipe_file(f"{bucket}/folder/{bad}", b"evil")
    assert remote.sizes() == dict.fromkeys(names, 2)
    for bad in ("../outside", "/etc/passwd"):
        with pytest.raises(RemoteFolderError, match="is no name of a file"):
            remote.download(tmp_path / "copy", {bad: 4})
    remote.download(tmp_path / "copy", remote.sizes())
    assert len(list((tmp_path / "copy" / "many").iterdir())) == len(names)
    remote.delete(names)
    assert remote.sizes() == {}


def test_wrong_addresses_are_explained(tmp_path):
    for address, words in (("s3:/b", "an address such as"), ("gopher://x", "gopher")):
        with pytest.raises((ValueError, RemoteFolderError), match=words):
            make_plan(RunConfig(mirror=address, **SETTINGS), open_dataset("toy", None), "cpu")
            RemoteFolder(address)
    with pytest.raises(ValueError, match="give the address as --mirror"):
        make_plan(RunConfig(out=tmp_path.__class__("s3://b/run"), **SETTINGS), open_dataset("toy", None), "cpu")
