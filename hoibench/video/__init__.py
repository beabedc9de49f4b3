"""Video files: decode by frame index, encode, crop, resize, re-time."""

from hoibench.video.decoding import decode
from hoibench.video.encoding import encode
from hoibench.video.extract import extract
from hoibench.video.info import VideoError, VideoInfo, probe
from hoibench.video.sampling import crop, resize, retime_indices
from hoibench.video.scaling import Box

__all__ = ["Box", "VideoError", "VideoInfo", "crop", "decode", "encode", "extract", "probe", "resize", "retime_indices"]
