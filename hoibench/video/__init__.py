"""Video files: read their properties, decode frames by index, encode, crop and resize."""

from hoibench.video.decoding import decode, decode_crop
from hoibench.video.encoding import Codec, encode
from hoibench.video.info import VideoError, VideoHeader, VideoInfo, probe, read_video_header
from hoibench.video.resizing import Box, crop, resize

__all__ = [
    "Box",
    "Codec",
    "VideoError",
    "VideoHeader",
    "VideoInfo",
    "crop",
    "decode",
    "decode_crop",
    "encode",
    "probe",
    "read_video_header",
    "resize",
]
