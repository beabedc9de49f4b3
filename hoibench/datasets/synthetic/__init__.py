"""Synthetic TACO: procedural two-handed scenes, rendered and written in the layout of TACO, and read by the TACO reader."""
