"""A stand-in for SV4D's sampler: each view is the source video, after the checks that a wrong call would not pass."""

import json
from pathlib import Path
from types import SimpleNamespace

import fake_call
import numpy as np
import torch
from sgm.modules.encoders.modules import VideoPredictionEmbedderWithEncoder

mode = fake_call.start()


def load_model(config, device, num_frames, num_steps, verbose, ckpt_path):
    assert Path(config).is_file(), "run in the tree"
    assert Path(ckpt_path).is_file()
    assert (device, num_frames) == ("cuda", 48)
    embedders = [object(), VideoPredictionEmbedderWithEncoder()]
    return SimpleNamespace(conditioner=SimpleNamespace(embedders=embedders), steps=num_steps), None


def run_img2vid(version_dict, model, image, seed, polar_rad, azim_rad, cond_motion, cond_view, decoding_t, cond_mv):
    options = version_dict["options"]
    assert options["num_steps"] == model.steps
    assert {key: version_dict[key] for key in "THWCf"} == {"T": 48, "H": 576, "W": 576, "C": 4, "f": 8}
    assert model.en_and_decode_n_samples_a_time == decoding_t
    assert image.shape == (1, 3, 576, 576)
    assert cond_motion.shape == (12, 3, 576, 576)
    assert cond_view.shape == (4, 3, 576, 576)
    assert len(polar_rad) == len(azim_rad) == 48
    assert cond_motion.dtype == cond_view.dtype == np.float32
    assert cond_motion.min() >= -1 and cond_motion.max() == 1
    assert (cond_motion[0] == image[0]).all()
    if cond_mv:
        assert np.abs(cond_view - image).max() < 1e-5, "it starts on a frame that was made"
    else:
        assert (cond_view == 0).all()
    window = {
        "seeds": torch.seeds,
        "cond_mv": cond_mv,
        "polars": np.degrees(polar_rad[:4]).tolist(),
        "azimuths": np.degrees(azim_rad[:4]).tolist(),
        "repeats": bool((np.reshape(azim_rad, (12, 4)) == azim_rad[:4]).all()),
        "encoding_t": model.conditioner.embedders[1].en_and_decode_n_samples_a_time,
    }
    with (Path(fake_call.__file__).parent / "windows.jsonl").open("a") as windows:
        windows.write(json.dumps(window) + "\n")
    return torch.from_numpy((np.repeat(cond_motion, 4, axis=0) + 1) / 2)
