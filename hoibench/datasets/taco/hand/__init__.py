"""Recorded hand poses, and the hand models that turn them into surfaces."""
