"""Metrics: one file per metric, a card per metric id, and functions on plain arrays."""
