"""Loading weights from disk: the parts of Wan2.2-TI2V-5B (transformer, video autoencoder, text encoder), and trained SyncMV4D models."""
