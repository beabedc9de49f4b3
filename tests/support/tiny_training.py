"""A tiny model, a latent cache of random latents with true geometry, and trainings of a few iterations."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from tiny_loop import FoldingCoder

from hoibench.clip import CLUSTERS
from hoibench.geometry import project, render, to_camera
from reference_model.cache import LatentCache
from reference_model.cache.latent_cache import LatentView, write_text, write_view
from reference_model.cache.settings import CacheSettings, config_settings, ensure_cache_settings
from reference_model.config import DPAConfig, SyncMV4DConfig, preset
from reference_model.cycle.track_codec import Autoencoders
from reference_model.model import SyncMV4D
from reference_model.training.config import TrainingConfig, TrainingStage
from reference_model.training.data import TrainingData
from reference_model.training.distributed import Processes
from reference_model.training.engine import open_engine
from reference_model.training.loop import train
from reference_model.training.loss_log import read_losses
from reference_model.training.run_folder import RunFolder, RunSettings
from reference_model.training.step import TrainingJob

NANO = preset("nano")
TINY = dataclasses.replace(
    NANO,
    frames=9,
    height=64,
    width=96,
    mjd=dataclasses.replace(NANO.mjd, num_layers=1),
    dpa=DPAConfig(width=16, heads=2, num_layers=1, window=16, sparse_conv="torch"),
    pseudo_video=dataclasses.replace(NANO.pseudo_video, points=12, radius=1),
)
CODER = FoldingCoder()
LOOP = dataclasses.replace(
    TINY,
    mjd=dataclasses.replace(TINY.mjd, in_channels=CODER.channels, num_attention_heads=2, ffn_dim=48),
    flow=dataclasses.replace(TINY.flow, training_shift=0.05),
    cycle=dataclasses.replace(TINY.cycle, gradient="full"),
)
"""A model for the loop: an exact autoencoder, little noise and all gradients, so that even an untrained model finds coarse points."""
PROMPT = "brush the plate with the brush"


def model_of(config: TrainingConfig) -> SyncMV4DConfig:
    """Return the tiny model of a training."""
    return LOOP if any(stage.objective == "joint" for stage in config.stages) else TINY


def training_config(iterations=5, objective="warmup", **changes) -> TrainingConfig:
    """Return a training at the tiny size, fast and exact."""
    stages = (TrainingStage("only", objective, iterations, (TINY.height, TINY.width)),)
    settings = {
        "learning_rate": 1e-3, "dpa_learning_rate": 1e-3, "lr_warmup_iterations": 2, "precision": "fp32",
        "gradient_checkpointing": False, "save_every": 100, "log_every": 1,
    }  # fmt: skip
    return TrainingConfig(**{"stages": stages} | settings | changes)


def write_cache(
    folder: Path, clips=4, config: SyncMV4DConfig = TINY, points=(12, 9, 10), views=1, vae="3"
) -> LatentCache:
    """Write a cache of ``clips`` clips; the views of a cluster see ``points[cluster]`` points."""
    settings = CacheSettings(
        **config_settings(config), dtype="float32", dataset="synthetic", split="toy@1/train", split_id="1", truth_id="2",
        vae=vae, text_encoder="4", hoibench="0",
    )  # fmt: skip
    ensure_cache_settings(folder, settings)
    for prompt in ("", PROMPT):
        embedding = torch.randn(settings.text_shape, generator=torch.Generator().manual_seed(len(prompt)))
        write_text(folder, settings, prompt, embedding)
    for clip in range(clips):
        for index, cluster in enumerate(CLUSTERS):
            for number in range(views):
                write_view(folder, settings, view_of(config, f"clip{clip}", cluster, number, points[index]))
    return LatentCache(folder)


def view_of(config: SyncMV4DConfig, clip: str, cluster, number: int, points: int) -> LatentView:
    """Return a view of points that move within 10 cm, seen from 0.7 m."""
    g = torch.Generator().manual_seed(sum(map(ord, clip + cluster)) * 7 + number)
    latent = (config.mjd.in_channels, *config.latent_grid(config.frames, config.height, config.width))
    size = config.height, config.width
    drift = 0.01 * torch.randn(config.frames, 1, 3, generator=g).cumsum(0)
    world = 0.1 * (torch.rand(1, points, 3, generator=g) - 0.5) + drift
    angle = torch.tensor((CLUSTERS.index(cluster) - 1) * 0.5 + 0.05 * number)
    R = torch.eye(3)
    R[0, 0], R[0, 2], R[2, 0], R[2, 2] = angle.cos(), -angle.sin(), angle.sin(), angle.cos()
    K = torch.tensor([[config.width, 0, config.width / 2], [0, config.width, config.height / 2], [0, 0, 1.0]])
    t = torch.tensor([0.0, 0.0, 0.7])
    seen = to_camera(world, R, t)
    pixels, depth = project(seen, K), seen[..., 2]
    s = torch.stack([depth.min(), depth.max()])
    z_video, z_motion = (torch.randn(latent, generator=g) for _ in range(2))
    if config.mjd.in_channels == CODER.channels:
        z_motion = CODER.encode(render(pixels, depth, pixels[0], s, size))
    return LatentView(
        clip=clip, view=f"{cluster}{number}", cluster=cluster, prompt=PROMPT,
        z_video=z_video, z_motion=z_motion, s=s, anchors=pixels[0], world=world,
        visible=torch.ones(config.frames, points, dtype=torch.bool), part=torch.zeros(points, dtype=torch.uint8),
        K=K, R=R, t=t,
    )  # fmt: skip


class NoAutoencoder:
    """A placeholder in trainings of both models separately, which need no autoencoder."""


SINGLE_PROCESS = Processes(0, 1, torch.device("cpu"))


def run(folder: Path, config: TrainingConfig, cache: LatentCache, engine="ddp", until=None, progress=None):
    """Train a tiny model in this process and return how it ended."""
    job = build_job(folder, config, cache, engine, SINGLE_PROCESS, until)
    return train(job, open_tiny(engine, config), SINGLE_PROCESS, progress or (lambda *_: None))


def build_job(
    folder: Path, config: TrainingConfig, cache: LatentCache, engine, group: Processes, until=None
) -> TrainingJob:
    """Return the inputs of the training loop for a tiny model; the main process records its settings."""
    run_folder, model = RunFolder(folder), model_of(config)
    if group.is_main:
        run_folder.ensure_settings(settings_of(config, cache, engine))
    data = [TrainingData(cache, model, seed=config.seed, fraction=stage.data_fraction) for stage in config.stages]
    autoencoder = CODER if model is LOOP else NoAutoencoder()
    return TrainingJob(
        run_folder, model, config, data, Autoencoders(autoencoder, autoencoder), until or config.iterations
    )


def settings_of(config: TrainingConfig, cache: LatentCache, engine="ddp") -> RunSettings:
    """Return the settings of a run of a tiny model."""
    caches = {"64x96": cache.settings.id}
    return RunSettings(model=model_of(config), training=config, engine=engine, caches=caches, start="random")


def open_tiny(engine, config: TrainingConfig, group: Processes = SINGLE_PROCESS):
    """Return an engine on a tiny model of fixed random weights."""
    torch.manual_seed(0)
    return open_engine(engine, SyncMV4D(model_of(config)), config, group)


def read_curve(folder: Path):
    """Read the loss curve without the durations."""
    return [entry.model_dump(exclude={"seconds"}) for entry in read_losses(folder / "losses.jsonl")]
