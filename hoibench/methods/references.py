"""The reference rows' names; the evaluation alone can build them, since they are made from the truth."""

from __future__ import annotations

REFERENCES = {
    "ground_truth": "Ground truth, through the same codec",
    "gt_shuffled": "Ground truth, points shuffled",
    "gt_noise_1cm": "Ground truth, 1 cm noise on points",
    "gt_scaled_0.9": "Ground truth, points scaled by 0.9",
    "frozen": "First frame of the truth, held",
    "random": "Random points, noise video",
}

OWN_FROZEN = "frozen_self/"
"""Prefix of the rows that hold a method's own first frame."""

PUBLISHED = "published/"
"""Prefix of the rows that belong to a videos-only data set."""
