"""A stand-in for torch's global generator."""

seeds = []
manual_seed = seeds.append
