import numpy as np

from hoibench.metrics.backbones.sift import Sift
from hoibench.metrics.matching_pixels import LEAST_TRUTH, mark_counted
from hoibench.metrics.view_matches import match_views


def test_the_true_views_match(demo):
    """True views have matches by the metric's rule: sift-mnn, MAGSAC at 0.4 px."""
    counts = {}
    for clip in (loaded.clip for loaded in demo):
        for pair in match_views(clip.video, Sift()):
            counts.setdefault(pair.views, []).extend(pair.counts)
    medians = {views: np.median(found) for views, found in counts.items()}
    assert len(medians) == 3
    assert min(medians.values()) >= 60, medians


def test_hands_and_objects_match_in_every_clip(demo):
    """``matching_pixels_rel`` is defined on every clip: its true video has enough matches near the true epipolar lines in the foreground."""
    for clip in (loaded.clip for loaded in demo):
        pairs = match_views(clip.video, Sift(), clip.masks)
        assert sum(int(marks.sum()) for pair in pairs for marks in mark_counted(pair, clip.cameras)) >= LEAST_TRUTH, (
            clip.id
        )
