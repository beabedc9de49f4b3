"""Preparation: from recordings to clips on the protocol's grid, and back from the folder that holds them."""
