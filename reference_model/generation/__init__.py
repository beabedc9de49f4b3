"""Conversion of a request of the benchmark to a prediction of the model: inputs, anchors and generation."""
