"""Whether a prediction answers its request."""

from __future__ import annotations

import numpy as np

from hoibench.clip import Prediction, Request, check_shape
from hoibench.methods.spec import OUTPUTS, Spec


def check_outputs(prediction: Prediction, spec: Spec) -> None:
    """Raise unless the prediction holds just what its method declares, on every clip: what is left out on hard clips would else not be missed.

    Raises:
        ValueError: names what is missing or undeclared.
    """
    there = {name for name in OUTPUTS if getattr(prediction, name) is not None}
    missing, undeclared = sorted(set(spec.outputs) - there), sorted(there - set(spec.outputs))
    if missing:
        raise ValueError(f"{spec.id} declares {', '.join(spec.outputs)}; this prediction holds no {', '.join(missing)}")
    if undeclared:
        raise ValueError(f"this prediction holds {', '.join(undeclared)}: add it to `outputs` in the spec of {spec.id}")


def check_prediction(prediction: Prediction, request: Request) -> None:
    """Raise unless the prediction lies on the request's grid.

    Raises:
        ValueError: names the field, its shape and the shape asked for.
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
                f"tracks hold {prediction.tracks.shape[2]} points for {request.anchors.shape[1]} query anchors: "
                "answer each anchor, in order"
            )
    if prediction.points is not None:
        check_shape("points", prediction.points, (views, frames, "h", "w", 3))
    if prediction.masks is not None:
        check_shape("masks", prediction.masks, (views, frames, height, width))
