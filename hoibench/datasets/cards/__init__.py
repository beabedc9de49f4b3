"""Data set cards in TOML: name, kind, title and entry point."""
