"""Multi-view joint diffusion (SyncMV4D, section 3.3)."""
