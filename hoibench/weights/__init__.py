"""Weight files of metrics: a registry, a search in folders, and downloads, all checked by SHA-256."""

from hoibench.weights.finding import WeightsDamaged, WeightsMissing, find_weights
from hoibench.weights.registry import Weight, all_weights

__all__ = ["Weight", "WeightsDamaged", "WeightsMissing", "all_weights", "find_weights"]
