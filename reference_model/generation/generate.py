"""Generation of a prediction for a request: encode the conditions, sample in the closed loop, convert the sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hoibench.clip import MAX_COORDINATE, Prediction, Request
from hoibench.geometry import to_camera
from reference_model.cycle.sampler import Conditions, Sampled, sample
from reference_model.cycle.scene_frame import Cameras, SceneFrame, build_scene_frame
from reference_model.cycle.track_codec import TrackCodec, build_baseline
from reference_model.generation.anchor_selection import select_anchors
from reference_model.generation.held_tracks import hold_last_found
from reference_model.generation.inputs import (
    ModelInputs,
    anchors_to_tensors,
    check_request,
    request_to_inputs,
    split_views,
)
from reference_model.loading.saved_model import LoadedModel
from reference_model.training.rng import seeded_generator

Loop = Literal["on", "no_guidance", "mjd_tracks"]
"""Use of the loop: ``on``, as trained; ``no_guidance`` samples the joint diffusion model without the aligner's guidance, and the aligner still makes
the tracks; ``mjd_tracks`` also takes the tracks from the joint diffusion model's motion, where they are found in it.

A model without an aligner always takes them from there; with ``on`` and ``no_guidance`` a point that is not found in a frame keeps its last found
place."""


class ChosenTracks(NamedTuple):
    """The tracks of a prediction, of K points in V views and N frames.

    Attributes:
        world: (1, V, N, K, 3), metres.
        found: (1, V, N, K) bool, whether there is a place of a point in a frame.
        anchors: (1, V, K, 2) pixels of the points in frame 0.
        found_share: share of points and frames that were found in the motion, before gaps were filled; None if the aligner made the tracks.
    """

    world: Tensor
    found: Tensor
    anchors: Tensor
    found_share: float | None


class Generated(NamedTuple):
    """A prediction, and the latents of its motion pseudo-videos, ``z_motion`` (V, C, n, h, w); both have the views in the request's order.

    A model of videos only has no motion, and gives None.
    """

    prediction: Prediction
    z_motion: Tensor | None


@torch.no_grad()
def generate(loaded: LoadedModel, request: Request, loop: Loop = "on") -> Generated:
    """Generate videos and tracks for a request with a loaded model; on one machine's CPU, equal seeds give equal bytes.

    A model of one view generates the views of the request one by one, each with noise of its own, from the request's seed and the view's id.
    Noise does not depend on ``loop``.

    Raises:
        ValueError: the request does not fit the model, or its prompt is too long.
        FloatingPointError: the sample contains NaN or infinity.
    """
    check_request(request, loaded.config)
    if loaded.config.mjd.views == 1:
        generators = [seeded_generator(request.seed, "view", view.id) for view in request.views]
        views = zip(split_views(request), generators, strict=True)
        return _join_views([_generate(loaded, each, loop, generator) for each, generator in views])
    return _generate(loaded, request, loop, torch.Generator().manual_seed(request.seed))


def _generate(loaded: LoadedModel, request: Request, loop: Loop, generator: torch.Generator) -> Generated:
    """Generate videos and tracks for a request with as many views as the model, from the generator's noise."""
    config, model = loaded.config, loaded.model
    inputs = request_to_inputs(request, model.mjd.device)
    scene_frame = build_scene_frame(inputs.cameras, config.cycle.unit, config.cycle.prior_depth)
    conditions = encode_conditions(loaded, inputs, scene_frame, request.prompt)
    cycle = config.cycle if loop == "on" else replace(config.cycle, guidance=False)
    if not config.mjd.motion:
        sampled = sample(model.mjd, None, conditions, None, config.flow, cycle, generator)
        return to_prediction(loaded, request, inputs, sampled, None)
    if inputs.anchors is None:
        inputs = choose_anchors(loaded, inputs, conditions, request.seed, generator)
    track_codec = TrackCodec(
        loaded.autoencoders.motion, inputs.cameras, scene_frame, inputs.anchors, inputs.point_mask, config.pseudo_video
    )
    conditions = conditions._replace(anchors=inputs.cameras.normalize(inputs.anchors))
    sampled = sample(model.mjd, model.dpa, conditions, track_codec, config.flow, cycle, generator)
    tracks = choose_tracks(sampled, track_codec, loop) if config.gives_tracks else None
    return to_prediction(loaded, request, inputs, sampled, tracks)


def choose_tracks(sampled: Sampled, track_codec: TrackCodec, loop: Loop) -> ChosenTracks:
    """Return the tracks of a sample: the aligner's, or those in the joint diffusion model's motion; see ``Loop``."""
    point_mask = track_codec.point_mask
    if sampled.M is not None and loop != "mjd_tracks":
        found = point_mask[:, :, None].expand(sampled.M.shape[:-1])
        return ChosenTracks(track_codec.scene_frame.to_world(sampled.M), found, track_codec.anchors, None)
    assert sampled.z_motion is not None and sampled.s is not None
    M, found = track_codec.decode_tracks(sampled.z_motion, sampled.s)
    share = float(found.transpose(2, 3)[point_mask].float().mean().nan_to_num(1.0))  # 1 without points
    if sampled.M is None and loop != "mjd_tracks":
        M, found = hold_last_found(M, found)
    return ChosenTracks(track_codec.scene_frame.to_world(M), found, track_codec.anchors, share)


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
        intrinsics=inputs.cameras.intrinsics if config.mjd.needs_intrinsics else None,
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
    loaded: LoadedModel, request: Request, inputs: ModelInputs, sampled: Sampled, tracks: ChosenTracks | None
) -> Generated:
    """Convert a sample to a prediction: decoded videos in uint8, and tracks if there are any, views in the request's order."""
    videos = torch.stack([to_uint8(loaded.autoencoders.video.decode(z)) for z in sampled.z_video[0]])
    order = torch.tensor(inputs.order).argsort()
    provenance: dict[str, Any] = {
        "model": loaded.digest,
        "steps": loaded.config.flow.steps,
        "seed": request.seed,
    }
    z_motion = None
    if sampled.z_motion is not None and sampled.s is not None:
        z_motion = sampled.z_motion[0].cpu()[order]
        provenance |= {
            "anchors": "model" if request.anchors is None else "request",
            "s": sampled.s[0].cpu()[order].tolist(),
        }
    arrays = {}
    if tracks is not None:
        arrays = {name: each.cpu()[order].numpy() for name, each in _to_cameras(tracks, inputs.cameras).items()}
        provenance |= {} if tracks.found_share is None else {"found_share": tracks.found_share}
    prediction = Prediction(video=videos[order].numpy(), scale="metric", provenance=provenance, **arrays)
    return Generated(prediction, z_motion)


def _to_cameras(tracks: ChosenTracks, cameras: Cameras) -> dict[str, Tensor]:
    """Return tracks in metres in each view's camera space, with anchors and valid, by their names in ``Prediction``."""
    in_camera = to_camera(tracks.world, cameras.R[:, :, None], cameras.t[:, :, None])[0]
    valid = (in_camera.abs() < MAX_COORDINATE).all(dim=-1) & (in_camera[..., 2] > 0) & tracks.found[0]
    return {"tracks": in_camera.masked_fill(~valid[..., None], 0.0), "anchors": tracks.anchors[0], "valid": valid}


def _join_views(views: Sequence[Generated]) -> Generated:
    """Return the generated views of a request, one in each item, as one."""
    first, *_ = predictions = [view.prediction for view in views]
    names = [name for name in ("video", "tracks", "anchors", "valid") if getattr(first, name) is not None]
    arrays = {name: np.concatenate([getattr(each, name) for each in predictions]) for name in names}
    provenance = dict(first.provenance)
    if "s" in provenance:
        provenance["s"] = [s for each in predictions for s in each.provenance["s"]]
    if "found_share" in provenance:
        provenance["found_share"] = float(np.mean([each.provenance["found_share"] for each in predictions]))
    motion = [view.z_motion for view in views if view.z_motion is not None]
    return Generated(replace(first, **arrays, provenance=provenance), torch.cat(motion) if motion else None)


def to_uint8(video: Tensor) -> Tensor:
    """Convert a video with values in [0, 1] to uint8 (0 to 255) on the CPU; values beyond are clipped."""
    return (video.clamp(0, 1) * 255.0).round().to("cpu", torch.uint8)
