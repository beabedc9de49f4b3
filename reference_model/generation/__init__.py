"""From a request to a prediction: what is asked, which points are tracked, and the answer."""
