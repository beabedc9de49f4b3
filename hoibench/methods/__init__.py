"""Methods: what they declare, how they are found, and how their predictions lie on disk."""
