"""The choice of a decoder: its threads, and a device that decodes in hardware."""

from __future__ import annotations

from dataclasses import dataclass

import av
import av.error
from av.codec.hwaccel import HWAccel, hwdevices_available

_CODECS = "h264", "hevc", "mpeg4"


@dataclass(frozen=True)
class Decoder:
    """Options of decoding videos; the decoded frames are the same for every number of threads.

    Attributes:
        threads: number of threads; 0 leaves it to FFmpeg.
        device: the kind of device that decodes in hardware, a name of FFmpeg's such as ``cuda``; None decodes in software, and so does a device that
            does not support a video's codec or size.  Frames of H.264 and HEVC are the same, those of MPEG-4 can differ in the last bit.
    """

    threads: int = 0
    device: str | None = None

    def open_device(self) -> HWAccel | None:
        """Return the device for ``av.open``, or None without one."""
        return None if self.device is None else HWAccel(self.device, allow_software_fallback=True)


DEFAULT_DECODER = Decoder()


def find_device_problem(device: str) -> str | None:
    """Return why a kind of device cannot decode videos on this machine, or None if it can.

    Raises:
        ValueError: the installed FFmpeg does not know the device; lists those that it knows.
    """
    known = hwdevices_available()
    if device not in known:
        raise ValueError(
            f"device {device!r} cannot decode videos: the installed FFmpeg has {', '.join(known) or 'none'}"
        )
    problem = None
    for name in _CODECS:
        try:
            HWAccel(device).create(av.Codec(name, "r"))
        except NotImplementedError:
            problem = problem or f"{device} decodes none of the codecs {', '.join(_CODECS)}"
        except av.error.FFmpegError as error:
            problem = f"no {device} device can be opened ({error.strerror})"
        else:
            return None
    return problem
