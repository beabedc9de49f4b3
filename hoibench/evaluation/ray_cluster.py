"""The connection of a run to a Ray cluster, and the checks of its nodes."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from hoibench.evaluation.build_run_record import record_name
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.ray_actor import NodeSetup, check_node
from hoibench.problems import Problem, raise_if_any

CHECK_SECONDS = 120.0
"""Time that the nodes have to start a process and to check the run's folder."""

CONNECT_SECONDS = 20.0
"""Time that the head of the cluster has to answer."""

_VARIABLES = ("HOIBENCH_", "HF_", "TORCH_HOME", "XDG_CACHE_HOME", "PYTHONPATH")
_OBJECT_STORE_BYTES = 100 << 20
_LOCAL = "local"  # Ray's name for a cluster of its own

_setup: NodeSetup | None = None


@contextmanager
def connect(plan: Plan) -> Iterator[None]:
    """Connect this process to the cluster of a run, or start one on this machine, until the block ends.

    Raises:
        ProblemsFound: there is no cluster at the address, or nodes lack what the run needs.
    """
    global _setup
    token_file = plan.out / f"ray-token-{record_name(plan).removesuffix('.json')}.txt"  # shards share the folder
    token = secrets.token_hex(8)
    token_file.write_text(token)
    is_own = not ray.is_initialized()
    try:
        if is_own:
            address = plan.config.ray_address or os.environ.get("RAY_ADDRESS") or _LOCAL
            _init(address)
            raise_if_any(find_no_gpu(plan.device, address))
        _setup = _make_setup(plan, token_file, token)
        raise_if_any(_check_nodes(_setup))
        yield
    finally:
        _setup = None
        if is_own:
            ray.shutdown()
        token_file.unlink(missing_ok=True)


def current_setup() -> NodeSetup:
    """Return the setup of the run that is connected."""
    assert _setup is not None
    return _setup


def resources(device: str, scorer_gpus: float, *, scores: bool) -> dict[str, float]:
    """Return the arguments of ``ray.remote`` that reserve a core, and on GPUs a whole one for a generator or a share for a scorer."""
    gpus = 0.0 if device == "cpu" else scorer_gpus if scores else 1.0
    return {"num_cpus": 1, "num_gpus": gpus}


def count_actors(device: str, scorer_gpus: float, *, scores: bool) -> int:
    """Return how many actors the cluster has room for, at least one."""
    return max(1, room_for(resources(device, scorer_gpus, scores=scores)))


def room_for(need: Mapping[str, float]) -> int:
    """Return how many actors that need some ``resources`` the cluster's nodes can run at once if they run nothing else."""
    wanted = _wanted(need).items()
    return sum(min(int(node["Resources"].get(name, 0) / each) for name, each in wanted) for node in _nodes())


def is_free(need: Mapping[str, float]) -> bool:
    """Return False if no node can run an actor that needs some ``resources`` now; True does not promise that one can."""
    cluster: Any = ray  # its function has no types
    free = cluster.available_resources()
    return bool(room_for(need)) and all(free.get(name, 0) >= each for name, each in _wanted(need).items())


def find_no_gpu(device: str, address: str) -> list[Problem]:
    """Return a problem if a device needs GPUs and Ray has found none on this machine; a cluster at another address may still grow."""
    if device == "cpu" or address != _LOCAL or any(node["Resources"].get("GPU") for node in _nodes()):
        return []
    fix = "give --device cpu, or the --ray-address of a cluster with GPUs"
    return [Problem(f"--device {device}", "", "needs a GPU, and Ray finds none on this machine", "", fix)]


def is_alive(node: str) -> bool:
    """Return False if the cluster has given a node up."""
    return any(each["NodeID"] == node for each in _nodes())


def _wanted(need: Mapping[str, float]) -> dict[str, float]:
    """Return the amounts in some ``resources`` that are not 0, by Ray's names for the resources of a node."""
    return {name: need[key] for name, key in (("CPU", "num_cpus"), ("GPU", "num_gpus")) if need[key]}


def _nodes() -> list[Mapping[str, Any]]:
    nodes: Any = ray.nodes
    return [node for node in nodes() if node["Alive"]]


def _init(address: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address == _LOCAL:
        options |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        host, has_port, port = address.rpartition(":")
        if has_port:  # Ray ends the process if nobody answers there
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        ray.init(address=address, **options)
    except Exception as error:  # Ray raises several types, and plain Exception
        fix = (
            "start one with `ray start --head`; set RAY_AUTH_MODE=token if it wants a token; or leave out --ray-address and RAY_ADDRESS "
            "to use this machine alone"
        )
        raise_if_any(
            [Problem(f"--ray-address {address}", "", f"no Ray cluster: {' '.join(str(error).split())}", "", fix)]
        )


def _make_setup(plan: Plan, token_file: Path, token: str) -> NodeSetup:
    config = plan.config
    folders = (entrant.spec.folder for entrant in plan.entrants)
    paths = [path for path in (config.root, config.weights, config.checkpoint, *folders) if path is not None]
    variables = {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
    return NodeSetup(plan.out, token_file, token, tuple(paths), plan.folder, variables, tuple(filter(None, sys.path)))


def _check_nodes(setup: NodeSetup) -> list[Problem]:
    """Return what the nodes lack that can run actors."""
    remote: Any = ray.remote
    check = remote(num_cpus=0, max_retries=0)(check_node)
    calls = {}
    for node in _nodes():
        if node["Resources"].get("CPU"):
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            calls[node["NodeManagerHostname"], node["NodeID"]] = check.options(scheduling_strategy=strategy).remote(
                setup
            )
    return [
        Problem(f"Ray node {name} ({node[:8]})", "", problem, "", "")
        for (name, node), call in calls.items()
        for problem in _get_problems(call)
    ]


def _get_problems(call: Any) -> list[str]:
    try:
        return list(ray.get(call, timeout=CHECK_SECONDS))
    except GetTimeoutError:
        return [f"has not answered within {CHECK_SECONDS:g} s"]
    except RayError as error:
        *_, last = str(error).strip().splitlines()
        return [f"cannot run hoibench ({last.strip()}): install it there, in the same environment"]
