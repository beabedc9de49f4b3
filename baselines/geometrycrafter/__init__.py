"""GeometryCrafter: point maps of a video."""
