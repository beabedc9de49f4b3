"""Metric cards as TOML files; see hoibench.metric_card."""
