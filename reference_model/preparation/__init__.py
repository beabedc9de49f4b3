"""Preparation of a latent cache: clips and prompts of a data set, encoded once."""
