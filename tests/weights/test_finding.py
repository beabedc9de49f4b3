"""Finding weights: the search order, and the check of the file."""

import os
import re
from pathlib import Path

import pytest

from hoibench.plugins import UnknownName
from hoibench.store.records import parse_record
from hoibench.weights import Weight, WeightsDamaged, WeightsMissing, all_weights, find_weights, finding

CONTENT = b"PK\x03\x04\0" + bytes(range(256)) * 3000  # content of the toy weight, see conftest.py


@pytest.fixture
def folders(toy, register, monkeypatch, tmp_path):
    register(toy)
    named = [tmp_path / "one", tmp_path / "two"]
    monkeypatch.setenv("HOIBENCH_WEIGHTS", os.pathsep.join(str(folder) for folder in named))
    places = {"extra": tmp_path / "extra", "one": named[0], "two": named[1], "cache": tmp_path / "cache" / "weights"}
    for folder in places.values():
        folder.mkdir(parents=True)
    return places


def test_folders_are_searched_in_order(folders):
    for name in ("cache", "two", "one", "extra"):  # each new folder precedes the earlier ones
        (folders[name] / "toy.pth").write_bytes(CONTENT)
        assert find_weights("toy", folders["extra"]) == folders[name] / "toy.pth"


def test_repeated_and_empty_folders_are_ignored(folders, monkeypatch, tmp_path):
    one, two = folders["one"], folders["two"]
    monkeypatch.setenv("HOIBENCH_WEIGHTS", os.pathsep.join(["", str(two), "", str(one), str(two), ""]))
    assert finding.search_folders(one) == (one, two, folders["cache"])
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "toy.pth").write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(WeightsMissing):
        find_weights("toy")


def test_the_first_folder_with_the_file_wins_even_if_it_is_damaged(folders):
    (folders["one"] / "toy.pth").write_bytes(b"half")
    (folders["two"] / "toy.pth").write_bytes(CONTENT)
    with pytest.raises(WeightsDamaged, match=rf"{folders['one']}.* is text, not weights toy: it has 4 bytes"):
        find_weights("toy")
    (folders["one"] / "toy.pth").unlink()
    (folders["one"] / "toy.pth").mkdir()  # a folder with the name of the file
    assert find_weights("toy") == folders["two"] / "toy.pth"


def test_the_cache_folder_is_that_of_the_data_sets(monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", "~/x")
    assert finding.cache_folder() == Path.home() / "x" / "weights"
    monkeypatch.setenv("HOIBENCH_CACHE", "x")
    assert finding.cache_folder() == Path("x/weights")


def test_a_missing_file_names_the_folders_and_the_command(folders):
    with pytest.raises(WeightsMissing) as caught:
        find_weights("toy", folders["extra"])
    message = str(caught.value)
    assert all(str(folder) in message for folder in folders.values())
    assert "toy.pth" in message
    assert "hoibench weights fetch toy" in message


@pytest.fixture
def package(folders, toy, register, monkeypatch, tmp_path):
    """The path of the toy weight in an installed package, whose import fails."""
    site = tmp_path / "site"
    (site / "toy_package").mkdir(parents=True)
    (site / "toy_package" / "__init__.py").write_text("raise SystemExit('imported')")
    (site / "toy_package" / "toy.pth").write_bytes(CONTENT)
    (site / "toy_package-1.dist-info").mkdir()
    (site / "toy_package-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-package\nVersion: 1\n")
    monkeypatch.syspath_prepend(site)
    register(toy, package={"name": "toy-package", "file": "toy_package/toy.pth"})
    return site / "toy_package" / "toy.pth"


def test_a_file_in_an_installed_package_comes_after_the_folders(package, folders):
    assert find_weights("toy") == package
    (folders["cache"] / "toy.pth").write_bytes(CONTENT)
    assert find_weights("toy") == folders["cache"] / "toy.pth"


def test_a_file_in_a_package_is_checked(package, toy, register):
    package.write_bytes(CONTENT[:-1] + b"\0")
    with pytest.raises(WeightsDamaged, match=f"{package} has sha256"):
        find_weights("toy")
    package.unlink()
    with pytest.raises(WeightsMissing, match="fetch toy`, install the package toy-package, or set"):
        find_weights("toy")
    register(toy, package={"name": "toy-package-2", "file": "toy_package/toy.pth"})
    with pytest.raises(WeightsMissing, match="install the package toy-package-2"):
        find_weights("toy")


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"\0"], ids=["short", "changed"])
def test_other_bytes_are_refused(folders, content):
    path = folders["one"] / "toy.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsDamaged, match="delete it and download it again") as caught:
        find_weights("toy")
    assert str(path) in str(caught.value)


def test_a_file_is_hashed_once_until_it_changes(folders, monkeypatch):
    path = folders["one"] / "toy.pth"
    path.write_bytes(CONTENT)
    hashed = []
    real = finding.sha256_file
    monkeypatch.setattr(finding, "sha256_file", lambda path: hashed.append(path) or real(path))
    assert find_weights("toy") == find_weights("toy") == path
    assert hashed == [path]
    path.write_bytes(CONTENT[:-1] + b"\0")
    with pytest.raises(WeightsDamaged):
        find_weights("toy")


def test_a_file_is_identified_by_gits_name_of_its_contents(folders, toy, register):
    """The id is the one that git hash-object prints."""
    path = folders["one"] / "toy.pth"
    path.write_bytes(CONTENT)
    register(toy, sha256="", bytes=None, git_blob="0b0c3c0c6c44ecce0f4af2e05455ebf362a1194c")
    assert find_weights("toy") == path
    path.write_bytes(CONTENT[:-1] + b"\0")
    with pytest.raises(WeightsDamaged, match=f"{path} has the Git blob id"):
        find_weights("toy")


def test_an_unknown_id_suggests_the_nearest():
    with pytest.raises(UnknownName, match="did you mean aliked-n16"):
        find_weights("aliked-n61")


def test_every_registered_weight_is_identified():
    """By its hash, or by an address that holds a commit's hash."""
    weights = all_weights().values()
    assert "aliked-n16" in all_weights()
    assert len(weights) == len({weight.file for weight in weights}) == len({weight.download_url for weight in weights})
    for weight in weights:
        assert weight.sha256 or (weight.git_blob and re.search("[0-9a-f]{40}", weight.url))
        assert weight.is_verifiable or not weight.package
        assert weight.download_url.startswith("https://")
        assert weight.licence


def test_weights_of_no_commercial_use_have_terms():
    assert {id for id, weight in all_weights().items() if weight.terms} == {"gim-lightglue-100h"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "ftp://x/toy.pth"}, "url is 'ftp://x/toy.pth': "),
        ({"url": "file:///etc/passwd"}, "url is 'file:///etc/passwd': "),
        ({"url": "hf://lab/toy.pth"}, "url is 'hf://lab/toy.pth': "),
        ({"sha256": "0" * 63}, "sha256 is '000"),
        ({"bytes": 0}, "bytes is 0: "),
        ({"file": "../toy.pth"}, r"file is '\.\./toy\.pth': "),
        ({"licence": None}, "licence is None: "),
        ({"sise": 3}, "unknown key 'sise'"),
    ],
)
def test_an_invalid_registry_entry_is_refused(toy, changes, message):
    with pytest.raises(ValueError, match=f"registry, toy: {message}"):
        parse_record(Weight, toy.to_json() | changes, "registry, toy")
