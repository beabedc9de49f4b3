"""The latent cache: encoded videos, tracks, cameras and prompts of a data set's clips, as training reads them."""

from reference_model.cache.latent_cache import CachedView, LatentCache, LatentView

__all__ = ["CachedView", "LatentCache", "LatentView"]
