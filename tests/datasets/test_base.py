"""Manifests, samples of clips and ids of clip sets."""

import hashlib
from dataclasses import replace

import pytest

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Manifest, clip_set_id, sample_clips


def test_clips_left_out_are_counted_by_reason():
    left_out = {"b": "no camera", "a": "too short", "c": "too short"}
    assert Manifest("x@1/test", "0", (), left_out=left_out).exclusion_summary == ("2: too short", "1: no camera")
    assert Manifest("x@1/test", "0", ()).exclusion_summary == ()


def test_sample_clips_is_a_fixed_shuffle_in_the_original_order():
    """Runs with --limit are compared with each other, so the sample must never change."""
    clips = list("abcdefghij")
    assert sample_clips(clips, 1) == ("b",)
    assert sample_clips(clips, 4) == tuple("bcdh")
    for limit in (10, 11, None):
        assert sample_clips(clips, limit) == tuple(clips)
    for limit in range(9):
        assert set(sample_clips(clips, limit)) < set(sample_clips(clips, limit + 1))
        assert list(sample_clips(clips, limit)) == sorted(sample_clips(clips, limit))
    assert sample_clips(clips, 0) == ()


def test_length_variant_and_truth_change_the_clip_set_id():
    full = (ClipEntry("a", camera_ids=("1", "2")), ClipEntry("b", camera_ids=("1", "2")))
    short = (full[0], ClipEntry("b", camera_ids=("1", "2"), valid_frames=24))
    assert clip_set_id(full) == clip_set_id(full[::-1])
    cropped = (full[0], ClipEntry("b", camera_ids=("1", "2"), variant="frame0-raw"))
    assert len({clip_set_id(full), clip_set_id(short), clip_set_id(cropped), clip_set_id(full, "truth")}) == 4


TWO = (
    ClipEntry("20230927_017", ("bowl", "pour in some", "plate"), ("146", "135"), ("22139909", "22070938", "22139946")),
    ClipEntry("20231102_070", camera_ids=("22139909", "22139916", "22139910"), start=3, tags=("unseen",)),
)
HASHED = '[["20230927_017",["22139909","22070938","22139946"],0],["20231102_070",["22139909","22139916","22139910"],3{also}]]'
BOTH = ',["valid_frames",24],["variant","frame0-raw"]'


@pytest.mark.parametrize(
    ("changes", "truth_id", "text", "golden"),
    [
        ({}, "", HASHED.format(also=""), "49decd50934f"),
        ({}, "taco-clips@1:taco", f'["taco-clips@1:taco",{HASHED.format(also="")}]', "2f2ce6cd1081"),
        ({"variant": "frame0-raw"}, "", HASHED.format(also=',["variant","frame0-raw"]'), "f623e3de9076"),
        ({"valid_frames": 24}, "", HASHED.format(also=',["valid_frames",24]'), "bd3973e7446e"),
        (
            {"valid_frames": 24, "variant": "frame0-raw"},
            "taco-clips@1:taco",
            f'["taco-clips@1:taco",{HASHED.format(also=BOTH)}]',
            "ccef55d101d9",
        ),
    ],
)
def test_clip_set_ids_never_change(changes, truth_id, text, golden):
    """Leaderboards compare rows by this id, which is the hash of a text that can be written down."""
    assert clip_set_id((TWO[0], replace(TWO[1], **changes)), truth_id) == golden
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == golden
