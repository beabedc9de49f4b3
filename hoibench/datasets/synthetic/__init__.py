"""Synthetic TACO: procedural two-handed scenes, rendered and written in TACO's own layout, read back by the TACO loader."""
