"""The page: results of runs as a static site that opens by double click."""
