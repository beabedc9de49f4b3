"""Generation of a prediction for a request: encode the conditions, sample in the closed loop, convert the sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hoibench.clip import MAX_COORDINATE, Prediction, Request
from hoibench.geometry import to_camera
from reference_model.cycle.sampler import Conditions, Sampled, sample
from reference_model.cycle.scene_frame import SceneFrame, build_scene_frame
from reference_model.cycle.track_codec import TrackCodec, build_baseline
from reference_model.generation.anchor_selection import select_anchors
from reference_model.generation.inputs import (
    ModelInputs,
    anchors_to_tensors,
    check_request,
    request_to_inputs,
    split_views,
)
from reference_model.loading.saved_model import LoadedModel

Loop = Literal["on", "no_guidance", "mjd_tracks"]
"""Use of the loop: ``on``, as trained; ``no_guidance`` samples the joint diffusion model without the aligner's guidance, and the aligner still makes
the tracks; ``mjd_tracks`` also takes the tracks from the joint diffusion model's motion, where they are found in it."""


class Generated(NamedTuple):
    """A prediction, and the latents of its motion pseudo-videos, ``z_motion`` (V, C, n, h, w); both have the views in the request's order."""

    prediction: Prediction
    z_motion: Tensor


@torch.no_grad()
def generate(loaded: LoadedModel, request: Request, loop: Loop = "on") -> Generated:
    """Generate videos and tracks for a request with a loaded model; on one machine's CPU, equal seeds give equal bytes.

    A model of one view generates the views of the request one by one, each with the request's seed.  Noise does not depend on ``loop``.

    Raises:
        ValueError: the request does not fit the model, or its prompt is too long.
        FloatingPointError: the sample contains NaN or infinity.
    """
    check_request(request, loaded.config)
    if loaded.config.mjd.views == 1:
        return _join_views([_generate(loaded, each, loop) for each in split_views(request)])
    return _generate(loaded, request, loop)


def _generate(loaded: LoadedModel, request: Request, loop: Loop) -> Generated:
    """Generate videos and tracks for a request with as many views as the model."""
    config, model = loaded.config, loaded.model
    generator = torch.Generator().manual_seed(request.seed)
    inputs = request_to_inputs(request, model.mjd.device)
    scene_frame = build_scene_frame(inputs.cameras, config.cycle.unit, config.cycle.prior_depth)
    conditions = encode_conditions(loaded, inputs, scene_frame, request.prompt)
    if inputs.anchors is None:
        inputs = choose_anchors(loaded, inputs, conditions, request.seed, generator)
    track_codec = TrackCodec(
        loaded.autoencoders.motion, inputs.cameras, scene_frame, inputs.anchors, inputs.point_mask, config.pseudo_video
    )
    conditions = conditions._replace(anchors=inputs.cameras.normalize(inputs.anchors))
    cycle = config.cycle if loop == "on" else replace(config.cycle, guidance=False)
    sampled, found = sample(model.mjd, model.dpa, conditions, track_codec, config.flow, cycle, generator), None
    if loop == "mjd_tracks":
        M, found = track_codec.decode_tracks(sampled.z_motion, sampled.s)
        sampled = sampled._replace(M=M)
    return to_prediction(loaded, request, inputs, track_codec, sampled, found)


def encode_conditions(
    loaded: LoadedModel, inputs: ModelInputs, scene_frame: SceneFrame, prompt: str | None
) -> Conditions:
    """Return the sampler's conditions: latents of the images, embeddings of the prompt and of an empty one, and focal lengths; no anchors yet."""
    config = loaded.config
    z_image = torch.stack([loaded.autoencoders.video.encode(image[None]) for image in inputs.images])[None]
    text, no_text = loaded.text_encoder.embed([prompt or "", ""], config.text_tokens).split(1)
    latent_frames, *_ = config.latent_grid(config.frames, config.height, config.width)
    return Conditions(
        z_image=z_image,
        text=text,
        no_text=no_text if config.flow.text_guidance_scale != 1 else None,
        anchors=None,
        intrinsics=inputs.cameras.intrinsics if config.mjd.scale_tokens_see_K else None,
        frames=(config.frames, latent_frames),
        baseline=build_baseline(z_image, config.frames, loaded.autoencoders.video, inputs.cameras, scene_frame)
        if config.mjd.residual
        else None,
    )


def choose_anchors(
    loaded: LoadedModel, inputs: ModelInputs, conditions: Conditions, seed: int, generator: torch.Generator
) -> ModelInputs:
    """Return the inputs with anchors, chosen in frame 0 of the motion pseudo-videos that the joint diffusion model samples without the aligner."""
    config = loaded.config
    motion = sample(loaded.model.mjd, None, conditions, None, config.flow, config.cycle, generator).z_motion[0]
    first = torch.stack(
        [loaded.autoencoders.motion.decode(z[:, :1])[0] for z in motion]
    )  # the first latent frame is the first image
    pixels = select_anchors(first, config.pseudo_video.points, config.pseudo_video.darkest, seed)
    anchors, point_mask = anchors_to_tensors(pixels, motion.device)
    return inputs._replace(anchors=anchors, point_mask=point_mask)


def to_prediction(
    loaded: LoadedModel,
    request: Request,
    inputs: ModelInputs,
    track_codec: TrackCodec,
    sampled: Sampled,
    found: Tensor | None,
) -> Generated:
    """Convert a sample to a prediction: tracks in metres in each view's camera space, decoded videos in uint8, views in the request's order.

    ``found`` (1, V, N, K) marks the points of which there is a track; None for all.
    """
    anchors, point_mask, cameras = track_codec.anchors[0], track_codec.point_mask[0], inputs.cameras
    world = track_codec.scene_frame.to_world(sampled.M)
    tracks = to_camera(world, cameras.R[:, :, None], cameras.t[:, :, None])[0]
    valid = (tracks.abs() < MAX_COORDINATE).all(dim=-1) & (tracks[..., 2] > 0) & point_mask[:, None]
    valid = valid if found is None else valid & found[0]
    tracks = tracks.masked_fill(~valid[..., None], 0.0)
    videos = torch.stack([to_uint8(loaded.autoencoders.video.decode(z)) for z in sampled.z_video[0]])
    order = torch.tensor(inputs.order).argsort()
    prediction = Prediction(
        video=videos[order].numpy(),
        tracks=tracks.cpu()[order].numpy(),
        anchors=anchors.cpu()[order].numpy(),
        valid=valid.cpu()[order].numpy(),
        scale="metric",
        provenance={
            "model": loaded.digest,
            "steps": loaded.config.flow.steps,
            "seed": request.seed,
            "anchors": "model" if request.anchors is None else "request",
            "s": sampled.s[0].cpu()[order].tolist(),
        },
    )
    return Generated(prediction, sampled.z_motion[0].cpu()[order])


def _join_views(views: Sequence[Generated]) -> Generated:
    """Return the generated views of a request, one in each item, as one."""
    first, *_ = predictions = [view.prediction for view in views]
    arrays = {
        name: np.concatenate([getattr(each, name) for each in predictions])
        for name in ("video", "tracks", "anchors", "valid")
    }
    s = [s for each in predictions for s in each.provenance["s"]]
    prediction = replace(first, **arrays, provenance={**first.provenance, "s": s})
    return Generated(prediction, torch.cat([view.z_motion for view in views]))


def to_uint8(video: Tensor) -> Tensor:
    """Convert a video with values in [0, 1] to uint8 (0 to 255) on the CPU; values beyond are clipped."""
    return (video.clamp(0, 1) * 255.0).round().to("cpu", torch.uint8)
