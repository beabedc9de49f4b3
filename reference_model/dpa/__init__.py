"""Diffusion points aligner (SyncMV4D, section 3.4): Point Transformer V3's parts without pooling, as a velocity of point tracks."""
