"""Rectified flow, sampling and the closed loop between the two diffusion models (SyncMV4D, sections 3.1 and 3.5)."""
