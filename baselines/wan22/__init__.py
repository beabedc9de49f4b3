"""WAN2.2 TI2V-5B, an image-to-video model, by the pipeline of diffusers."""
