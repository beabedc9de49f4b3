"""Geo4D: depth and cameras of a video."""
