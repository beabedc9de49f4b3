"""Methods: their specs, presets and settings, the registry, and the interface of a method that runs."""
