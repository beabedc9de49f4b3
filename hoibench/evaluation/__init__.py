"""Evaluation: plan, generate, score, resume."""
