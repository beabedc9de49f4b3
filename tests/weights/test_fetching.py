"""Downloads of weights: a checked file, or no file and an error with the cause."""

import pytest

from hoibench.weights import WeightsDamaged
from hoibench.weights.__main__ import main
from hoibench.weights.fetching import FetchError, fetch_weights

CONTENT = bytes(range(256)) * 3000  # content of the toy weight, see conftest.py


@pytest.fixture
def wanted(toy, served, register):
    return register(toy, url=f"{served[0]}/toy.pth")


def test_the_file_is_stored_in_the_cache(wanted, tmp_path):
    received = []
    path = fetch_weights(wanted, progress=received.append)
    assert path == tmp_path / "cache" / "weights" / "toy.pth"
    assert path.read_bytes() == CONTENT
    assert received == sorted(received)
    assert received[-1] == len(CONTENT)


def test_a_correct_file_is_not_downloaded_again(wanted, served, tmp_path):
    fetch_weights(wanted, tmp_path)
    served[1].clear()
    assert fetch_weights(wanted, tmp_path).read_bytes() == CONTENT


def test_a_damaged_file_is_replaced(wanted, tmp_path):
    (tmp_path / "toy.pth").write_bytes(b"half")
    assert fetch_weights(wanted, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("page", "error", "message"),
    [
        ((404, 0, b""), FetchError, "404"),
        ((200, len(CONTENT), CONTENT[:1000]), FetchError, "1000"),
        ((200, 1000, CONTENT[:1000]), FetchError, "ended after 1000 of 768000 bytes"),
        ((200, len(CONTENT) + 1, CONTENT + b"\0"), WeightsDamaged, "more than the 768000 bytes"),
        ((200, len(CONTENT), CONTENT[:-1] + b"\0"), WeightsDamaged, "sent a file with sha256"),
    ],
    ids=["not found", "interrupted", "short", "long", "changed"],
)
def test_a_wrong_download_is_not_stored(wanted, served, tmp_path, page, error, message):
    served[1]["/toy.pth"] = page
    with pytest.raises(error, match=message):
        fetch_weights(wanted, tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())


def test_without_a_connection_a_manual_command_is_given(toy, tmp_path):
    with pytest.raises(
        FetchError, match=rf"curl -L -o toy\.pth {toy.url}` on .* {tmp_path}"
    ):  # nothing listens on port 9
        fetch_weights(toy, tmp_path)


def test_the_command_downloads_lists_and_reports_errors(wanted, served, tmp_path, capsys):
    assert main(["ls"]) == 0
    assert "missing" in capsys.readouterr().out
    assert main(["fetch", "toy"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "cache" / "weights" / "toy.pth")
    assert main(["ls"]) == 0
    assert str(tmp_path) in capsys.readouterr().out
    served[1].clear()
    assert main(["fetch", "toy", "--to", str(tmp_path / "other")]) == 1
    assert "404" in capsys.readouterr().err
    assert main(["fetch", "tox"]) == 2
    assert "did you mean toy?" in capsys.readouterr().err
