"""Reference rows by name: predictions built from the truth, or without any motion, which put a metric's numbers in context.

Only the evaluation can build them; methods, results and the page know them by these names.
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
"""Titles of the rows built from the truth by id, in the page's order."""

FLOOR = (FROZEN, RANDOM)
"""Rows that contain no information about the motion; a failed clip of a method counts as the worse of the two."""

CEILING = tuple(name for name in REFERENCES if name not in FLOOR)
"""Rows that contain the true motion, exactly or with a known error."""

DEGRADED = (*(name for name in CEILING if name != GROUND_TRUTH), RANDOM)
"""Rows with a known, often large error; charts are not scaled to them."""

FROZEN_SELF = "frozen_self/"
"""Prefix of the rows that repeat a method's own first frame."""

PUBLISHED = "published/"
"""Prefix of the rows with predictions that belong to a data set."""
