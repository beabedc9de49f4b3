import os
import re
import sys
import threading

import numpy as np
import pytest

from hoibench.methods import registry
from hoibench.methods.entrants import select_entrants
from hoibench.methods.method import Entrant, Method, Runtime
from hoibench.methods.registry import adapter_spec, folder_spec, load_method
from hoibench.methods.spec import Preset, Spec
from hoibench.processes import call_once

ADAPTER = """
import numpy as np
from hoibench.clip import Prediction
from hoibench.methods.method import Method
from hoibench.methods.spec import Spec

class Grey(Method):
    spec = Spec(id="grey", name="Grey frames", families=("i2v",), outputs=("video",))

    def generate(self, request):
        shape = (len(request.views), request.frames, *request.size, 3)
        return Prediction(video=np.full(shape, 127, np.uint8))

class Bare(Method):
    def generate(self, request):
        return None

class Stranger:
    spec = Spec(id="stranger")
    def __init__(self, entrant, runtime): pass
"""


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Import adapters in this process, which is quicker."""
    monkeypatch.setattr(registry, "call_once", lambda function, *arguments, **_: function(*arguments))


@pytest.fixture
def adapter(tmp_path):
    path = tmp_path / "grey.py"
    path.write_text(ADAPTER)
    return path


def test_an_adapter_has_its_own_spec(adapter):
    spec = adapter_spec(f"{adapter}:Grey")
    assert (spec.id, spec.entry) == ("grey", f"{adapter}:Grey")
    method = load_method(Entrant(spec), Runtime())
    assert isinstance(method, Method)


HOSTILE = """
import os, sys, threading, time
os.chdir("/")
sys.excepthook = print
print("imported by", os.getpid())
os.system("echo by a child")
threading.Thread(target=time.sleep, args=(600,)).start()
"""


def adapters():
    return {name for name in sys.modules if name.startswith("hoibench_adapter")}


def test_an_adapter_is_imported_in_a_process_of_its_own(adapter, capfd, monkeypatch):
    monkeypatch.setattr(registry, "call_once", call_once)
    monkeypatch.chdir(adapter.parent)
    before = (os.getcwd(), threading.active_count(), sys.path.copy(), sys.excepthook, adapters())
    adapter.write_text(HOSTILE + ADAPTER)
    assert adapter_spec("grey.py:Grey").id == "grey"
    adapter.write_text(HOSTILE + "sys.stdout.close()\nos._exit(3)\nclass Grey: pass")
    with pytest.raises(ValueError, match="exit code 3: .*\nIt printed:\n  imported by [0-9]+\n  by a child$"):
        adapter_spec("grey.py:Grey")
    adapter.write_text(f"{HOSTILE}\n1 / 0\n{ADAPTER}")
    with pytest.raises(ValueError, match="ZeroDivisionError: division by zero.*\nIt printed:"):
        adapter_spec("grey.py:Grey")
    adapter.write_text(f"raise KeyboardInterrupt('no GPU')\n{ADAPTER}")
    with pytest.raises(ValueError, match="--adapter grey.py:Grey: KeyboardInterrupt: no GPU"):
        adapter_spec("grey.py:Grey")
    adapter.write_text(f"print('here')\nimport time\ntime.sleep(600)\n{ADAPTER}")
    monkeypatch.setattr(registry, "IMPORT_SECONDS", 3)
    with pytest.raises(
        ValueError, match="--adapter grey.py:Grey: the import .* not ended after 3 s\nIt printed:\n  here"
    ):
        adapter_spec("grey.py:Grey")
    assert (os.getcwd(), threading.active_count(), sys.path, sys.excepthook, adapters()) == before
    assert capfd.readouterr() == ("", "")


def test_a_spec_next_to_the_file_is_read_without_importing_the_file(adapter):
    adapter.write_text("raise RuntimeError('imported')\nclass Grey: pass\n")
    (adapter.parent / "spec.toml").write_text('id = "grey"\nfamilies = ["i2v"]\n')
    assert adapter_spec(f"{adapter}:Grey").families == ("i2v",)


def test_adapter_errors(adapter):
    with pytest.raises(FileNotFoundError, match="no such file"):
        adapter_spec(f"{adapter.parent / 'none.py'}:Grey")
    with pytest.raises(ValueError, match="write path/to/file.py:Class"):
        adapter_spec(str(adapter))
    with pytest.raises(ValueError, match="defines no class 'Gray'"):
        adapter_spec(f"{adapter}:Gray")
    with pytest.raises(ValueError, match="class attribute"):
        adapter_spec(f"{adapter}:Bare")
    with pytest.raises(ValueError, match="expected a hoibench.methods.method.Method"):
        load_method(Entrant(adapter_spec(f"{adapter}:Stranger")), Runtime())


DATACLASS = """
from __future__ import annotations
import pickle
from dataclasses import dataclass
from hoibench.methods.method import Method
from hoibench.methods.spec import Spec

@dataclass
class Settings:
    steps: int = 3
    names: list[str] | None = None

class Grey(Method):
    spec = Spec(id="grey")
    choices = pickle.loads(pickle.dumps(Settings(4)))

    def generate(self, request):
        return None
"""


def test_an_adapter_is_a_regular_module(adapter):
    """Dataclasses with postponed annotations and pickle look their module up in sys.modules."""
    adapter.write_text(DATACLASS)
    method = load_method(Entrant(adapter_spec(f"{adapter}:Grey")), Runtime())
    assert method.choices.steps == 4
    assert sys.modules[type(method).__module__].Grey is type(method)


def test_adapters_with_the_same_file_name_are_different_modules(adapter, tmp_path):
    other = tmp_path / "other" / "grey.py"
    other.parent.mkdir()
    adapter.write_text(DATACLASS)
    other.write_text(DATACLASS.replace('"grey"', '"other"'))
    methods = [load_method(Entrant(adapter_spec(f"{path}:Grey")), Runtime()) for path in (adapter, other)]
    assert [method.spec.id for method in methods] == ["grey", "other"]
    assert len({type(method).__module__ for method in methods}) == 2


@pytest.fixture
def restored_sys_path(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield
    for name in ("sibling_of_grey", "late_sibling_of_grey"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("restored_sys_path")
def test_files_next_to_an_adapter_can_be_imported(adapter, monkeypatch):
    (adapter.parent / "sibling_of_grey.py").write_text("VALUE = 5")
    (adapter.parent / "late_sibling_of_grey.py").write_text("VALUE = 6")
    late = "\n    def late(self):\n        import late_sibling_of_grey\n        return late_sibling_of_grey.VALUE\n"
    adapter.write_text(DATACLASS.replace("import pickle", "import pickle, sibling_of_grey") + late)
    monkeypatch.chdir(adapter.parent)
    method = load_method(Entrant(adapter_spec("grey.py:Grey")), Runtime())
    monkeypatch.chdir("/")
    assert method.late() == 6
    adapter_spec(f"{adapter}:Grey")
    assert sys.path.count(str(adapter.parent)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import nothere",
            "needs the module 'nothere', which is not installed: install it, or put it next to the file",
        ),
        ("from hoibench.clip import nothing", "cannot be imported (ImportError: cannot import name 'nothing'"),
        ("1 / 0", "cannot be imported (ZeroDivisionError: division by zero)"),
        ("import sys; sys.exit('no GPU')", "cannot be imported (SystemExit: no GPU)"),
        ("import broken_sibling", "cannot be imported (SyntaxError: "),
    ],
)
@pytest.mark.usefixtures("restored_sys_path")
def test_an_adapter_that_cannot_be_imported_is_named(adapter, text, message):
    (adapter.parent / "broken_sibling.py").write_text("def")
    adapter.write_text(f"{text}\n{ADAPTER}")
    before = set(sys.modules)
    with pytest.raises(ValueError, match=re.escape(f"{adapter} {message}") + r".* \(grey\.py:1\)$"):
        adapter_spec(f"{adapter}:Grey")
    assert not [name for name in set(sys.modules) - before if "adapter" in name]


def test_a_syntax_error_gives_the_line(adapter):
    adapter.write_text("\nclass Grey(:\n")
    with pytest.raises(ValueError, match=r"grey\.py is not valid Python: invalid syntax .*line 2"):
        adapter_spec(f"{adapter}:Grey")
    adapter.write_bytes(b"x = 1\0")
    with pytest.raises(ValueError, match=r"grey\.py is not valid Python"):
        adapter_spec(f"{adapter}:Grey")


def test_folders_of_predictions_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="none: no such folder"):
        folder_spec("mine", tmp_path / "none")
    preset = '[presets.a]\ntitle = "a"\n[settings.steps]\ntype = "int"\nhelp = "Of sampling."\ndefault = 3\n'
    (tmp_path / "spec.toml").write_text(f'id = "theirs"\nscale = "shared"\n{preset}')
    assert folder_spec("mine", tmp_path).scale == "shared"
    (entrant,) = select_entrants([f"mine={tmp_path}"])
    assert (entrant.key, entrant.settings) == ("mine", {}), "stored predictions cannot be made otherwise"


def test_stored_outputs_are_paired_as_those_of_the_methods_preset(tmp_path):
    def preset(**changes):
        return Preset(title="a preset", **changes)

    method = Spec(
        id="mine", outputs=("points",), pairing="oracle-projection",
        presets={"points": preset(), "tracks": preset(outputs=("tracks",), pairing="query")},
    )  # fmt: skip
    np.savez(tmp_path / "tracks.npz", tracks=np.zeros(1))
    assert (folder_spec("mine", tmp_path, method).outputs, folder_spec("mine", tmp_path, method).pairing) == (
        ("tracks",),
        "query",
    )
    np.savez(tmp_path / "tracks.npz", points=np.zeros(1))
    assert folder_spec("mine", tmp_path, method).pairing == "oracle-projection"


@pytest.mark.parametrize("name", ["frozen", "frozen_self/wan", "published/das"])
def test_the_benchmarks_own_names_are_reserved(tmp_path, adapter, name):
    with pytest.raises(ValueError, match="the benchmark's own rows"):
        folder_spec(name, tmp_path)
    adapter.write_text(ADAPTER.replace('"grey"', f'"{name}"'))
    with pytest.raises(ValueError, match="the benchmark's own rows"):
        adapter_spec(f"{adapter}:Grey")


def test_an_adapter_is_a_method_whatever_its_spec_says(adapter):
    adapter.write_text(ADAPTER.replace('name="Grey frames"', 'kind="reference"'))
    assert adapter_spec(f"{adapter}:Grey").kind == "method"


def test_an_error_in_an_adapters_spec_names_the_key(adapter):
    adapter.write_text(ADAPTER.replace('name="Grey frames"', 'names="Grey frames"'))
    with pytest.raises(ValueError, match=r"grey\.py has an invalid spec: unknown key 'names'"):
        adapter_spec(f"{adapter}:Grey")


@pytest.mark.parametrize("name", ["../evil", "a+b", "", "/abs"])
@pytest.mark.parametrize("described", [False, True])
def test_a_folders_name_is_checked_with_and_without_a_spec(tmp_path, name, described):
    (tmp_path / "view-0.mp4").touch()
    if described:
        (tmp_path / "spec.toml").write_text('id = "theirs"\n')
    with pytest.raises(ValueError, match=re.escape(f"--method {name}={tmp_path}: id: ")):
        folder_spec(name, tmp_path)
