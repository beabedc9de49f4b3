"""A registered weight and a local web server for it."""

import hashlib
import shutil
import subprocess
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hoibench.weights import Weight

CONTENT = b"PK\x03\x04\0" + bytes(range(256)) * 3000


@dataclass
class Page:
    """The server's answer to a path."""

    body: bytes = CONTENT
    status: int = 200
    kind: str = "application/octet-stream"
    length: int | None = -1
    """Content-Length; -1: of the body, None: not sent."""
    cut: int = 1 << 30
    """The most bytes of the body that the server sends before it closes the connection."""
    resumable: bool = True
    location: str | None = None


class Server:
    """A running server: ``pages`` by path, and ``requests``, the (path, Range header) of each request so far."""

    def __init__(self):
        self.pages, self.requests = {"/toy.pth": Page()}, []
        pages, requests = self.pages, self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                wanted = self.headers["Range"]
                requests.append((self.path, wanted))
                page = pages.get(self.path, Page(b"no such page", 404))
                start = int(wanted[6:-1]) if wanted and page.resumable and page.status == 200 else 0
                if start and start >= len(page.body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(page.body)}")
                    self.end_headers()
                    return
                self.send_response(206 if start else page.status)
                self.send_header("Content-Type", page.kind)
                if page.location:
                    self.send_header("Location", page.location)
                length = len(page.body) if page.length == -1 else page.length
                if length is not None:
                    self.send_header("Content-Length", str(length - start))
                self.end_headers()
                self.wfile.write(page.body[start:][: page.cut])

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def stop(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server(monkeypatch):
    """A server that offers toy.pth; no setting of this machine's network applies."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def toy():
    """A weight whose URL is not served."""
    return Weight(
        id="toy",
        title="Toy",
        file="toy.pth",
        url="http://127.0.0.1:9/toy.pth",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bytes=len(CONTENT),
        licence="CC0-1.0",
    )


@pytest.fixture
def register(monkeypatch, tmp_path):
    """Return a function that makes a weight the only registered one; no folder has it yet."""
    monkeypatch.delenv("HOIBENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path / "cache"))

    def put(weight, **changes):
        weight = Weight.model_validate({**weight.model_dump(), **changes})
        table = {weight.id: weight}
        for module in ("hoibench.weights.registry", "hoibench.cli.weights"):
            monkeypatch.setattr(f"{module}.all_weights", lambda: table)
        return weight

    return put


@pytest.fixture
def small_disk(tmp_path):
    """Yield (folder, remount): a file system of 400 KiB, and a function that changes its mount options."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no right to mount a tmpfs here")
    yield disk, lambda options: subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)
    subprocess.run(["umount", str(disk)], check=True)
