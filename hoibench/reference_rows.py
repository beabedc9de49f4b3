"""Reference rows by name: predictions made from the truth, which show what a metric's numbers mean."""

from __future__ import annotations

GROUND_TRUTH = "ground_truth"
FROZEN = "frozen"
RANDOM = "random"

CEILING = (GROUND_TRUTH, "gt_shuffled", "gt_noise_1cm", "gt_scaled_0.9")
"""Rows that the truth makes good, in the page's order; all others are a floor."""

STAND_INS = (FROZEN, RANDOM)
"""Rows that know nothing: a failed clip of a method counts as the worse of them."""

SPOILT = (*CEILING[1:], RANDOM)
"""Rows with a known, often large error: no scale is drawn for them."""
