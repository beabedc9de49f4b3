"""A registered weight and a local web server for it."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hoibench.weights import Weight, registry

CONTENT = bytes(range(256)) * 3000


@pytest.fixture
def served():
    """Yield the server's URL and its pages: path -> (status, Content-Length, bytes)."""
    pages = {"/toy.pth": (200, len(CONTENT), CONTENT)}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, length, body = pages.get(self.path, (404, 0, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", pages
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def toy():
    """A weight whose URL is not served."""
    return Weight(
        id="toy",
        file="toy.pth",
        url="http://127.0.0.1:9/toy.pth",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bytes=len(CONTENT),
        licence="CC0-1.0",
        used_by=(),
    )


@pytest.fixture
def register(monkeypatch, tmp_path):
    """Return a function that makes a weight the only registered one; no folder has it yet."""
    monkeypatch.delenv("HOIBENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path / "cache"))

    def put(weight, **changes):
        weight = weight.model_copy(update=changes)
        registry.all_weights.cache_clear()
        table = {weight.id: weight}
        for module in ("hoibench.weights.registry", "hoibench.weights.__main__"):
            monkeypatch.setattr(f"{module}.all_weights", lambda: table)
        return weight

    return put
