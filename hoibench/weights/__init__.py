"""Downloadable weights: one registry, found in folders by name and known by their hash."""

from hoibench.weights.finding import WeightsDamaged, WeightsMissing, find
from hoibench.weights.registry import Weight, all_weights

__all__ = ["Weight", "WeightsDamaged", "WeightsMissing", "all_weights", "find"]
