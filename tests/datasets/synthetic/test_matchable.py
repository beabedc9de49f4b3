import numpy as np

from hoibench.metrics.backbones.sift import Sift
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
