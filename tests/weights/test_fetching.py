"""Fetching weights from a server: whole and right, or absent with the reason."""

import pytest

from hoibench.weights import WeightsDamaged
from hoibench.weights.__main__ import main
from hoibench.weights.fetching import FetchFailed, fetch

CONTENT = bytes(range(256)) * 3000  # what the toy weight holds, see conftest.py


@pytest.fixture
def wanted(toy, served, register):
    return register(toy, url=f"{served[0]}/toy.pth")


def test_the_file_lands_in_the_cache(wanted, tmp_path):
    seen = []
    path = fetch(wanted, progress=seen.append)
    assert path == tmp_path / "cache" / "weights" / "toy.pth"
    assert path.read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)


def test_a_right_file_is_not_fetched_again(wanted, served, tmp_path):
    fetch(wanted, tmp_path)
    served[1].clear()
    assert fetch(wanted, tmp_path).read_bytes() == CONTENT


def test_a_broken_file_is_replaced(wanted, tmp_path):
    (tmp_path / "toy.pth").write_bytes(b"half")
    assert fetch(wanted, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("page", "error", "said"),
    [
        ((404, 0, b""), FetchFailed, "404"),
        ((200, len(CONTENT), CONTENT[:1000]), FetchFailed, "1000"),
        ((200, 1000, CONTENT[:1000]), FetchFailed, "ended after 1000 of 768000 bytes"),
        ((200, len(CONTENT) + 1, CONTENT + b"\0"), WeightsDamaged, "more than the 768000 bytes"),
        ((200, len(CONTENT), CONTENT[:-1] + b"\0"), WeightsDamaged, "gave a file with sha256"),
    ],
    ids=["not found", "broken off", "short", "long", "changed"],
)
def test_what_is_not_the_file_is_not_kept(wanted, served, tmp_path, page, error, said):
    served[1]["/toy.pth"] = page
    with pytest.raises(error, match=said):
        fetch(wanted, tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())


def test_without_a_connection_the_command_by_hand_is_given(toy, tmp_path):
    with pytest.raises(
        FetchFailed, match=rf"curl -L -o toy\.pth {toy.url}` and .* {tmp_path}"
    ):  # port 9: nobody listens
        fetch(toy, tmp_path)


def test_the_command_fetches_lists_and_fails_honestly(wanted, served, tmp_path, capsys):
    assert main(["ls"]) == 0
    assert "absent" in capsys.readouterr().out
    assert main(["fetch", "toy"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "cache" / "weights" / "toy.pth")
    assert main(["ls"]) == 0
    assert str(tmp_path) in capsys.readouterr().out
    served[1].clear()
    assert main(["fetch", "toy", "--to", str(tmp_path / "other")]) == 1
    assert "404" in capsys.readouterr().err
    assert main(["fetch", "tox"]) == 2
    assert "did you mean toy?" in capsys.readouterr().err
