"""Weight files of metrics and methods: list the registered ones, find them on this machine, and download them; each is checked by SHA-256."""

from hoibench.weights.finding import WeightsDamaged, WeightsMissing, find_weights
from hoibench.weights.registry import Weight, all_weights

__all__ = ["Weight", "WeightsDamaged", "WeightsMissing", "all_weights", "find_weights"]
