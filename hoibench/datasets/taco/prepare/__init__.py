"""Preparation of clips from recordings, and reading of prepared clips."""
