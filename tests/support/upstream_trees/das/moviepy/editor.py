"""A stand-in for moviepy."""

from pathlib import Path

import fake_call
import numpy as np


class VideoFileClip:
    """A video that is read."""

    def __init__(self, path):
        self.path = path

    def iter_frames(self):
        return iter(fake_call.read_video(Path(self.path)))


class ImageSequenceClip:
    """A video that is written."""

    def __init__(self, frames, fps):
        self.frames, self.fps = frames, fps

    def write_videofile(self, path, codec, fps, logger, ffmpeg_params):
        assert (codec, fps, logger) == ("libx264", self.fps, None)
        fake_call.write_video(Path(path), np.stack(self.frames), fps)
