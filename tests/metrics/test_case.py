from pathlib import Path

import pytest

from hoibench.clip import Prediction
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import NotApplicable


def test_an_encoded_video_must_be_decoded_first(toy_clip):
    with pytest.raises(TypeError, match="call hoibench.predictions.decode_prediction first"):
        _ = Case(Prediction(video=(Path("view-0.mp4"),)), toy_clip).video


def test_a_prediction_without_video_is_not_applicable(toy_clip, predict):
    with pytest.raises(NotApplicable, match="the method gives no video"):
        _ = Case(predict(toy_clip), toy_clip).video
