"""Builders of parametric tools and targets, one per object category of TACO."""
