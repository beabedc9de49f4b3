"""Worker processes on several GPUs each see one of them.  No GPU is needed: the variable that names them is set."""

import pytest
from toy_runs import run_toy

from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.executor import count_workers
from hoibench.evaluation.gpus import gpu_variables, visible_gpus

PLACED = """
import os
from hoibench.methods.spec import Spec
from toyset.methods import Still

class Placed(Still):
    spec = Spec(id="placed", outputs=("video", "tracks"), pairing="query")

    def __init__(self, entrant, runtime):
        super().__init__(entrant, runtime)
        print(runtime.device, os.environ["CUDA_VISIBLE_DEVICES"])
"""


@pytest.mark.usefixtures("toy")
def test_a_run_has_one_generator_per_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-5ebe9f43")
    adapter = tmp_path / "placed.py"
    adapter.write_text(PLACED)
    settings = {"method": (), "adapter": (f"{adapter}:Placed",), "executor": "local", "metrics": "rpe", "limit": 4}
    outcome, _ = run_toy(tmp_path / "r", device="cuda", **settings)
    assert not outcome.failures
    found = [path.read_text() for path in sorted((tmp_path / "r" / "logs" / "placed").glob("load*.log"))]
    assert found == ["cuda GPU-5ebe9f43\n", "cuda 3\n"], "load-1.log, then load.log"


@pytest.mark.parametrize(
    ("names", "workers", "found"),
    [("0,1,2", None, ["0", "1", "2"]), ("2,7", 4, ["2", "7", "2", "7"]), ("6", 2, [None, None]), ("", None, [None])],
)
def test_workers_take_the_gpus_in_turn(names, workers, found, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
    count = count_workers(RunConfig(workers=workers), "cuda", 10, scores=True)
    assert [gpu_variables("cuda", number).get("CUDA_VISIBLE_DEVICES") for number in range(count)] == found
    assert gpu_variables("cpu", 0) == {}


def test_without_the_variable_all_gpus_are_used(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert visible_gpus() == ("0", "1")
