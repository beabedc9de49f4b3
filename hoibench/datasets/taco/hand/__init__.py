"""Hands: what was recorded of them, and the models that give them a surface."""
