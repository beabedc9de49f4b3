"""What the scripts of all fake upstream trees begin with; it is copied into each tree.

    mode = fake_call.start()
    ...
    if mode == "half":
        sys.exit(1)

The variable FAKE_MODE has a mode for all calls, or ``KEY=MODE,...`` for the calls with KEY in their arguments, e.g. a clip's id.
``start`` acts on the modes hang, flood, silent, orphan, memory and bigfile; a script acts on half (it writes some of its files and fails),
nan, frames (one frame too few) and header (see ``write_bomb``), which ``start`` returns.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path


def start() -> str:
    """Record this call in calls.jsonl of the tree, misbehave if FAKE_MODE says so, and return the mode."""
    mode = find_mode()
    orphan = None
    if mode == "orphan":
        code = "import subprocess; print(subprocess.Popen(['sleep', '1000'], stdout=-3, start_new_session=True).pid)"
        orphan = int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout)
    call = {
        "argv": sys.argv,
        "cwd": os.getcwd(),
        "env": sorted(os.environ),
        "devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "stdin": os.readlink("/proc/self/fd/0"),
        "orphan": orphan,
    }
    with (Path(__file__).parent / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(call) + "\n")
    if mode == "hang":
        time.sleep(1000)
    elif mode == "flood":
        for _ in range(200):
            print("x" * (64 << 10))
        sys.exit(3)
    elif mode == "silent":
        sys.exit(0)
    elif mode == "memory":
        bytearray(200 << 30)
    elif mode == "bigfile":
        with Path("big").open("wb") as file:
            file.seek(shutil.disk_usage(".").free - (1 << 29))  # a hole
            file.write(b"x")
    return mode


def find_mode() -> str:
    """Return the mode for this call."""
    for text in os.environ.get("FAKE_MODE", "").split(","):
        key, has_key, mode = text.rpartition("=")
        if not has_key or key in " ".join(sys.argv):
            return mode
    return ""


def write_bomb(path: Path, name: str) -> None:
    """Write an npz file of a few bytes, whose header says that its array ``name`` has 200 GB."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (49, 480, 704, 3000), }".ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


def read_video(path: Path):
    """Return the (n, h, w, 3) frames of a video."""
    import av
    import numpy as np

    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def write_video(path: Path, frames, fps: float):
    """Write (n, h, w, 3) frames to a video."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=round(fps), options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
