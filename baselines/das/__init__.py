"""Diffusion as Shader: a video seen from moving cameras."""
