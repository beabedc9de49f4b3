"""Preparation of a latent cache: videos, motion pseudo-videos and prompts of a data set's clips are encoded once, before training."""
