"""Networks and detectors that metrics look through, each behind a small interface."""
