"""Video files: read their properties, decode frames by index, encode, crop, pad and resize."""

from hoibench.video.decoder import DEFAULT_DECODER, Decoder
from hoibench.video.decoding import decode, decode_crop
from hoibench.video.encoding import Codec, encode
from hoibench.video.frame_map import FrameMap, first_frames, hold_last_frame
from hoibench.video.info import VideoError, VideoHeader, VideoInfo, probe, read_frame_times, read_video_header
from hoibench.video.keyframes import decode_keyframes, read_keyframes
from hoibench.video.resizing import Box, crop, resize

__all__ = [
    "DEFAULT_DECODER",
    "Box",
    "Codec",
    "Decoder",
    "FrameMap",
    "VideoError",
    "VideoHeader",
    "VideoInfo",
    "crop",
    "decode",
    "decode_crop",
    "decode_keyframes",
    "encode",
    "first_frames",
    "hold_last_frame",
    "probe",
    "read_frame_times",
    "read_keyframes",
    "read_video_header",
    "resize",
]
