"""Names of the reference rows: predictions built from the truth or without any motion, scored like methods to put a metric's numbers in context.

The evaluation builds these predictions; methods, results and the leaderboard page use the names only.
"""

from __future__ import annotations

GROUND_TRUTH = "ground_truth"
FROZEN = "frozen"
RANDOM = "random"

REFERENCES = {
    GROUND_TRUTH: "Ground truth, through the same codec",
    "gt_shuffled": "Ground truth, points shuffled",
    "gt_noise_1cm": "Ground truth, 1 cm noise on points",
    "gt_scaled_0.9": "Ground truth, points scaled by 0.9",
    FROZEN: "First frame of the truth, repeated",
    RANDOM: "Random points, noise video",
}
"""Titles of the reference rows by id, in the order of the leaderboard page."""

FLOOR = (FROZEN, RANDOM)
"""Reference rows that contain no information about the motion."""

CEILING = tuple(name for name in REFERENCES if name not in FLOOR)
"""Reference rows that contain the true motion, exactly or with a known error."""

FROZEN_SELF = "frozen_self/"
"""Prefix of the ids of rows that repeat the first frame of a method's own prediction; the method's id follows."""

PUBLISHED = "published/"
"""Prefix of the ids of rows whose predictions come with a data set."""
