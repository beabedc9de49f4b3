"""Downloads of weights: a verified file, or no file and an error with the cause; interrupted ones resume."""

import hashlib
import re
import threading
from dataclasses import replace

import pytest

from hoibench.store.atomic import WriteError
from hoibench.weights import WeightsDamaged, find_weights
from hoibench.weights.fetching import FetchError, add_weights, fetch_weights

CONTENT = b"PK\x03\x04\0" + bytes(range(256)) * 3000  # content of the toy weight, see conftest.py
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WEB_PAGE = b"<!DOCTYPE html><html><body>Log in</body></html>"


@pytest.fixture
def wanted(toy, server, register):
    return register(toy, url=f"{server.url}/toy.pth")


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_the_file_is_stored_in_the_cache(wanted, tmp_path):
    reported = []
    path = fetch_weights(wanted, progress=lambda *report: reported.append(report))
    assert path == tmp_path / "cache" / "weights" / "toy.pth"
    assert path.read_bytes() == CONTENT
    assert visible(path.parent) == ["toy.pth"]
    assert {(stage, total) for stage, _, total in reported} == {("toy", len(CONTENT))}
    received = [done for _, done, _ in reported]
    assert received == sorted(received)
    assert received[-1] == len(CONTENT)


def test_a_correct_file_is_not_downloaded_again(wanted, server, tmp_path):
    fetch_weights(wanted, tmp_path)
    assert fetch_weights(wanted, tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_damaged_file_is_replaced(wanted, tmp_path):
    (tmp_path / "toy.pth").write_bytes(b"half")
    assert fetch_weights(wanted, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("page", "error", "message"),
    [
        ({"status": 404}, FetchError, "404"),
        ({"body": CONTENT[:1000]}, WeightsDamaged, f"has 1000 bytes, expected {len(CONTENT)}"),
        ({"body": CONTENT[:1000], "length": None}, WeightsDamaged, f"has 1000 bytes, expected {len(CONTENT)}"),
        ({"body": CONTENT + b"\0"}, WeightsDamaged, f"has {len(CONTENT) + 1} bytes"),
        ({"body": CONTENT * 3, "length": None}, WeightsDamaged, "has 786432 bytes"),
        (
            {"body": CONTENT[:-1] + b"\0"},
            WeightsDamaged,
            f"sent a file that has sha256 .*, expected {SHA256}.* deleted",
        ),
        ({"body": WEB_PAGE, "kind": "text/html; charset=utf-8"}, FetchError, "a web page"),
        ({"body": WEB_PAGE, "length": None}, WeightsDamaged, "is text, not weights toy.*starts with b'<!DOCTYPE html>"),
    ],
    ids=["not found", "short", "short without length", "long", "endless", "changed", "web page", "web page as binary"],
)
def test_a_wrong_download_is_not_stored(wanted, server, tmp_path, page, error, message):
    good = server.pages["/toy.pth"]
    server.pages["/toy.pth"] = replace(good, **page)
    with pytest.raises(error, match=message):
        fetch_weights(wanted, tmp_path / "to")
    assert visible(tmp_path / "to") == []
    server.pages["/toy.pth"] = good
    assert fetch_weights(wanted, tmp_path / "to").read_bytes() == CONTENT


def test_a_cut_connection_is_resumed(wanted, server, tmp_path):
    server.pages["/toy.pth"].cut = 300_000
    assert fetch_weights(wanted, tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, "bytes=300000-", "bytes=600000-"]


def test_a_later_call_resumes_where_an_interrupted_one_ended(wanted, server, tmp_path):
    page = server.pages["/toy.pth"]
    page.cut = 500_000

    def stop(stage, done, total):
        if done >= 500_000:
            server.pages["/toy.pth"] = replace(page, status=503)

    with pytest.raises(FetchError, match="503.*500000 bytes are kept, the same command resumes"):
        fetch_weights(wanted, tmp_path, stop)
    assert visible(tmp_path) == []
    # A login page costs none of the received bytes, whatever the server says to a request for the rest of it.
    server.pages["/toy.pth"] = replace(page, body=WEB_PAGE, kind="text/html")
    with pytest.raises(FetchError, match="a web page"):
        fetch_weights(wanted, tmp_path)
    server.pages["/toy.pth"] = page
    server.requests.clear()
    assert fetch_weights(wanted, tmp_path).read_bytes() == CONTENT
    assert server.requests == [("/toy.pth", "bytes=500000-")]


@pytest.mark.parametrize("partial", [b"PK\0 of another file", CONTENT[:1000], CONTENT, CONTENT + b"more"])
@pytest.mark.parametrize("resumable", [True, False])
def test_whatever_partial_file_is_left_the_result_is_right(wanted, server, tmp_path, partial, resumable):
    (tmp_path / ".toy.pth.part").write_bytes(partial)
    server.pages["/toy.pth"].resumable = resumable
    if resumable and partial == b"PK\0 of another file":
        with pytest.raises(WeightsDamaged, match="deleted"):
            fetch_weights(wanted, tmp_path)
    assert fetch_weights(wanted, tmp_path).read_bytes() == CONTENT
    assert not (tmp_path / ".toy.pth.part").exists()


def test_two_calls_at_once_download_once(wanted, server, tmp_path):
    threads = [threading.Thread(target=fetch_weights, args=(wanted, tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "toy.pth").read_bytes() == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize("known", ["", SHA256[:8]])
def test_an_unverified_hash_is_said_and_recorded(toy, server, register, tmp_path, caplog, known):
    weight = register(toy, url=f"{server.url}/toy.pth", sha256=known, bytes=None)
    path = fetch_weights(weight)
    assert path.with_name("toy.pth.sha256").read_text() == f"{SHA256}  toy.pth\n"
    assert f"could not be verified: sha256 {SHA256}" in caplog.text
    assert find_weights("toy") == path
    path.write_bytes(CONTENT[:-1] + b"\0")
    with pytest.raises(WeightsDamaged, match=f"expected {SHA256}"):
        find_weights("toy")
    caplog.clear()
    assert fetch_weights(weight).read_bytes() == CONTENT


def test_known_digits_of_a_hash_are_compared(toy, server, register, tmp_path):
    weight = register(toy, url=f"{server.url}/toy.pth", sha256="01234567")
    with pytest.raises(WeightsDamaged, match="expected 01234567"):
        fetch_weights(weight)


def test_a_full_disk_keeps_the_received_bytes(toy, server, register, small_disk):
    disk, remount = small_disk
    weight = register(toy, url=f"{server.url}/toy.pth", bytes=None)
    with pytest.raises(WriteError, match=rf"no space left.*{len(CONTENT)} bytes are missing"):
        fetch_weights(weight, disk)
    assert not (disk / ".toy.pth.part").exists()
    server.pages["/toy.pth"].length = None  # the size is unknown until the disk is full
    with pytest.raises(WriteError, match="cannot write .*No space left"):
        fetch_weights(weight, disk)
    received = (disk / ".toy.pth.part").stat().st_size
    assert received > 100_000
    with pytest.raises(WriteError, match="No space left"):
        add_weights(weight, make_file(disk.parent / "toy.pth"), disk)
    remount("size=4m")
    server.pages["/toy.pth"].length = -1
    assert fetch_weights(weight, disk).read_bytes() == CONTENT
    assert server.requests[-1] == ("/toy.pth", f"bytes={received}-")


def test_a_read_only_cache_serves_what_it_has(toy, server, register, small_disk, monkeypatch):
    disk, remount = small_disk
    remount("size=4m")
    weight = register(toy, url=f"{server.url}/toy.pth")
    monkeypatch.setenv("HOIBENCH_CACHE", str(disk))
    path = fetch_weights(weight)
    remount("ro")
    assert find_weights("toy") == fetch_weights(weight) == path
    other = register(weight, id="other", file="other.pth")
    with pytest.raises(WriteError, match=rf"cannot write {disk}/weights/\.other.*Read-only file system"):
        fetch_weights(other)
    with pytest.raises(WriteError, match="Read-only file system"):
        add_weights(other, path)
    assert len(server.requests) == 1


def test_without_a_connection_the_manual_commands_are_given(toy, tmp_path, server):
    with pytest.raises(FetchError) as caught:  # nothing listens on port 9
        fetch_weights(toy, tmp_path)
    assert re.search("refused", str(caught.value))
    assert f"curl -L -o toy.pth {toy.url}" in str(caught.value)
    assert "hoibench weights add toy.pth toy" in str(caught.value)


def test_offline_nothing_is_requested(wanted, server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE forbids downloads"):
        fetch_weights(wanted, tmp_path)
    assert server.requests == []


def test_a_hub_file_comes_from_the_mirror(toy, server, register, tmp_path, monkeypatch):
    """Resumed at the address that the mirror redirects to."""
    monkeypatch.setenv("HF_ENDPOINT", f"{server.url}/")
    weight = register(toy, url="hf://lab/toy.v1@0123abc/sub/toy.pth")
    server.pages["/lab/toy.v1/resolve/0123abc/sub/toy.pth"] = replace(
        server.pages["/toy.pth"], body=b"", status=302, location=f"{server.url}/toy.pth"
    )
    (tmp_path / ".toy.pth.part").write_bytes(CONTENT[:1000])
    assert fetch_weights(weight, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == ("/toy.pth", "bytes=1000-")
    monkeypatch.setenv("HF_ENDPOINT", "hf-mirror.com")
    with pytest.raises(ValueError, match="HF_ENDPOINT is 'hf-mirror.com'"):
        fetch_weights(weight, tmp_path / "other")
    monkeypatch.delenv("HF_ENDPOINT")
    assert weight.download_url == "https://huggingface.co/lab/toy.v1/resolve/0123abc/sub/toy.pth"


def test_a_proxy_of_the_environment_is_used(toy, server, register, tmp_path, monkeypatch):
    url = "http://weights.invalid/toy.pth"
    server.pages[url] = server.pages["/toy.pth"]
    monkeypatch.setenv("http_proxy", server.url)
    assert fetch_weights(register(toy, url=url), tmp_path).read_bytes() == CONTENT


def make_file(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_local_file_is_checked_and_copied(toy, register, tmp_path, caplog):
    file = make_file(tmp_path / "downloads" / "file (1).bin")
    assert add_weights(register(toy), file) == find_weights("toy") == tmp_path / "cache" / "weights" / "toy.pth"
    assert file.exists()
    assert not caplog.records
    add_weights(register(toy, sha256=""), find_weights("toy"))  # a file that is already there: its hash is recorded
    assert (tmp_path / "cache" / "weights" / "toy.pth.sha256").read_text().startswith(SHA256)


@pytest.mark.parametrize("content", [CONTENT[:-1], WEB_PAGE, b"version https://git-lfs.github.com/spec/v1\n", b""])
def test_a_wrong_local_file_is_not_copied(toy, register, tmp_path, content):
    file = make_file(tmp_path / "toy.pth", content)
    with pytest.raises(WeightsDamaged, match=re.escape(str(file))):
        add_weights(register(toy), file)
    assert not (tmp_path / "cache").exists()
