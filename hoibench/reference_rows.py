"""Reference rows by name: predictions made from the truth or held still, which show what a metric's numbers mean.

The evaluation alone can build them; methods, results and page know them by these names.
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
    FROZEN: "First frame of the truth, held",
    RANDOM: "Random points, noise video",
}
"""Titles of the rows that are made from the truth, by id, in the page's order."""

FLOOR = (FROZEN, RANDOM)
"""Rows that know nothing of the motion, the floor: a failed clip of a method counts as the worse of them."""

CEILING = tuple(name for name in REFERENCES if name not in FLOOR)
"""Rows that the truth makes good."""

DEGRADED = (*(name for name in CEILING if name != GROUND_TRUTH), RANDOM)
"""Rows with a known, often large error: no scale is drawn for them."""

FROZEN_SELF = "frozen_self/"
"""Prefix of the rows that hold a method's own first frame."""

PUBLISHED = "published/"
"""Prefix of the rows that belong to a videos-only data set."""
