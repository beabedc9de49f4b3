"""What ``python -m reference_model.prepare`` does: prompts and clips, encoded once."""
