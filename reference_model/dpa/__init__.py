"""The diffusion points aligner (section 3.4 of the SyncMV4D paper), a network of Point Transformer V3's parts that refines point tracks."""
