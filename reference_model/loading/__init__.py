"""Weights on disk: the parts of Wan2.2-TI2V-5B, and trained SyncMV4D models."""
