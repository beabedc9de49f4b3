"""Rectified flow, sampling and the closed loop between the two diffusion models (sections 3.1 and 3.5 of the SyncMV4D paper)."""
