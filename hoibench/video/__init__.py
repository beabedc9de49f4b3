"""Video files: decode by frame index, encode, crop, resize."""

from hoibench.video.decoding import decode
from hoibench.video.encoding import encode
from hoibench.video.extract import extract
from hoibench.video.head import Head, read_head
from hoibench.video.info import VideoError, VideoInfo, probe
from hoibench.video.sampling import crop, resize
from hoibench.video.scaling import Box

__all__ = [
    "Box",
    "Head",
    "VideoError",
    "VideoInfo",
    "crop",
    "decode",
    "encode",
    "extract",
    "probe",
    "read_head",
    "resize",
]
