import itertools

import cv2
import numpy as np

STRIDE = 4


def features(frame):
    """OpenCV SIFT keypoints (M, 2) and descriptors (M, 128)."""
    points, descriptors = cv2.SIFT_create().detectAndCompute(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), None)
    return np.array([point.pt for point in points]), descriptors


def inliers(one, two, height):
    """Matches of PROTOCOL's sift-mnn: mutual nearest neighbours of ratio 0.8 that fit one fundamental matrix by MAGSAC."""
    forth = cv2.BFMatcher().knnMatch(one[1], two[1], k=2)
    back = {m.queryIdx: m.trainIdx for m in cv2.BFMatcher().match(two[1], one[1])}
    kept = [a for a, b in forth if a.distance < 0.8 * b.distance and back[a.trainIdx] == a.queryIdx]
    if len(kept) < 8:
        return 0
    ends = one[0][[m.queryIdx for m in kept]], two[0][[m.trainIdx for m in kept]]
    try:
        _, inlier = cv2.findFundamentalMat(*ends, cv2.USAC_MAGSAC, 1.5 * height / 480, 0.9999, 10_000)
    except cv2.error:  # OpenCV's own assertion on a degenerate sample, counted as no match
        return 0
    return 0 if inlier is None else int(inlier.sum())


def test_the_true_views_match(demo):
    counts = {pair: [] for pair in itertools.combinations(range(3), 2)}
    for clip in (loaded.clip for loaded in demo):
        for frame in range(0, clip.frames, STRIDE):
            seen = [features(clip.video[view, frame]) for view in range(3)]
            for (a, b), found in counts.items():
                found.append(inliers(seen[a], seen[b], clip.size[0]))
    medians = {pair: np.median(found) for pair, found in counts.items()}
    assert min(medians.values()) >= 60, medians
