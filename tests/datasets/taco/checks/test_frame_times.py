"""Warnings of videos whose frames are not at even times."""

import av
import numpy as np
import pytest
from taco_tree import FOUR, SHORT

from hoibench.datasets.taco.checks import CheckedSequence
from hoibench.datasets.taco.checks.frame_times import find_uneven_videos
from hoibench.datasets.taco.recording import Recording
from hoibench.store import write_bytes
from hoibench.video import read_video_header


def remux(path, times):
    """Show the frames of a video at other times, in frames."""
    new = path.with_name("new.mp4")
    with av.open(str(path)) as source, av.open(str(new), "w") as target:
        template = source.streams.video[0]
        stream = target.add_stream_from_template(template)
        packets = [packet for packet in source.demux(template) if packet.size]
        step = packets[1].dts - packets[0].dts
        for packet, time in zip(packets, times, strict=True):
            packet.stream = stream
            packet.pts = packet.dts = int(time) * step
            target.mux(packet)
    write_bytes(path, new.read_bytes())
    new.unlink()


@pytest.mark.parametrize(("gap", "warned"), [(1, False), (2, True), (4, True)])
def test_a_longer_gap_near_the_end_is_a_warning(taco_copy, gap, warned):
    serial = FOUR[0]
    path = taco_copy.sequence(SHORT.key).video(serial)
    times = np.arange(SHORT.frames)
    times[-1] += gap - 1
    remux(path, times)
    checked = CheckedSequence(Recording(taco_copy.download, taco_copy.sequence(SHORT.key)), {serial: path})
    findings = list(find_uneven_videos(checked))
    assert read_video_header(path).frames == SHORT.frames
    assert [(finding.severity, finding.camera) for finding in findings] == [("warn", serial)] * warned
    if gap == 2:
        assert f"{path} has uneven frame times: a frame is 1.0 frames from" in str(findings[0].problem)
