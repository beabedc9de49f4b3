"""Video files: decode by frame index, encode, crop, resize, re-time."""

from hoibench.video.decoding import decode
from hoibench.video.encoding import encode
from hoibench.video.info import VideoError, VideoInfo, probe
from hoibench.video.sampling import crop, resize, retime_indices

__all__ = ["VideoError", "VideoInfo", "crop", "decode", "encode", "probe", "resize", "retime_indices"]
