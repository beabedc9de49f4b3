"""The latent cache: what training reads of every clip, view and prompt."""

from reference_model.cache.files import LatentView
from reference_model.cache.reader import CachedView, LatentCache

__all__ = ["CachedView", "LatentCache", "LatentView"]
