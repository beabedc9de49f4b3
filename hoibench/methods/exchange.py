"""The contract between hoibench and a worker, i.e. a program in another environment: files in one folder, the exchange folder.

hoibench writes request.json and the pictures and videos that it names.  The worker writes response.json, again after each request, and the files that
it names.  docs/exchange.schema.json is the JSON schema of both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field, StringConstraints
from pydantic.json_schema import models_json_schema

from hoibench.clip import Array, View, check_pixels
from hoibench.geometry import optical_centre
from hoibench.store.records import Record
from hoibench.video import Box, VideoError, decode, encode

REQUEST_FILE = "request.json"
RESPONSE_FILE = "response.json"

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]
RequestId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,100}$")]
Role = Literal["reference", "source", "target"]
Row3 = tuple[float, float, float]
Row4 = tuple[float, float, float, float]
Matrix3 = tuple[Row3, Row3, Row3]
Matrix4 = tuple[Row4, Row4, Row4, Row4]


class ExchangeView(Record):
    """A camera view of a request.

    Attributes:
        id: the camera's id.
        role: ``reference`` for a view to generate, given by its frame 0; ``source`` for a further camera, given by its video; ``target`` for a view
            to generate, given by its whole video.
        image: PNG of frame 0, or null.
        video: mp4 with all frames, or null.
        K: 3x3 intrinsics in pixels of ``image`` and ``video``, pixel centres at integer coordinates; null if they are unknown.
        T_world_from_cam: 4x4 camera-to-world matrices, camera axes x right, y down, z forward, in metres: one, or one per frame of a moving camera;
            empty if they are unknown.
    """

    id: str
    role: Role
    image: FileName | None = None
    video: FileName | None = None
    K: Matrix3 | None = None
    T_world_from_cam: tuple[Matrix4, ...] = ()


class ExchangeRequest(Record):
    """One piece of work for a worker, with its inputs.

    Attributes:
        id: its id, unique in the file; small letters, digits and ``-``.
        seed: seed of every random choice.
        frames: the number of frames N to make.
        fps: frames per second of the videos.
        size: (H, W) in pixels of the pictures and videos of its views.
        prompt: the text prompt, or null.
        views: the inputs.
        options: whatever else the worker of this method needs, by name.
    """

    id: RequestId
    seed: int
    frames: int
    fps: float
    size: tuple[int, int]
    prompt: str | None = None
    views: tuple[ExchangeView, ...] = ()
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)

    @property
    def file_names(self) -> tuple[str, ...]:
        """The names of its input files."""
        return tuple(name for view in self.views for name in (view.image, view.video) if name is not None)


class RequestFile(Record):
    """The contents of request.json.

    Attributes:
        method: the method's id.
        requests: the requests, in the order in which to answer them.
        inputs: the SHA-256 of each input file by its name.
    """

    SCHEMA: ClassVar[str] = "hoibench/exchange-request@1"

    method: str
    requests: tuple[ExchangeRequest, ...]
    inputs: dict[FileName, str] = Field(default_factory=dict)


class ExchangeOutput(Record):
    """The output of a request for one view.

    Attributes:
        view: the id of a view of the request.
        video: mp4 with the generated frames, or null.
        geometry: npz with arrays of ``hoibench.methods.geometry_file.Geometry``, or null.
        box: (top, left, height, width) of the region of the input pictures, in their pixels, that the output shows; it may exceed the pictures, by
            padding.  Null means that it shows the complete pictures.
    """

    view: str
    video: FileName | None = None
    geometry: FileName | None = None
    box: Box | None = None


class ExchangeResult(Record):
    """The end of one request.

    Attributes:
        id: the request's id.
        status: ``ok`` or ``failed``.
        reason: why it failed.
        outputs: what was made.
        seconds: the time that it took.
    """

    id: RequestId
    status: Literal["ok", "failed"]
    reason: str = ""
    outputs: tuple[ExchangeOutput, ...] = ()
    seconds: float | None = None

    @property
    def file_names(self) -> tuple[str, ...]:
        """The names of its output files."""
        return tuple(name for output in self.outputs for name in (output.video, output.geometry) if name is not None)


class ResponseFile(Record):
    """The contents of response.json.

    Attributes:
        results: the ended requests.
        python: the version of the worker's Python.
        packages: versions of the packages that matter, by name.
        gpu: the name of the GPU, or null.
        peak_gpu_mb: the most GPU memory that the worker allocated, in MiB, or null if it is unknown.
    """

    SCHEMA: ClassVar[str] = "hoibench/exchange-response@1"

    results: tuple[ExchangeResult, ...]
    python: str = ""
    packages: dict[str, str] = Field(default_factory=dict)
    gpu: str | None = None
    peak_gpu_mb: int | None = None


def write_view(
    folder: Path, stem: str, view: View, role: Role, fps: float, *,
    image: Array | None = None, video: Array | None = None, K: Array | None = None,
) -> ExchangeView:  # fmt: skip
    """Write the pictures of a view into an exchange folder and return its record.

    Args:
        folder: the exchange folder.
        stem: start of the files' names.
        view: the view; its camera, if known, is part of the record.
        role: the view's role.
        fps: frames per second of the video.
        image: (h, w, 3) uint8 frame 0, or None.
        video: (N, h, w, 3) uint8 frames, or None.
        K: (3, 3) intrinsics in pixels of these pictures; None for the camera's.
    """
    if image is not None:
        check_pixels("image", image, ("h", "w", 3))
        _, data = cv2.imencode(".png", image[..., ::-1])
        (folder / f"{stem}.png").write_bytes(data.tobytes())
    if video is not None:
        encode(folder / f"{stem}.mp4", video, fps)
    camera = view.camera
    if camera is not None:
        R, t = camera.R.reshape(-1, 3, 3), camera.t.reshape(-1, 3)
        poses = np.tile(np.eye(4), (len(R), 1, 1))
        poses[:, :3, :3] = R.mT
        poses[:, :3, 3] = optical_centre(R, t)
    return ExchangeView(
        id=view.id,
        role=role,
        image=None if image is None else f"{stem}.png",
        video=None if video is None else f"{stem}.mp4",
        K=None if camera is None else _as_tuples(camera.K if K is None else K),
        T_world_from_cam=() if camera is None else _as_tuples(poses),
    )


def _as_tuples(array: Array) -> Any:
    return tuple(_as_tuples(row) if row.ndim else float(row) for row in array)


def read_response(folder: Path) -> ResponseFile:
    """Return the contents of response.json in an exchange folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file is wrong.
    """
    return ResponseFile.read(check_file(folder / RESPONSE_FILE))


def read_frames(path: Path, frames: int) -> Array:
    """Return the (N, h, w, 3) uint8 frames of a worker's video.

    Raises:
        FileNotFoundError: the worker has not written it.
        ValueError: it is no complete video, or has another number of frames.
    """
    video = decode(check_file(path))
    if len(video) != frames:
        raise VideoError(f"{path.name} has {len(video)} frames, expected {frames}")
    return video


def check_file(path: Path) -> Path:
    """Return the path of a worker's file after checking that it is there and no link.

    Raises:
        FileNotFoundError: the worker has not written it.
        ValueError: it is a link.
    """
    if path.is_symlink():
        raise ValueError(f"{path} is a link: the worker must write a file")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: the worker has not written this file")
    return path


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of request.json (``$defs/RequestFile``) and response.json (``$defs/ResponseFile``)."""
    models = (RequestFile, ResponseFile)
    _, schema = models_json_schema([(model, "validation") for model in models], title="hoibench exchange")
    for model in models:
        definition = schema["$defs"][model.__name__]
        definition["properties"]["schema"] = {"const": model.SCHEMA}
        definition["required"] = ["schema", *definition["required"]]
    return schema
