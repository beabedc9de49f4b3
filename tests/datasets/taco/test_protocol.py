import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.datasets.taco.protocol import FRAMES, Recipe, choose_window


def test_thirty_frames_a_second_give_the_protocols_indices():
    span = choose_window(209, 30.0)
    assert span.indices[:5] == (0, 4, 8, 11, 15)  # floor(3.75 i + 0.5)
    assert (len(span.indices), span.indices[-1], span.valid) == (49, 180, 49)


@pytest.mark.parametrize(("frames", "valid"), [(181, 49), (180, 48), (90, 24), (1, 1)])
def test_a_short_recording_repeats_its_last_frame(frames, valid):
    span = choose_window(frames, 30.0)
    assert span.valid == valid
    assert span.recorded == span.indices[:valid]
    assert set(span.indices[valid:]) <= {frames - 1}
    assert max(span.indices) <= frames - 1


@given(st.integers(1, 600), st.floats(1.0, 120.0))
def test_every_window_is_a_walk_forward_inside_the_recording(frames, fps):
    span = choose_window(frames, fps)
    assert len(span.indices) == FRAMES
    assert span.indices[0] == 0
    assert list(span.indices) == sorted(span.indices)
    assert max(span.indices) < frames
    assert 1 <= span.valid <= FRAMES
    assert all(abs(index - i * fps / 8.0) <= 0.5 + 1e-9 for i, index in enumerate(span.recorded))


def test_a_recipe_is_parsed_from_a_splits_line():
    recipe = Recipe.parse({"crop": "frame0", "video": "marker-removed"})
    assert (recipe.crop, recipe.video, recipe.name) == ("frame0", "marker-removed", "frame0-marker-removed")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"crop": "clip"}, "expected crop: one of clip, frame0, video: one of raw"),
        ({"crop": "clip", "video": "raw", "seed": 1}, "expected crop: one of clip, frame0, video: one of raw"),
        ({"crop": "tight", "video": "raw"}, "'tight'.*expected crop: one of clip, frame0"),
        ({"crop": "clip", "video": ["raw"]}, "expected .*video: one of raw, marker-removed"),
    ],
)
def test_an_invalid_recipe_is_an_error(table, words):
    with pytest.raises(ValueError, match=words):
        Recipe.parse(table)
