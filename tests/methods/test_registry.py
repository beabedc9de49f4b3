import re
import sys

import pytest

from hoibench.methods.method import Method, MethodOptions
from hoibench.methods.registry import adapter_spec, folder_spec, load_method, select_specs
from hoibench.methods.spec import Spec
from hoibench.plugins import UnknownName

ADAPTER = """
import numpy as np
from hoibench.clip import Prediction
from hoibench.methods.method import Method
from hoibench.methods.spec import Spec

class Grey(Method):
    spec = Spec("grey", name="Grey frames", families=("i2v",), outputs=("video",))

    def generate(self, request):
        shape = (len(request.views), request.frames, *request.size, 3)
        return Prediction(video=np.full(shape, 127, np.uint8))

class Bare(Method):
    def generate(self, request):
        return None

class Stranger:
    spec = Spec("stranger")
    def __init__(self, spec, options): pass
"""


@pytest.fixture
def adapter(tmp_path):
    path = tmp_path / "grey.py"
    path.write_text(ADAPTER)
    return path


def test_an_adapter_brings_its_spec(adapter):
    spec = adapter_spec(f"{adapter}:Grey")
    assert (spec.id, spec.entry) == ("grey", f"{adapter}:Grey")
    method = load_method(spec, MethodOptions(device="cpu"))
    assert isinstance(method, Method)


def test_a_spec_beside_the_file_is_read_without_importing_it(adapter):
    adapter.write_text("raise RuntimeError('imported')\nclass Grey: pass\n")
    (adapter.parent / "spec.toml").write_text('id = "grey"\nfamilies = ["i2v"]\n')
    assert adapter_spec(f"{adapter}:Grey").families == ("i2v",)


def test_adapter_errors(adapter):
    with pytest.raises(FileNotFoundError, match="is no file"):
        adapter_spec(f"{adapter.parent / 'none.py'}:Grey")
    with pytest.raises(ValueError, match="write path/to/file.py:Class"):
        adapter_spec(str(adapter))
    with pytest.raises(ValueError, match="defines no class 'Gray'"):
        adapter_spec(f"{adapter}:Gray")
    with pytest.raises(ValueError, match="class attribute"):
        adapter_spec(f"{adapter}:Bare")
    with pytest.raises(ValueError, match="not a hoibench"):
        load_method(adapter_spec(f"{adapter}:Stranger"), MethodOptions())


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
    spec = Spec("grey")
    settings = pickle.loads(pickle.dumps(Settings(4)))

    def generate(self, request):
        return None
"""


def test_an_adapter_is_a_module_like_any_other(adapter):
    """Dataclasses with postponed annotations and pickle look their module up in sys.modules."""
    adapter.write_text(DATACLASS)
    method = load_method(adapter_spec(f"{adapter}:Grey"), MethodOptions())
    assert method.settings.steps == 4
    assert sys.modules[type(method).__module__].Grey is type(method)


def test_adapters_of_one_file_name_do_not_mix(adapter, tmp_path):
    other = tmp_path / "other" / "grey.py"
    other.parent.mkdir()
    adapter.write_text(DATACLASS)
    other.write_text(DATACLASS.replace('"grey"', '"other"'))
    methods = [load_method(adapter_spec(f"{path}:Grey"), MethodOptions()) for path in (adapter, other)]
    assert [method.spec.id for method in methods] == ["grey", "other"]
    assert len({type(method).__module__ for method in methods}) == 2


@pytest.fixture
def path_kept(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield
    for name in ("sibling_of_grey", "late_sibling_of_grey"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("path_kept")
def test_files_beside_an_adapter_can_be_imported(adapter, monkeypatch):
    (adapter.parent / "sibling_of_grey.py").write_text("VALUE = 5")
    (adapter.parent / "late_sibling_of_grey.py").write_text("VALUE = 6")
    late = "\n    def late(self):\n        import late_sibling_of_grey\n        return late_sibling_of_grey.VALUE\n"
    adapter.write_text(DATACLASS.replace("import pickle", "import pickle, sibling_of_grey") + late)
    monkeypatch.chdir(adapter.parent)
    method = load_method(adapter_spec("grey.py:Grey"), MethodOptions())
    monkeypatch.chdir("/")
    assert method.late() == 6
    adapter_spec(f"{adapter}:Grey")
    assert sys.path.count(str(adapter.parent)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothere", "needs the module 'nothere', which is not installed: install it, or put it beside the file"),
        ("from hoibench.clip import nothing", "cannot be imported (ImportError: cannot import name 'nothing'"),
        ("1 / 0", "cannot be imported (ZeroDivisionError: division by zero)"),
        ("import broken_sibling", "cannot be imported (SyntaxError: "),
    ],
)
@pytest.mark.usefixtures("path_kept")
def test_an_adapter_that_cannot_be_imported_is_named(adapter, text, message):
    (adapter.parent / "broken_sibling.py").write_text("def")
    adapter.write_text(f"{text}\n{ADAPTER}")
    before = set(sys.modules)
    with pytest.raises(ValueError, match=re.escape(f"{adapter} {message}")):
        adapter_spec(f"{adapter}:Grey")
    assert not [name for name in set(sys.modules) - before if "adapter" in name]


def test_a_syntax_error_says_where(adapter):
    adapter.write_text("\nclass Grey(:\n")
    with pytest.raises(ValueError, match=r"grey\.py is not Python \(invalid syntax, line 2\)"):
        adapter_spec(f"{adapter}:Grey")
    adapter.write_bytes(b"x = 1\0")
    with pytest.raises(ValueError, match=r"grey\.py is not Python"):
        adapter_spec(f"{adapter}:Grey")


def test_a_plug_in_cannot_take_a_built_in_name(adapter):
    built_in = [Spec("grey", kind="reference")]
    with pytest.raises(ValueError, match="cannot replace the built-in method 'grey'"):
        select_specs([], [f"{adapter}:Grey"], built_in)


def test_selection_keeps_order_and_drops_repeats(adapter, tmp_path):
    built_in = [Spec("frozen"), Spec("random")]
    chosen = select_specs(["random", f"mine={tmp_path}", "random"], [f"{adapter}:Grey"], built_in)
    assert [spec.id for spec in chosen] == ["random", "mine", "grey"]
    assert chosen[1].folder == tmp_path


def test_unknown_names_give_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown method 'frzen': did you mean frozen\?"):
        select_specs(["frzen"], [], [Spec("frozen")])
    with pytest.raises(UnknownName, match="unknown preset of a 'nan'"):
        select_specs(["a"], [], [Spec("a", presets=("nano", "micro"))], preset="nan")


def test_folders_must_exist_and_names_be_free(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder of predictions"):
        folder_spec("mine", tmp_path / "none")
    with pytest.raises(ValueError, match="choose another name"):
        select_specs([f"taken={tmp_path}"], [], [Spec("taken")])
    (tmp_path / "spec.toml").write_text('id = "theirs"\nscale = "shared"\n')
    assert folder_spec("mine", tmp_path).scale == "shared"
    assert folder_spec("mine", tmp_path).id == "mine"


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


def test_nothing_said_is_ignored(tmp_path):
    with pytest.raises(ValueError, match="already a method of this run"):
        select_specs([f"mine={tmp_path}", f"mine={tmp_path}"], [], [])
    with pytest.raises(ValueError, match="no method of this run declares presets"):
        select_specs([f"mine={tmp_path}"], [], [], preset="nano")
