"""A stand-in for the embedders."""


class VideoPredictionEmbedderWithEncoder:
    """An embedder with a number of frames to encode at once."""
