"""The publication of a trained model: its weights in float16, its model card, and recorded results."""
