"""Metric cards as TOML files; see hoibench.metrics.card."""
