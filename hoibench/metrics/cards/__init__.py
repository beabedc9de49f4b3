"""TOML files with metric cards, the descriptions of metrics; read by hoibench.metric_card."""
