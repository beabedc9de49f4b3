"""A stand-in for rembg: what is bright in red is the object."""

import numpy as np


def new_session():
    return "session"


def remove(image, session, alpha_matting):
    assert session == "session"
    assert alpha_matting
    return np.concatenate([image, np.where(image[..., :1] > 128, 255, 0).astype(np.uint8)], axis=-1)
