"""Training of SyncMV4D: data, engines, checkpoints and the loop (section 4.2)."""
