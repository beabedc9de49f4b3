"""The needs of code with an environment of its own, with a fake tree, a fake Hugging Face and this interpreter."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fake_upstream import make_tree

from hoibench.methods.method import Entrant
from hoibench.methods.needs import find_needs
from hoibench.methods.spec import NeededFile, Spec, Upstream

COMMIT = "1" * 40
SPEC = Spec(
    id="toy", environment="pip install toy", upstream=Upstream(repository="https://example.org/toy", commit=COMMIT, licence="MIT")
)  # fmt: skip


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """The cache of models from Hugging Face; nothing is asked of the network."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hub"


@pytest.fixture
def tree(tmp_path):
    return make_tree("toy", tmp_path)


def needs(settings=None, modules=(), **spec):
    entrant = Entrant(SPEC.model_copy(update=spec), None, settings or {})
    return [str(problem) for problem in find_needs(entrant, modules)]


def test_a_complete_tree_lacks_nothing(tree):
    files = (NeededFile(path="run.py"),)
    assert needs(tree.settings, ["numpy", "json"], files=files) == []


def test_terms_must_be_accepted():
    terms = "For academic use."
    assert needs(terms=terms) == ["toy has terms: For academic use. To accept them: --set toy.accept_terms=true"]
    assert needs({"accept_terms": True}, terms=terms) == []


def test_another_commit_and_a_folder_without_one(tree, tmp_path):
    settings = tree.settings | {"commit": COMMIT}
    (problem,) = needs(settings)
    assert problem == (
        f"{tree.path} is at commit {tree.commit[:12]}, expected {COMMIT[:12]}: "
        f"git -C '{tree.path}' checkout --recurse-submodules {COMMIT}; or --set toy.commit=any"
    )
    assert needs(settings | {"commit": "any"}) == []
    assert needs(settings | {"upstream": tree.path / "run.py"}) == [
        f"{tree.path}/run.py is no folder, expected the folder of the upstream code"
    ]
    (tmp_path / "copy").mkdir()
    (problem,) = needs(settings | {"upstream": tmp_path / "copy"})
    assert (
        "copy is no git checkout, expected commit 111111111111: git clone --recurse-submodules https://example.org/toy FOLDER && "
        in problem
    )


def test_an_interpreter_that_lacks_modules_or_does_not_start(tree, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    python = {"python": Path(sys.executable)}
    assert needs(python, ["json", "no_such_module", "nor_this"]) == [
        f"{sys.executable} lacks no_such_module, nor_this: pip install toy"
    ]
    assert needs(python | tree.settings, ["run"]) == [], "a module in the tree"
    (problem,) = needs({"python": tree.path / "run.py"})
    assert "run.py does not start (" in problem and problem.endswith(
        "expected the interpreter of its environment: pip install toy"
    )


def test_a_missing_file_is_named_with_how_to_get_it(tree):
    file = NeededFile(path="weights/model.ckpt", url="https://example.org/model.ckpt")
    fix = "is missing: download it from https://example.org/model.ckpt"
    assert needs(tree.settings, files=(file,)) == [f"{tree.path}/weights/model.ckpt {fix}"]
    assert needs(files=(file,)) == [f"weights/model.ckpt {fix}"]
    noted = file.model_copy(update={"note": "Ask the authors"})
    assert needs(files=(noted,)) == ["weights/model.ckpt is missing: Ask the authors (https://example.org/model.ckpt)"]


class HuggingFace(BaseHTTPRequestHandler):
    def do_HEAD(self):
        name = self.path.removeprefix("/api/models/").removesuffix("/auth-check")
        self.send_response({"a/open": 200, "a/gated": 401}.get(name, 404))
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), HuggingFace) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


MODELS = tuple(NeededFile(hub=f"a/{name}") for name in ("open", "gated", "unknown"))


def test_gated_unknown_and_open_models_are_told_apart_from_no_network(hub, server, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", server)
    assert needs(files=MODELS) == [
        f"a/open is not in {hub}: hf download a/open",
        f"a/gated is not in {hub} and needs a login: accept its terms at https://huggingface.co/a/gated; hf auth login; hf download a/gated",
        f"a/unknown is not in {hub} nor at {server}: hf download a/unknown",
    ]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    problems = needs(files=MODELS)
    assert ["(http://127.0.0.1:9 cannot be reached: " in problem for problem in problems] == [True] * 3
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert needs(files=MODELS[:1]) == [f"a/open is not in {hub} (HF_HUB_OFFLINE is set): hf download a/open"]


def test_models_in_the_cache_are_found(hub):
    for name in ("open", "gated"):
        (hub / f"models--a--{name}" / "snapshots" / "0").mkdir(parents=True)
    (hub / "models--a--open" / "snapshots" / "0" / "config.json").touch()
    (problem,) = needs(files=MODELS[:2])  # an interrupted download leaves an empty folder
    assert problem.startswith("a/gated is not in")
