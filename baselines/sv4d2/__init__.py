"""Stable Video 4D 2.0: a video of an object seen from other sides."""
