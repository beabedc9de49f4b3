"""Training of SyncMV4D (section 4.2 of its paper): batches of samples, engines (data parallelism or ZeRO-3), checkpoints and the training loop."""
