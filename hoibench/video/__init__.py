"""Video files: decode by frame index, encode, crop, resize."""

from hoibench.video.decoding import decode
from hoibench.video.encoding import encode
from hoibench.video.extract import extract
from hoibench.video.header import VideoHeader, read_video_header
from hoibench.video.info import VideoError, VideoInfo, probe
from hoibench.video.sampling import crop, resize
from hoibench.video.scaling import Box

__all__ = [
    "Box",
    "VideoError",
    "VideoHeader",
    "VideoInfo",
    "crop",
    "decode",
    "encode",
    "extract",
    "probe",
    "read_video_header",
    "resize",
]
