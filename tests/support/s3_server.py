"""A real S3 server on this machine: moto's, in a process of its own."""

import os
import socket
import subprocess
import sys
import time
from contextlib import closing

import pytest


class S3Server:
    """Starts and stops; ``port`` stays the same, the contents do not."""

    def __init__(self):
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        words = [sys.executable, "-m", "moto.server", "-p", str(self.port)]
        variables = {
            name: value for name, value in os.environ.items() if name != "HOIBENCH_TEST"
        }  # it serves other tests, too
        self.process = subprocess.Popen(words, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise RuntimeError("moto's server does not start")

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def s3_server():
    """A running server; the environment has its address and keys, as a user's would."""
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    server = S3Server()
    server.start()
    variables = {
        "AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "2",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield server
    server.stop()


@pytest.fixture
def bucket(s3_server):
    """The name of a new, empty bucket."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    name = f"bucket-{os.urandom(4).hex()}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    return name
