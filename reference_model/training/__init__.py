"""Training of SyncMV4D (section 4.2): data, engines, checkpoints and the training loop."""
