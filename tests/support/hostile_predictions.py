"""Changes of a complete prediction of the toy data set (2 views, 6 frames of 32x48, 40 points) after which it must be refused."""

import io
import json
import os
import pickle
import shutil
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from hoibench.store import read_npz
from hoibench.video import decode, encode


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def change_arrays(**changes):
    def change(folder: Path) -> None:
        arrays = read_npz(folder / "tracks.npz")
        for name, make in changes.items():
            arrays[name] = make(arrays.get(name))
        np.savez(folder / "tracks.npz", **{name: array for name, array in arrays.items() if array is not None})

    return change


def set_values(value, *place):
    def make(array):
        array = array.copy()
        array[place or ...] = value
        return array

    return make


def write_tracks(data: bytes):
    return lambda folder: (folder / "tracks.npz").write_bytes(data)


def _npz(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def _npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def _pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _header(shape: str, dtype: str = "'<f4'", order: str = "False") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}}}"


def _lying_zip_size() -> bytes:
    """An npz whose directory says that an array unpacks to 4 GiB."""
    data = bytearray(_npz(tracks=_npy(_header("(1,)"), bytes(4))))
    data[data.index(b"PK\1\2") + 24 :][:4] = b"\xff\xff\xff\xf0"
    start = data.index(b"PK\1\2") + 24
    data[start : start + 4] = b"\xf0\xff\xff\xff"
    return bytes(data)


def _zeros(count: int) -> bytes:
    """An npz with an array of ``count`` bytes, all zero, which deflate shrinks a thousandfold."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("tracks.npy", "w") as member:
        member.write(_npy(_header(f"({count},)", "'|u1'")))
        for _ in range(count >> 20):
            member.write(bytes(1 << 20))
    return buffer.getvalue()


def change_video(*, frames=6, size=(32, 48), fps=8.0, codec="h264", view=0):
    def change(folder: Path) -> None:
        path = folder / f"view-{view}.mp4"
        pixels = np.resize(decode(path), (frames, *size, 3))
        path.unlink()
        encode(path.with_suffix(".mkv" if codec == "ffv1" else ".mp4"), pixels, fps, codec=codec)

    return change


def write_variable_rate(folder: Path) -> None:
    """The right number of frames in the right time, at uneven times."""
    frames = decode(folder / "view-0.mp4")
    with av.open(str(folder / "view-0.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(8))
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 800)
        for pixels, time in zip(frames, (0, 30, 200, 310, 400, 500), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 800)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_jpeg_video(header: tuple[int, int], frame: tuple[int, int]):
    """A video whose container says one frame size, and whose JPEG pictures another one, up to 65535 pixels per side."""

    def change(folder: Path) -> None:
        data = bytearray(cv2.imencode(".jpg", np.zeros((32, 48, 3), np.uint8))[1].tobytes())
        start = data.index(b"\xff\xc0") + 5
        data[start : start + 4] = frame[0].to_bytes(2, "big") + frame[1].to_bytes(2, "big")
        path = folder / "view-0.mp4"
        path.unlink()
        with av.open(str(path), "w", format="mp4") as container:
            stream = container.add_stream("mjpeg", rate=8)
            stream.height, stream.width, stream.pix_fmt = 32, 48, "yuvj420p"
            for time in range(6):
                packet = av.Packet(bytes(data))
                packet.stream, packet.pts, packet.dts, packet.time_base = stream, time, time, Fraction(1, 8)
                container.mux(packet)
        data = bytearray(path.read_bytes())
        start = data.index(b"stsd") + 44  # of width and height: ISO/IEC 14496-12, 8.5.2 and 12.1.3
        assert data[start : start + 4] == (48).to_bytes(2, "big") + (32).to_bytes(2, "big")
        data[start : start + 4] = header[1].to_bytes(2, "big") + header[0].to_bytes(2, "big")
        path.write_bytes(bytes(data))

    return change


def truncate(name: str, share: float):
    def change(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(len(data) * share)])

    return change


def damage(name: str):
    """Replace the middle third of a file by noise."""

    def change(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        third = len(data) // 3
        data[third : 2 * third] = np.random.default_rng(0).bytes(third)
        (folder / name).write_bytes(bytes(data))

    return change


def write_record(**changes):
    """Write a prediction.json, with values that replace those of a correct one."""

    def change(folder: Path) -> None:
        table = {"schema": "hoibench/prediction@2", "scale": "metric", "files": {}} | changes
        (folder / "prediction.json").write_text(json.dumps(table))

    return change


def replace_by(make):
    def change(folder: Path) -> None:
        path = folder / "view-0.mp4"
        path.unlink()
        make(path)

    return change


def _link_outside(path: Path) -> None:
    outside = path.parents[1] / "outside.mp4"
    shutil.copyfile(path.parent / "view-1.mp4", outside)
    path.symlink_to(outside)


TRACKS = {
    "pickled npz": (write_tracks(pickle.dumps(Bomb())), "is not a complete npz file"),
    "pickled array": (write_tracks(_npz(tracks=_pickled())), "dtype object"),
    "header larger than the data": (write_tracks(_npz(tracks=_npy(_header("(10**12,)")))), "tracks.npz: member 'tracks.npy'"),
    "header of terabytes": (
        write_tracks(_npz(tracks=_npy(_header("(1000000000000,)"), bytes(4)))), "tracks has shape (1000000000000,), expected (2, 6, 40, 3)",
    ),
    "header with negative sizes": (write_tracks(_npz(tracks=_npy(_header("(-2, -3)"), bytes(24)))), "tracks.npz"),
    "header that overflows": (write_tracks(_npz(tracks=_npy(_header("(2**63, 4)"), bytes(16)))), "tracks.npz"),
    "header that is code": (write_tracks(_npz(tracks=_npy("__import__('os').mkdir('unpickled')"))), "tracks.npz"),
    "header of brackets": (write_tracks(_npz(tracks=_npy("(" * 900))), "tracks.npz"),
    "size in the directory": (write_tracks(_lying_zip_size()), "tracks.npz"),
    "npz of zeros": (write_tracks(_zeros(300 << 20)), "tracks has shape (314572800,), expected (2, 6, 40, 3)"),
    "array name as a path": (write_tracks(_npz(**{"../../tracks": b"a"})), "is not an array of an npz file"),
    "archive in the npz": (write_tracks(_npz(**{"a.npz": _npz(a=b"a")})), "tracks.npz"),
    "text": (write_tracks(b"<html>404</html>"), "is not a complete npz file"),
    "empty": (write_tracks(b""), "is not a complete npz file"),
    "truncated": (truncate("tracks.npz", 0.7), "is not a complete npz file"),
    "damaged": (damage("tracks.npz"), "tracks.npz"),
    "NaN in tracks": (change_arrays(tracks=set_values(np.nan, 1, 2, 3)), "the first at view 1, frame 2, point 3"),
    "infinity in tracks": (change_arrays(tracks=set_values(-np.inf, 0, 0, 0)), "tracks have NaN, infinity"),
    "all NaN": (change_arrays(tracks=set_values(np.nan)), "tracks have NaN, infinity"),
    "huge coordinates": (change_arrays(tracks=set_values(1e30, 0, 0, 0)), "coordinates over 1e+06"),
    "NaN in anchors": (change_arrays(anchors=set_values(np.nan, 0, 0)), "anchors have NaN or infinity"),
    "infinity in anchors": (change_arrays(anchors=set_values(np.inf, 0, 0)), "anchors have NaN or infinity"),
    "whole numbers": (change_arrays(tracks=lambda a: a.astype(np.int64)), "tracks has dtype int64"),
    "complex numbers": (change_arrays(tracks=lambda a: a.astype(np.complex64)), "tracks has dtype complex64"),
    "texts": (change_arrays(tracks=lambda a: a.astype("<U8")), "tracks has dtype <U8"),
    "records": (change_arrays(tracks=lambda a: a.view([("x", "<f4")])), "tracks has dtype"),
    "validity as numbers": (change_arrays(valid=lambda _: np.ones((2, 6, 40))), "valid has dtype float64, expected bool"),
    "other number of points": (change_arrays(tracks=lambda a: a[:, :, :39]), "expected (2, 6, 40, 3)"),
    "no points": (change_arrays(tracks=lambda a: a[:, :, :0], anchors=lambda a: a[:, :0]), "expected (2, 6, 40, 3)"),
    "other number of frames": (change_arrays(tracks=lambda a: a[:, :5]), "expected (2, 6, 40, 3)"),
    "other number of views": (change_arrays(tracks=lambda a: a[:1], anchors=lambda a: a[:1]), "expected (2, 6, 40, 3)"),
    "frames and views swapped": (change_arrays(tracks=lambda a: a.swapaxes(0, 1)), "expected (2, 6, 40, 3)"),
    "no anchors": (change_arrays(anchors=lambda _: None), "tracks need anchors"),
    "no tracks": (change_arrays(tracks=lambda _: None), "has the outputs video, expected video, tracks"),
    "unknown array": (change_arrays(extra=lambda _: np.zeros(3)), "unknown array 'extra'"),
    "masks that are not declared": (
        change_arrays(masks=lambda _: np.zeros((2, 6, 32, 48), bool)), "expected video, tracks",
    ),
    "no file": (lambda folder: (folder / "tracks.npz").unlink(), "has the outputs video, expected video, tracks"),
}  # fmt: skip

VIDEOS = {
    "other size": (change_video(size=(64, 96)), "has 6 frames of 64x96, expected 6 of 32x48"),
    "other length": (change_video(frames=5), "has 5 frames of 32x48, expected 6 of 32x48"),
    "longer": (change_video(frames=7), "has 7 frames of 32x48, expected 6 of 32x48"),
    "length that the header lacks": (change_video(frames=5, codec="ffv1"), "5 frames"),
    "truncated": (truncate("view-1.mp4", 0.6), "is truncated or damaged"),
    "damaged": (damage("view-0.mp4"), "view-0.mp4"),
    "empty": (replace_by(lambda path: path.write_bytes(b"")), "is empty (0 bytes)"),
    "text": (replace_by(lambda path: path.write_text("<html>404</html>")), "cannot be read as a video"),
    "playlist": (
        replace_by(lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n")), "view-0.mp4",
    ),
    "list of files": (
        replace_by(lambda path: path.write_text("ffconcat version 1.0\nfile view-1.mp4\n")), "cannot be read as a video",
    ),
    "archive": (replace_by(lambda path: path.write_bytes(_npz(a=b"a"))), "view-0.mp4"),
    "folder": (replace_by(lambda path: path.mkdir()), "is a folder, expected a video file"),
    "pipe": (replace_by(os.mkfifo), "is a pipe or a device, expected a video file"),
    "link to another folder": (replace_by(_link_outside), "is a link to another folder"),
    "missing view": (lambda folder: (folder / "view-1.mp4").unlink(), "has 1 video, expected one for each of 2 views"),
    "further view": (
        lambda folder: shutil.copyfile(folder / "view-0.mp4", folder / "view-2.mp4"), "has 3 videos, expected one for",
    ),
    "gap in the views": (
        lambda folder: (folder / "view-1.mp4").rename(folder / "view-5.mp4"), "number the views view-0, view-1",
    ),
    "view twice": (
        lambda folder: shutil.copyfile(folder / "view-0.mp4", folder / "view-0.mkv"), "has 3 videos, expected one for",
    ),
    "frames of 20,000x20,000": (write_jpeg_video((20_000, 20_000), (20_000, 20_000)), "expected 1 to 16384 per side"),
    "frames larger than the header": (write_jpeg_video((32, 48), (16_000, 16_000)), "view-0.mp4"),
}  # fmt: skip

RECORDS = {
    "no JSON": (lambda folder: (folder / "prediction.json").write_text("{'a': 1}"), "is not strict JSON"),
    "nested JSON": (lambda folder: (folder / "prediction.json").write_text("[" * 100_000), "is not strict JSON"),
    "NaN": (lambda folder: (folder / "prediction.json").write_text('{"seconds": NaN}'), "is not strict JSON"),
    "other schema": (write_record(schema="hoibench/run@9"), "schema is 'hoibench/run@9'"),
    "unknown key": (write_record(surprise=1), "unknown key 'surprise'"),
    "other scale": (write_record(scale="shared"), "says scale shared"),
    "file outside": (write_record(files={"../../x.mp4": {"bytes": 1, "sha256": "a"}}), "prediction.json"),
    "file of another size": (write_record(files={"view-0.mp4": {"bytes": 1, "sha256": "a"}}), "expected 1, its size in prediction.json"),
    "file that is missing": (write_record(files={"view-9.mp4": {"bytes": 1, "sha256": "a"}}), "is missing"),
    "crop of texts": (write_record(crop=["a", 1, 2, 3]), "crop[0] is 'a'"),
}  # fmt: skip


def _keep(folder: Path) -> None:
    pass


ACCEPTED = {
    "as it was": _keep,
    "float64": change_arrays(tracks=lambda a: a.astype(np.float64), anchors=lambda a: a.astype(np.float64)),
    "float16": change_arrays(tracks=lambda a: a.astype(np.float16)),
    "other byte order": change_arrays(tracks=lambda a: a.astype(">f4")),
    "Fortran order": change_arrays(tracks=np.asfortranarray),
    "NaN that is marked as not valid": change_arrays(
        tracks=set_values(np.nan, 1, 2, 3), valid=lambda _: set_values(False, 1, 2, 3)(np.ones((2, 6, 40), bool))
    ),
    "lossless": change_video(codec="ffv1"),
    "other rate": change_video(fps=25.0),
    "variable rate": write_variable_rate,
    "HTML and control characters": write_record(provenance={"<script>alert(1)</script>": "\x1b[31m\x00\u202e"}),
}
"""Changes after which a prediction can be scored."""
