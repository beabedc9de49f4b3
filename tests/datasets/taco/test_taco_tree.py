"""The test download: its decoded images encode part, frame and modality, and its records equal those of the scene."""

import numpy as np
import pytest
import taco_faults
from depth_and_part import render_depth_and_part
from taco_pictures import PERIOD, frame_code, is_removed, part_of
from taco_tree import FOUR, MEASURE, PLAN, POUR, SHORT, TWELVE

from hoibench.datasets.surfaces import build_frame_mesh
from hoibench.datasets.taco.download import MARKER_REMOVED, MODELS, RGB
from hoibench.datasets.taco.recording import Recording
from hoibench.video import decode, probe


def test_the_download_has_the_sequences_of_the_plan(taco):
    assert set(taco.download.sequences) == {shoot.key for shoot in PLAN}
    assert {shoot.frames for shoot in PLAN} == {90, 181, 209}
    assert len({shoot.world for shoot in PLAN}) == 2
    for shoot in PLAN:
        sequence = taco.download.sequence(shoot.key)
        assert set(sequence.videos()) == set(shoot.serials)
        assert set(sequence.videos(MARKER_REMOVED)) == set(shoot.marker_removed)
        assert set(Recording(taco.download, sequence).calibrations) == set(TWELVE)
        ego = probe(sequence.folder("Egocentric_RGB_Videos") / "color.mp4")
        assert ego.frames == shoot.frames - shoot.ego_missing
        tool, _ = Recording(taco.download, sequence).instances
        assert taco.download.mesh(tool).parent.name == MODELS[1]


@pytest.mark.parametrize("shoot", [POUR, MEASURE, SHORT], ids=lambda shoot: shoot.key)
def test_pixels_encode_frame_modality_and_part(taco, shoot):
    recording = Recording(taco.download, taco.download.sequence(shoot.key))
    serial = FOUR[1]
    for modality in (RGB, MARKER_REMOVED):
        video = decode(recording.sequence.video(serial, modality))
        assert [frame_code(picture) for picture in video] == [i % PERIOD for i in range(shoot.frames)]
        assert is_removed(video[0]) == (modality == MARKER_REMOVED)
    camera = recording.camera(serial, taco.size)
    for frame in (0, shoot.frames - 1):
        _, part = render_depth_and_part(build_frame_mesh(recording.surfaces, frame), camera)
        assert len(np.unique(part)) == 5
        assert (part_of(video[frame]) == part).mean() > 0.97  # outlines blur


def test_a_fault_does_not_change_the_shared_tree(taco, taco_copy):
    before = {path: path.read_bytes() for path in (taco.root / RGB).rglob("*.mp4")}
    path = taco_faults.truncate_video(taco_copy, POUR.key, FOUR[0])
    assert path.stat().st_size < len(before[taco.root / path.relative_to(taco_copy.root)])
    taco_faults.shorten_video(taco_copy, POUR.key, FOUR[1])
    assert before == {path: path.read_bytes() for path in before}
