"""Comparison of a sequence's videos with the projected silhouettes of its hands and objects."""
