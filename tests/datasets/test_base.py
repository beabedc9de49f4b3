"""What a manifest says of itself."""

from hoibench.datasets.base import ClipEntry, Manifest, clips_id


def test_clips_left_out_are_counted_by_reason():
    left_out = {"a": "too short", "b": "no camera", "c": "too short"}
    assert Manifest("x@1/test", "0", (), left_out=left_out).left_out_told == ("2: too short", "1: no camera")
    assert Manifest("x@1/test", "0", ()).left_out_told == ()


def test_a_clip_made_otherwise_is_another_clip():
    whole = (ClipEntry("a", serials=("1", "2")), ClipEntry("b", serials=("1", "2")))
    short = (whole[0], ClipEntry("b", serials=("1", "2"), valid_frames=24))
    assert clips_id(whole) == clips_id(whole[::-1])
    cropped = (whole[0], ClipEntry("b", serials=("1", "2"), variant="frame0-raw"))
    assert len({clips_id(whole), clips_id(short), clips_id(cropped), clips_id(whole, "truth")}) == 4
