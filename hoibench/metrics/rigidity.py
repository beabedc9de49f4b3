"""rigidity: how far the predicted points of an object are from the object's true shape, wherever it was moved.

Formula:    mean_v mean_o mean_n sqrt( mean_k m min(D, |R x_k + t - sP_k[n]|)^2 ), R and t the best rigid motion of the true shape (``object_fits``)
Points:     P predicted, camera space, metres; P in the order of X (``pairing``); s the alignment's scale (``alignment``); x the true points of
            the object at frame 0; D the RMS distance of all true points to their centroid (``scene_size``).
Counted:    m: visible in the view in frame 0 and in frame n >= 1, in sets that determine a fit (``object_fits``); o: tool and target.
Missing:    a point without a prediction is D away.
Card:       cards/interaction.toml
"""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.clip import Array, check_shape
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement
from hoibench.metrics.object_fits import fit_objects, measure_objects, object_means
from hoibench.metrics.point_sets import check_points
from hoibench.metrics.true_tracks import scene_size


def rigidity(pred: Array, world: Array, part: Array, mask: Array, valid: Array | None = None) -> float:
    """Return the RMS distance, metres, of the predicted points of tool and target from their true shapes, which are moved to fit them best.

    The shape is the true one at frame 0, so that an object that collapses is not rigid.  The mean is over frames, then objects, then views.

    Args:
        pred: (V, N, K, 3) camera-space points, metres, already aligned.
        world: (N, K, 3) true points, metres, world; all of them determine D, the largest distance of a point.
        part: (K,) index of each point's part in ``hoibench.clip.PARTS``; hands are ignored.
        mask: (V, N, K) bool, the true points that count.
        valid: (V, N, K) bool, false where a prediction is missing: the point is D away.  None means that all are valid.

    Raises:
        ValueError: shapes differ, or a point is not finite.
        Undefined: no object has enough points in any frame after the first, or all true points coincide.

    >>> import numpy as np
    >>> shape = np.array([[x, y, 1.0 + z] for x in (-0.1, 0.1) for y in (-0.05, 0.05) for z in (-0.05, 0.05)])
    >>> pred = np.stack([[shape, shape + 0.3, 0.1 * shape]])  # it moves, then shrinks to a tenth
    >>> tool, everywhere = np.full(8, 2), np.ones((1, 3, 8), dtype=bool)
    >>> round(rigidity(pred, np.stack([shape] * 3), tool, everywhere), 6)  # mean of 0 and 0.9 times its size
    0.055114
    """
    check_shape("world", world, ("N", "K", 3))
    truth = check_points("world", world[None], None).xyz[0]
    fits = fit_objects(check_points("pred", pred, valid), truth, part, mask, scene_size(truth))
    return object_means(fits.residual, fits.counted).value


def measure_rigidity(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of rigidity@1 (m; lower is better; 0 or more): one per view, one per object, then the clip's."""
    yield from measure_objects(case, lambda fits: fits.residual, cap=align_motion(case).truth.scene_size)
