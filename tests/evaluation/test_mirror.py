"""Runs with a copy in an object store: a real S3 server (moto's) in a process of its own."""

import shutil
import time
from pathlib import Path

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
from hoibench.problems import Problem
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


def plan_of(**settings):
    return make_plan(RunConfig(**SETTINGS | settings), open_dataset("toy", None), "cpu")


def run_mirrored(out, address, listener=None, cannot_start=(), **settings):
    listener = listener or RecordingListener()
    problems = {method: [Problem(method, "", "cannot start", "", "")] for method in cannot_start}
    with open_mirror(address, out) as mirror:
        run(plan_of(out=out, mirror=address, **settings), listener, problems, mirror)
        mirror.upload_results()
    return [report.unit.key for report in listener.reports if report.did_work]


def merge_mirrored(out, address):
    with open_mirror(address, out) as mirror:
        return merge(out, mirror)


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory, package):
    return tmp_path_factory.mktemp("plain") / "run"


@pytest.fixture
def plain(plain_folder):
    """The folder of the same run without a mirror; not to be changed."""
    if not plain_folder.exists():
        run_toy(plain_folder, **{name: SETTINGS[name] for name in ("metrics", "limit")})
    return plain_folder


@pytest.fixture
def table(plain):
    """The rows of the same run without a mirror."""
    return headline_rows(plain)


@pytest.fixture
def mirrored(plain, bucket, tmp_path):
    """The address of a mirror of a copy of that run, and the copy."""
    address, out = f"s3://{bucket}/run", tmp_path / "copy"
    shutil.copytree(plain, out)
    restore_units(out, address)
    return address, out


def restore_units(out, address):
    """Upload what a resumed run uploads before it works."""
    with open_mirror(address, out) as mirror:
        mirror.restore_units(plan_of().units, ["rpe@2"])


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
    unit = plan_of().units[0]
    shutil.rmtree(unit.prediction_folder(out))
    assert run_mirrored(out, address) == [], "the store has it"
    remote = RemoteFolder(address)
    remote.delete([name for name in stored(address) if unit.key in name and name.endswith(".json")])
    shutil.rmtree(unit.prediction_folder(out), ignore_errors=True)
    assert unit.key in run_mirrored(out, address)
    made = (unit.prediction_folder(out) / "prediction.json").read_bytes()
    assert remote.read(f"predictions/{unit.key}/prediction.json") == made
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


def test_a_merge_takes_the_newest_rows_and_failures_from_the_store(tmp_path, bucket, table):
    address, out = f"s3://{bucket}/run", tmp_path / "merged"
    run_mirrored(tmp_path / "1", address, shard="1/2")
    with pytest.raises(Killed):
        run_mirrored(tmp_path / "2", address, StoppingListener(3, kill), ["still"], shard="2/2")
    with pytest.raises(RunRefused, match="unfinished shards, run.2of2.json"):
        merge_mirrored(out, address)
    run_mirrored(tmp_path / "2", address, cannot_start=["still"], shard="2/2")
    assert {failure.unit for failure in merge_mirrored(out, address).failures} == {"still/seed-0/clip_3"}
    assert list(out.rglob("failure.json"))
    run_mirrored(tmp_path / "3", address, shard="2/2")
    assert not merge_mirrored(out, address).failures
    assert not list(out.rglob("failure.json"))
    pd.testing.assert_frame_equal(headline_rows(out), table)
    # The machine on which it failed learns from the store, too.
    assert list((tmp_path / "2").rglob("failure.json"))
    assert run_mirrored(tmp_path / "2", address, shard="2/2") == []
    assert not list((tmp_path / "2").rglob("failure.json"))


def test_a_merge_shows_the_predictions_of_the_rows(mirrored):
    address, out = mirrored
    RemoteFolder(address).upload(out, ["run.json"])
    unit = plan_of().units[0]
    path = unit.prediction_folder(out) / "prediction.json"
    path.write_text(path.read_text() + "\n")
    with open_mirror(address, out) as mirror:
        mirror.restore_clips([unit.clip])
        assert path.read_text().endswith("\n\n"), "a run keeps its own"
        merge(out, mirror)
        mirror.restore_clips([unit.clip])
    assert path.read_bytes() == RemoteFolder(address).read(path.relative_to(out).as_posix())


def test_a_merge_refuses_an_empty_store_and_another_run(tmp_path, mirrored):
    address, out = mirrored
    with pytest.raises(RunRefused, match=f"--mirror {address} has no run: correct the address"):
        merge_mirrored(out, address)
    run_toy(tmp_path / "other", metrics="pi", limit=1)
    RemoteFolder(address).upload(out, ["run.json"])
    rows = {path: path.read_bytes() for path in (tmp_path / "other").rglob("*.jsonl")}
    with pytest.raises(RunRefused, match="other settings"):
        merge_mirrored(tmp_path / "other", address)
    assert rows and all(path.read_bytes() == data for path, data in rows.items())


@pytest.mark.parametrize(
    ("data", "words"), [(b"{", "is not strict JSON"), (b'{"schema": "hoibench/run@1"}', "schema is")]
)
def test_a_damaged_record_in_the_store_is_named(mirrored, tmp_path, data, words):
    address, out = mirrored
    RemoteFolder(address)._system.pipe_file(f"{address}/run.json", data)
    message = f"{address}/run.json.*{words}.*; or give another --mirror"
    with pytest.raises(RunRefused, match=message):
        merge_mirrored(out, address)
    with pytest.raises(RunRefused, match=message):
        run_mirrored(tmp_path / "new", address)


def test_truths_that_the_store_lacks_are_uploaded(mirrored, monkeypatch):
    address, out = mirrored
    remote, upload = RemoteFolder(address), RemoteFolder.upload
    names = sorted(name for name in stored(address) if name.startswith("clips/"))
    assert len(names) == sum(path.is_file() for path in (out / "clips").rglob("*"))
    remote.delete(names[1:])
    restore_units(out, address)
    assert stored(address) >= set(names)
    # What is not uploaded is not taken for uploaded.
    remote.delete(names)

    def fail(self, folder, files):
        if any(file.startswith("clips/") for file in files):
            raise RemoteFolderError("no connection")
        upload(self, folder, files)

    with open_mirror(address, out) as mirror:
        monkeypatch.setattr(RemoteFolder, "upload", fail)
        for unit in plan_of().units:
            mirror.upload_unit(unit)
            with pytest.raises(RemoteFolderError, match="no connection"):
                mirror.upload_results()  # waits for the unit
        monkeypatch.setattr(RemoteFolder, "upload", upload)
        for unit in plan_of().units:
            mirror.upload_unit(unit)
        mirror.upload_results()
    assert stored(address) >= set(names)


def test_a_prediction_of_the_same_size_is_uploaded(mirrored):
    address, out = mirrored
    folder = plan_of().units[0].prediction_folder(out)
    for path in folder.glob("*.[jm]*"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1 if path.suffix == ".mp4" else 0x2A  # a space for the last newline
        path.write_bytes(data)
    restore_units(out, address)
    for path in folder.iterdir():
        assert RemoteFolder(address).read(path.relative_to(out).as_posix()) == path.read_bytes()


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
    remote.delete(names[:2])  # fsspec looks for each of them first, one after the other
    assert remote.sizes() == dict.fromkeys(names[2:], 2)


def test_a_folder_of_this_machine_is_made(tmp_path):
    remote = RemoteFolder(f"file://{tmp_path}/new/copy")
    assert remote.sizes() == {}
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/b/c.json", "d.json"):
        (tmp_path / name).write_text(name)
        remote.upload(tmp_path, [name])
    assert remote.sizes() == {"a/b/c.json": 10, "d.json": 6}
    assert dict(remote.read_all(remote.sizes())) == {"a/b/c.json": b"a/b/c.json", "d.json": b"d.json"}
    remote.delete(["d.json"])
    assert remote.sizes() == {"a/b/c.json": 10}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"address": "s3://nowhere/run"}, "correct the address, or create the bucket, then give the command again"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "give credentials .*, then give the command"),
    ],
)
def test_the_advice_fits_the_error(tmp_path, bucket, monkeypatch, change, words):
    import s3fs

    address = change.pop("address", f"s3://{bucket}/run")
    for name in change:
        monkeypatch.delenv(name)
    for name in ("HOME", "AWS_EC2_METADATA_DISABLED"):  # no other credentials
        monkeypatch.setenv(name, str(tmp_path) if name == "HOME" else "true")
    s3fs.S3FileSystem.clear_instance_cache()
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RemoteFolderError, match=words), open_mirror(address, tmp_path) as mirror:
        mirror.upload("run.json")


def test_passwords_in_addresses_are_refused_and_not_shown(tmp_path, capsys):
    address = "s3://user:very/secret@bucket/run"
    assert (
        main(["run", "--dataset", "toy", "--method", "still", "--out", str(tmp_path / "r"), "--mirror", address]) == 2
    )
    assert main(["merge", str(tmp_path), "--mirror", address]) == 2
    shown = capsys.readouterr()
    assert shown.err.count("a user name and a password: leave them out, and give them in the environment") == 2
    assert "secret" not in shown.err + shown.out and not (tmp_path / "r").exists()


def test_wrong_addresses_are_explained():
    with pytest.raises(RemoteFolderError, match="gopher"):
        RemoteFolder("gopher://x")
    with pytest.raises(ValueError, match="--mirror is 's3:/b', expected an address such as"):
        plan_of(mirror="s3:/b")
    with pytest.raises(ValueError, match="give the address as --mirror"):
        plan_of(out=Path("s3://b/run"))
