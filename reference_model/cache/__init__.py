"""The latent cache: views and prompts of clips as training reads them."""

from reference_model.cache.latent_cache import CachedView, LatentCache, LatentView

__all__ = ["CachedView", "LatentCache", "LatentView"]
