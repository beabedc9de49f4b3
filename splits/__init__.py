"""Versioned manifests: which clips each split of each data set has, as JSONL files with their hashes, and the scripts that make them."""
