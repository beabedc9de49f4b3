"""Weight files of metrics and methods: a registry of them, their search on this machine, and downloads that resume; each is checked by SHA-256."""

from hoibench.weights.finding import WeightsDamaged, WeightsMissing, find_weights, weights_sha256
from hoibench.weights.registry import Weight, all_weights

__all__ = ["Weight", "WeightsDamaged", "WeightsMissing", "all_weights", "find_weights", "weights_sha256"]
