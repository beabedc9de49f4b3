"""Stands for the submodule, which run.py imports from the working folder."""
