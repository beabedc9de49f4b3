"""From a request to a prediction: inputs, anchors and generation."""
