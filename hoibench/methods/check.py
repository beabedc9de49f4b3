"""Checks of a prediction against its method's spec and its request."""

from __future__ import annotations

import numpy as np

from hoibench.clip import Prediction, Request, check_shape
from hoibench.methods.spec import OUTPUTS, Spec


def check_outputs(prediction: Prediction, spec: Spec) -> None:
    """Check that the prediction has exactly the outputs that its method declares; otherwise a method could silently skip hard clips.

    Raises:
        ValueError: names the outputs of both.
    """
    outputs = [name for name in OUTPUTS if getattr(prediction, name) is not None]
    if set(outputs) != set(spec.outputs):
        declared = ", ".join(spec.outputs)
        raise ValueError(
            f"the prediction has the outputs {', '.join(outputs)}, but the spec of {spec.id} declares {declared}"
        )


def check_prediction(prediction: Prediction, request: Request) -> None:
    """Check that the shapes of a prediction fit its request.

    Raises:
        ValueError: names the field, its shape and the expected shape.
    """
    views, frames, (height, width) = len(request.views), request.frames, request.size
    if isinstance(prediction.video, np.ndarray):
        check_shape("video", prediction.video, (views, frames, height, width, 3))
    elif prediction.video is not None and len(prediction.video) != views:
        raise ValueError(f"video has {len(prediction.video)} files, expected one for each of the {views} views")
    if prediction.tracks is not None:
        check_shape("tracks", prediction.tracks, (views, frames, "K'", 3))
        if request.anchors is not None and prediction.tracks.shape[2] != request.anchors.shape[1]:
            raise ValueError(
                f"tracks has {prediction.tracks.shape[2]} points for {request.anchors.shape[1]} query anchors: "
                "return one point per anchor, in the same order"
            )
    if prediction.points is not None:
        check_shape("points", prediction.points, (views, frames, "h", "w", 3))
    if prediction.masks is not None:
        check_shape("masks", prediction.masks, (views, frames, height, width))
