"""Parametric tools and targets with the categories of TACO."""
