"""Feature detectors and networks of the metrics, each behind a small interface."""
