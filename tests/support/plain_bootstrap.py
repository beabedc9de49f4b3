"""A plain implementation of the clustered bootstrap."""

import numpy as np


def plain_bootstrap(values, clusters, draws, seed):
    """The mean of the clips of the picked clusters, one draw after the other."""
    labels = sorted(set(clusters.tolist()))
    picks = np.random.default_rng(seed).integers(0, len(labels), size=(draws, len(labels)))
    means = []
    for draw in picks:
        clips = [c for pick in draw for c in range(len(values)) if clusters[c] == labels[pick]]
        means.append([sum(values[c][j] for c in clips) / len(clips) for j in range(values.shape[1])])
    return np.array(means)
