"""The multi-view joint diffusion model, which generates videos and motion together (section 3.3 of the SyncMV4D paper)."""
