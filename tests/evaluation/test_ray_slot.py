"""Actors that do not answer, and clusters without room for one, with a fake of Ray's functions."""

import logging
import re
import threading
from types import SimpleNamespace

import pytest

from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.failures import read_failures
from hoibench.evaluation.unit import Unit

pytest.importorskip("ray")

from hoibench.evaluation import ray_cluster, ray_slot

UNIT = Unit("still", None, 0, "clip_1")
ENTRY = ClipEntry("clip_1", ("spoon", "stir", "bowl"))
GPU = {"num_cpus": 1, "num_gpus": 0.5}


class FakeRay:
    """A cluster of one node whose actors start at once, and send ``messages`` when they run a unit, then nothing.

    Each ``ray.wait`` without a result lets a minute pass.
    """

    def __init__(self, monkeypatch, *, resources, free=None, messages=()):
        self.seconds = 0.0
        self.made = self.killed = 0
        self.messages = messages
        clock = SimpleNamespace(monotonic=lambda: self.seconds)
        ray = SimpleNamespace(
            wait=self.wait,
            get=lambda result: result,
            kill=self.kill,
            nodes=lambda: [{"NodeID": "n", "Alive": True, "Resources": resources}],
            available_resources=lambda: resources if free is None else free,
        )
        monkeypatch.setattr(ray_slot, "ray", ray)
        monkeypatch.setattr(ray_cluster, "ray", ray)
        monkeypatch.setattr(ray_slot, "time", clock)

    def make_actor(self):
        self.made += 1
        run = SimpleNamespace(remote=lambda unit, entry: iter(self.messages))
        return SimpleNamespace(
            start=SimpleNamespace(remote=lambda: ("n", "Ray node n", [])), run=SimpleNamespace(options=lambda **_: run)
        )

    def kill(self, actor):
        self.killed += 1

    def wait(self, calls, timeout):
        (call,) = calls
        if isinstance(call, tuple) or call.__length_hint__():
            return calls, []
        self.seconds += 60
        return [], calls


@pytest.fixture
def open_slot(tmp_path):
    def open_slot(cluster, timeout, need=GPU):
        context = SimpleNamespace(out=tmp_path)
        return ray_slot.ActorSlot("generate", cluster.make_actor, need, context, timeout, threading.Event(), None)

    return open_slot


def test_actors_that_stop_answering_are_replaced_then_fail_the_unit(monkeypatch, open_slot, tmp_path):
    cluster = FakeRay(monkeypatch, resources={"CPU": 1.0, "GPU": 1.0}, messages=[("step", "loading")])
    steps = []
    report = open_slot(cluster, timeout=10.0).run(UNIT, ENTRY, steps.append)
    reason = "its Ray actor on Ray node n died: it has not ended the unit within 510 s"
    assert report.failure.startswith(f"generate: {reason}")
    assert report.failure.endswith("(tried 2 times)")
    assert (cluster.made, cluster.killed) == (2, 2)
    assert steps[:2] == ["starting a worker on the Ray cluster", "loading"]
    assert steps[2].startswith(f"starting again, since {reason}")
    assert cluster.seconds == 2 * 9 * 60
    (failure,) = read_failures(tmp_path, [UNIT])
    assert reason in failure.reason


def test_an_actor_that_ends_its_unit_is_kept(monkeypatch, open_slot):
    cluster = FakeRay(monkeypatch, resources={"CPU": 1.0, "GPU": 1.0}, messages=[("report", "done")])
    slot = open_slot(cluster, timeout=10.0)
    assert [slot.run(UNIT, ENTRY, lambda step: None) for _ in range(2)] == ["done", "done"]
    assert (cluster.made, cluster.killed) == (1, 0)


@pytest.mark.parametrize(
    ("resources", "free", "said"),
    [
        ({"CPU": 8.0}, None, "no node of the Ray cluster has 1 core and 0.5 GPU: waiting 15 minutes for one"),
        ({"CPU": 8.0, "GPU": 1.0}, {"CPU": 7.0}, "waiting until a node of the Ray cluster has 1 core and 0.5 GPU free"),
        ({"CPU": 8.0, "GPU": 1.0}, {"CPU": 7.0, "GPU": 0.5}, None),
    ],
)
def test_missing_gpus_are_said_and_logged_before_the_wait(monkeypatch, open_slot, caplog, resources, free, said):
    cluster = FakeRay(monkeypatch, resources=resources, free=free)
    steps = []
    open_slot(cluster, timeout=None).start(steps.append)
    assert steps == [said or "starting a worker on the Ray cluster"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ([said] if said else [])
    assert cluster.seconds == 0


def test_a_cluster_of_its_own_without_a_gpu_is_refused(monkeypatch):
    FakeRay(monkeypatch, resources={"CPU": 8.0})
    (problem,) = ray_cluster.find_no_gpu("cuda", "local")
    assert re.match("--device cuda needs a GPU, and Ray finds none on this machine: give --device cpu", str(problem))
    assert not ray_cluster.find_no_gpu("cpu", "local")
    assert not ray_cluster.find_no_gpu("cuda", "head:6379"), "that cluster may grow"
    FakeRay(monkeypatch, resources={"CPU": 8.0, "GPU": 1.0})
    assert not ray_cluster.find_no_gpu("cuda", "local")
