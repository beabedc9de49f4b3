import itertools

import cv2
import numpy as np

STRIDE = 4


def sift_inliers(one, two):
    """Matches of PROTOCOL's sift-mnn: OpenCV SIFT, mutual, ratio 0.8, on a fundamental matrix by MAGSAC."""
    sift = cv2.SIFT_create()
    (points_1, features_1), (points_2, features_2) = (sift.detectAndCompute(image, None) for image in (one, two))
    forth = cv2.BFMatcher().knnMatch(features_1, features_2, k=2)
    back = {m.queryIdx: m.trainIdx for m in cv2.BFMatcher().match(features_2, features_1)}
    kept = [a for a, b in forth if a.distance < 0.8 * b.distance and back[a.trainIdx] == a.queryIdx]
    if len(kept) < 8:
        return 0
    ends_1 = np.array([points_1[m.queryIdx].pt for m in kept])
    ends_2 = np.array([points_2[m.trainIdx].pt for m in kept])
    threshold = 1.5 * min(one.shape) / 480
    try:
        _, inlier = cv2.findFundamentalMat(ends_1, ends_2, cv2.USAC_MAGSAC, threshold, 0.9999, 10_000)
    except cv2.error:  # OpenCV's own assertion on a degenerate sample, counted as no match
        return 0
    return 0 if inlier is None else int(inlier.sum())


def test_the_true_views_match(demo):
    inliers = {pair: [] for pair in itertools.combinations(range(3), 2)}
    for clip in (loaded.clip for loaded in demo):
        for frame in range(0, clip.frames, STRIDE):
            grey = [cv2.cvtColor(clip.video[view, frame], cv2.COLOR_RGB2GRAY) for view in range(3)]
            for (a, b), counts in inliers.items():
                counts.append(sift_inliers(grey[a], grey[b]))
    medians = {pair: np.median(counts) for pair, counts in inliers.items()}
    assert min(medians.values()) >= 60, medians
