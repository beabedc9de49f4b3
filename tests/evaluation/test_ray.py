"""Runs on a Ray cluster of several nodes on one machine, where units, actors, a node and the run itself fail, give the rows of a local run."""

import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from toy_runs import run_toy

from hoibench.evaluation.config import RunConfig, check_config
from hoibench.evaluation.executor import count_workers
from hoibench.evaluation.ray_actor import NodeSetup, check_node
from hoibench.results.run_record import RunRecord

TROUBLED = """
import os, signal, time
from pathlib import Path
from hoibench.methods.spec import Spec
from toyset.methods import Still

class Troubled(Still):
    spec = Spec(id="troubled", outputs=("video", "tracks"), pairing="query")

    def change(self, request, prediction):
        if request.clip_id == "clip_1":
            raise RuntimeError("not this clip")
        if request.clip_id == "clip_2":
            print("waiting", flush=True)
            time.sleep(600)
        if request.clip_id == "clip_3":
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out
        held = Path(__file__).with_name("held")
        if request.clip_id == "clip_4" and not held.exists():
            held.write_text(str(os.getpid()))
            time.sleep(600)
        return prediction
"""

FATAL = """
import os, signal, subprocess
from pathlib import Path
from hoibench.methods.spec import Spec
from toyset.methods import Still

class Fatal(Still):
    spec = Spec(id="fatal", outputs=("video", "tracks"), pairing="query")

    def __init__(self, entrant, runtime):
        super().__init__(entrant, runtime)
        print(runtime.device, os.environ["CUDA_VISIBLE_DEVICES"])

    def change(self, request, prediction):
        if request.clip_id == "clip_1":
            subprocess.run(["/bin/sh", "-c", "setsid sleep 600 & echo $! >> servers"])
            actor = os.getpid()
            while not Path("/proc", str(actor), "cmdline").read_text().startswith("ray::"):
                actor = int(Path("/proc", str(actor), "stat").read_text().rpartition(")")[2].split()[1])
            os.kill(actor, signal.SIGKILL)
            signal.pause()
        return prediction
"""

STILL = ("--method", "still", "--seed", "0", "--seed", "1", "--limit", "3")


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster with two nodes, each with one core and what Ray takes for a GPU, besides its head, which has neither."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    options = {"object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **options})
    for _ in range(2):
        cluster.add_node(num_cpus=1, num_gpus=1, **options)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def launch_on_ray(launch, cluster):
    return lambda *flags: launch("--executor", "ray", "--ray-address", cluster.address, *flags)


def finish(process, code):
    _, err = process.communicate(timeout=280)
    assert process.returncode == code, err
    return err


def table(out):
    return pd.read_parquet(out / "results.parquet")


def wait_for(find, process):
    """Wait until a function returns something true, and return it."""
    while not (found := find()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    return found


def ancestors(process):
    while process > 1:
        yield process
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.slow
def test_a_lost_node_and_failing_units_give_the_rows_of_a_local_run(launch, launch_on_ray, cluster, tmp_path):
    (tmp_path / "troubled.py").write_text(TROUBLED)
    flags = ("--adapter", "troubled.py:Troubled", "--unit-timeout", "15")
    process = launch_on_ray(*flags, "--out", "ray")
    held = wait_for(lambda: (tmp_path / "held").exists() and (tmp_path / "held").read_text(), process)
    nodes = {node.all_processes["raylet"][0].process.pid: node for node in cluster.worker_nodes}
    (raylet,) = nodes.keys() & set(ancestors(int(held)))
    cluster.remove_node(nodes[raylet], allow_graceful=False)
    finish(process, 3)
    log = (tmp_path / "ray" / "log.txt").read_text()
    assert re.search(r"WARNING .* troubled/seed-0/clip_4: Ray node \S+ \([0-9a-f]{8}\) was lost", log)
    assert "RuntimeError: not this clip" in log
    failures = {f.unit[-6:]: f for f in RunRecord.read(tmp_path / "ray" / "run.json").exit.failures}
    assert {clip: failure.reason for clip, failure in failures.items()} == {
        "clip_1": "RuntimeError: not this clip (troubled.py:12)",
        "clip_2": "no result within 15 s (--unit-timeout)",
        "clip_3": "its process was killed by SIGKILL: out of memory, or from outside",
    }
    assert (tmp_path / "ray" / failures["clip_2"].log).read_text() == "waiting\n"

    finish(launch(*flags, "--workers", "1", "--out", "local"), 3)
    pd.testing.assert_frame_equal(table(tmp_path / "ray"), table(tmp_path / "local"))


@pytest.mark.slow
@pytest.mark.usefixtures("toy")
def test_a_killed_and_an_interrupted_run_resume_to_the_rows_of_a_local_run(launch, launch_on_ray, tmp_path):
    out = tmp_path / "ray"
    process = launch_on_ray(*STILL, "--out", "ray")
    wait_for(lambda: list((out / "predictions" / "still").rglob("prediction.json")), process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)

    process = launch_on_ray(*STILL, "--out", "ray")
    wait_for(lambda: list((out / "scores").rglob("*.jsonl")), process)
    process.send_signal(signal.SIGINT)
    assert "completed work is kept" in finish(process, 130)
    first = {path: path.stat().st_mtime_ns for path in (out / "predictions" / "still").rglob("prediction.json")}

    finish(launch(*STILL, "--workers", "1", "--out", "ray"), 0)  # without Ray
    assert all(path.stat().st_mtime_ns == time for path, time in first.items())
    run_toy(tmp_path / "local", seed=(0, 1), limit=3, metrics="rpe,chamfer,smoothness")
    pd.testing.assert_frame_equal(table(out), table(tmp_path / "local"))


@pytest.mark.slow
def test_a_unit_that_kills_its_actor_twice_fails_and_a_generator_has_a_gpu(launch_on_ray, tmp_path):
    (tmp_path / "fatal.py").write_text(FATAL)
    flags = ("--adapter", "fatal.py:Fatal", "--limit", "2", "--metrics", "rpe", "--device", "cuda")
    finish(launch_on_ray(*flags, "--workers", "1", "--out", "ray"), 3)
    servers = (tmp_path / "servers").read_text().split()
    assert len(servers) == 2 and not [pid for pid in servers if Path("/proc", pid).exists()]
    assert (tmp_path / "ray" / "logs" / "fatal" / "load.log").read_text() == "cuda 0\n"
    (failure,) = RunRecord.read(tmp_path / "ray" / "run.json").exit.failures
    assert failure.unit == "fatal/seed-0/clip_1"
    assert re.match(r"its Ray actor on Ray node \S+ \(.{8}\) died: its worker process has died", failure.reason)
    assert failure.reason.endswith("(tried 2 times)")
    rows = table(tmp_path / "ray")
    status = rows[rows["method"] == "fatal"].groupby("clip")["status"].unique()
    assert [status["clip_1"].tolist(), status["clip_3"].tolist()] == [["failed"], ["ok"]]


def test_a_node_without_the_runs_folder_is_named(tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("this run's")
    setup = NodeSetup(tmp_path, token_file, "this run's", (tmp_path,), tmp_path, {}, ())
    assert check_node(setup) == []
    assert os.listdir(tmp_path) == ["token"]
    missing = tmp_path / "data"
    problems = check_node(replace(setup, token="another run's", paths=(missing,), version="0.0"))
    fix = "on a file system that all nodes share"
    assert problems[0].startswith("has hoibench ")
    assert problems[1:] == [
        f"does not see the run's folder {tmp_path}: give an --out {fix}",
        f"has no {missing}: put it {fix}",
    ]
    elsewhere = replace(setup, out=missing, token_file=missing / "token")
    assert check_node(elsewhere) == [f"does not see the run's folder {missing}: give an --out {fix}"]


def test_workers_are_as_many_as_the_cluster_has_room_for(monkeypatch):
    ray = pytest.importorskip("ray")
    resources = [{"CPU": 16.0, "GPU": 4.0}, {"CPU": 3.0, "GPU": 2.0}, {"CPU": 8.0}, {"CPU": 64.0, "GPU": 8.0}, {}]
    nodes = [{"NodeID": str(n), "Alive": n != 3, "Resources": each} for n, each in enumerate(resources)]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    config = RunConfig(executor="ray", scorer_gpus=0.5)
    counts = {
        (device, scores): count_workers(config, device, 1000, scores=scores)
        for device in ("cpu", "cuda")
        for scores in (False, True)
    }
    assert counts == {("cpu", False): 27, ("cpu", True): 27, ("cuda", False): 6, ("cuda", True): 8 + 3}
    assert count_workers(replace(config, workers=3), "cuda", 1000, scores=True) == 3
    assert count_workers(config, "cuda", 2, scores=True) == 2
    nodes.clear()
    assert count_workers(config, "cuda", 1000, scores=True) == 1, "the cluster may grow"


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("hoibench.evaluation.config.find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=re.escape("--executor ray needs Ray, which is not installed: pip install 'hoibench[ray]'")
    ):
        check_config(RunConfig(executor="ray"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ray_address": "ray://head:10001", "executor": "ray"}, "--ray-address is ray://head:10001, for Ray's client"),
        (
            {"ray_address": "foo", "executor": "ray"},
            "--ray-address is 'foo', expected HOST:PORT, e.g. 10.0.0.1:6379, or",
        ),
        ({"ray_address": "h:abc", "executor": "ray"}, "--ray-address is 'h:abc', expected HOST:PORT"),
        ({"ray_address": ":6379", "executor": "ray"}, "--ray-address is ':6379', expected HOST:PORT"),
        ({"ray_address": "h:65536", "executor": "ray"}, "--ray-address is 'h:65536', expected HOST:PORT"),
        ({"ray_address": "head:6379"}, "--ray-address is head:6379: add --executor ray"),
        ({"scorer_gpus": 0.0}, "--scorer-gpus is 0, expected above 0, and at most 1"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_config(RunConfig(**settings))


@pytest.mark.parametrize("address", ["", "auto", "local", "head:6379", "10.0.0.1:6379", "[::1]:6379"])
def test_addresses_of_clusters_are_accepted(address, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "h:abc" if address else "")
    check_config(RunConfig(executor="ray", ray_address=address))


def test_a_wrong_address_in_the_environment_is_named(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    with pytest.raises(ValueError, match=re.escape("RAY_ADDRESS is 'http://127.0.0.1:8265', expected HOST:PORT")):
        check_config(RunConfig(executor="ray"))


@pytest.mark.usefixtures("toy")
def test_a_malformed_address_is_refused_before_the_folder_is_written(tmp_path):
    pytest.importorskip("ray")
    with pytest.raises(ValueError, match="--ray-address is 'h:abc'"):
        run_toy(tmp_path / "r", executor="ray", ray_address="h:abc", limit=1)
    assert not (tmp_path / "r").exists()


@pytest.mark.usefixtures("toy")
def test_a_wrong_address_is_refused(tmp_path):
    pytest.importorskip("ray")
    message = "--ray-address 127.0.0.1:1 no Ray cluster: [Errno 111] Connection refused"
    with pytest.raises(ValueError, match=re.escape(message)):
        run_toy(tmp_path, executor="ray", ray_address="127.0.0.1:1", limit=1)
    assert not list(tmp_path.glob("ray-token*"))
