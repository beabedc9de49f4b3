"""Baselines: adapters of other people's code, each in a folder with its spec, its adapter and, if the code has its own environment, a worker."""
