"""From a request to its answer: what is asked is encoded, sampled in the closed loop, and told in each view's own camera."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hoibench.clip import MAX_COORDINATE, Prediction, Request
from hoibench.geometry import to_camera
from reference_model.cycle.open_loop import sample_open_loop
from reference_model.cycle.sample import Conditions, Sample, sample
from reference_model.cycle.scene_frame import SceneFrame, build_scene_frame
from reference_model.cycle.track_codec import TrackCodec
from reference_model.generation.asked import Asked, anchors_of, asked
from reference_model.generation.own_anchors import own_anchors
from reference_model.loading.saved_model import LoadedModel


class Answer(NamedTuple):
    """A prediction, and the latents of its motion pseudo-videos (V, C, n, h, w), both in the request's order of views."""

    prediction: Prediction
    z_motion: Tensor


@torch.no_grad()
def answer(loaded: LoadedModel, request: Request) -> Answer:
    """Videos and tracks of a request; equal seeds give equal bytes on one machine's CPU.

    Raises:
        ValueError: the request is not one for this model, or its prompt is too long.
        FloatingPointError: the sample is no number.
    """
    config, model = loaded.config, loaded.model
    generator = torch.Generator().manual_seed(request.seed)
    given = asked(request, config, model.mjd.device)
    z_image, text, no_text = _encoded(loaded, given, request.prompt)
    intrinsics = given.intrinsics if config.mjd.scale_tokens_see_K else None
    n, *_ = config.latent_grid(config.frames, *request.size)
    anchors, point_mask = given.anchors, given.point_mask
    if anchors is None or point_mask is None:
        motion = sample_open_loop(model.mjd, z_image, text, no_text, n, config.flow, generator, intrinsics).z_motion[0]
        anchors, point_mask = _chosen(loaded, motion, request.seed)
    scene_frame = build_scene_frame(given.cameras, config.cycle.unit)
    track_codec = TrackCodec(loaded.coder, given.cameras, scene_frame, anchors, point_mask, config.pseudo_video)
    conditions = Conditions(z_image, text, no_text, given.cameras.normalize(anchors), intrinsics, (config.frames, n))
    sampled = sample(model.mjd, model.dpa, conditions, track_codec, config.flow, config.cycle, generator)
    return _told(loaded, request, given, anchors, point_mask, scene_frame, sampled)


def in_cameras(M: Tensor, scene_frame: SceneFrame, given: Asked) -> Tensor:
    """Tracks (1, V, N, K, 3) of the scene frame in the space of each view's camera, (V, N, K, 3) metres."""
    cameras = given.cameras
    return to_camera(scene_frame.to_world(M), cameras.R[:, :, None], cameras.t[:, :, None])[0]


def _encoded(loaded: LoadedModel, given: Asked, prompt: str | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """z^I (1, V, C, 1, h, w), and the embeddings (1, L, text_dim) of the prompt and, where video is guided by text, of the empty one."""
    config = loaded.config
    z_image = torch.stack([loaded.coder.encode(image[None]) for image in given.images])[None]
    text, no_text = loaded.text_encoder.embed([prompt or "", ""], config.text_tokens).split(1)
    return z_image, text, no_text if config.flow.guidance_scale != 1 else None


def _chosen(loaded: LoadedModel, z_motion: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Anchors of one's own, from latents (V, C, n, h, w); the first latent frame alone is the first image."""
    style = loaded.config.pseudo_video
    first = torch.stack([loaded.coder.decode(z[:, :1])[0] for z in z_motion])
    return anchors_of(own_anchors(first, style.points, style.darkest, seed), z_motion.device)


def to_uint8(video: Tensor) -> Tensor:
    """Convert a video in [0, 1] to uint8 on the CPU."""
    return (video * 255.0).round().to("cpu", torch.uint8)


def _told(
    loaded: LoadedModel,
    request: Request,
    given: Asked,
    anchors: Tensor,
    point_mask: Tensor,
    scene_frame: SceneFrame,
    sampled: Sample,
) -> Answer:
    back = torch.tensor(given.order).argsort()
    tracks = in_cameras(sampled.M, scene_frame, given)
    valid = (tracks.abs() < MAX_COORDINATE).all(dim=-1) & (tracks[..., 2] > 0) & point_mask[0, :, None]
    tracks = tracks.masked_fill(~valid[..., None], 0.0)
    videos = torch.stack([to_uint8(loaded.coder.decode(z)) for z in sampled.z_video[0]])
    prediction = Prediction(
        video=videos[back].numpy(),
        tracks=tracks.cpu()[back].numpy(),
        anchors=anchors[0].cpu()[back].numpy(),
        valid=valid.cpu()[back].numpy(),
        scale="metric",
        provenance={
            "model": loaded.digest,
            "steps": loaded.config.flow.steps,
            "seed": request.seed,
            "anchors": "own" if request.anchors is None else "given",
            "s": sampled.scale[0].cpu()[back].tolist(),
        },
    )
    return Answer(prediction, sampled.z_motion[0].cpu()[back])
