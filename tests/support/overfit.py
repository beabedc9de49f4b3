"""A nano model overfitted to one synthetic clip; the slow tests share it (fixture ``overfitted``).

The autoencoder is random, so its decoded videos have no coarse tracks: the points aligner is trained and sampled without any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from reference_model.cache import LatentCache
from reference_model.config import FlowConfig, preset
from reference_model.cycle.batch import Batch, Noise, sample_noise
from reference_model.cycle.losses import Losses
from reference_model.cycle.sampler import Conditions, sample
from reference_model.cycle.scene_frame import Cameras
from reference_model.cycle.track_codec import Autoencoders
from reference_model.loading.saved_model import save_model
from reference_model.loading.transformer import load_mjd
from reference_model.model import SyncMV4D
from reference_model.prepare import main as prepare
from reference_model.training.config import TrainingConfig, TrainingStage
from reference_model.training.data import TrainingData
from reference_model.training.distributed import Processes
from reference_model.training.engine import open_engine
from reference_model.training.rng import seeded_generator
from reference_model.training.step import weighted_sum

NANO = preset("nano")
TIMES = (0.3, 0.5, 0.7, 0.9)
POINTS = 8
"""Points per view; the aligner's cost is proportional to them."""

JOINT_ITERATIONS, ALIGNER_ITERATIONS = 110, 600
"""Iterations of both models in their loop, and then of the aligner alone.  The latents' noise is fixed; the tracks' noise is new in each iteration,
since a sampler starts from any."""

_RESULT = "overfit.pt"
_SIZE = NANO.height, NANO.width


@dataclass(frozen=True)
class Overfit:
    """The results of the overfitting.

    Attributes:
        folder: the trained model's.
        before, after: losses at the fixed noise and times.
        truth, sampled: (V, N, K, 3) tracks of the clip, and tracks sampled by the closed loop; metres.
    """

    folder: Path
    before: Losses
    after: Losses
    truth: Tensor
    sampled: Tensor


def read_overfit(folder: Path) -> Overfit:
    """Read the results of ``overfit``."""
    before, after, truth, sampled = torch.load(folder / _RESULT)
    return Overfit(folder / "model", Losses(*before), Losses(*after), truth, sampled)


def overfit(folder: Path, wan: Path, root: Path) -> None:
    """Prepare a clip, train on it, sample it, and write the model and the results to ``folder``.

    Args:
        folder: an existing folder.
        wan: the checkpoint to start from.
        root: of the synthetic data set, which has the clip.
    """
    with TemporaryDirectory() as temporary:
        one = _one_clip(Path(temporary) / "cache", wan, root)
    two, four = repeated(one, 2), repeated(one, len(TIMES))
    fixed = _noise(four, "fixed")._replace(t=torch.tensor(TIMES))
    torch.manual_seed(0)
    model = SyncMV4D(NANO, load_mjd(wan, NANO))

    def losses() -> Losses:
        with torch.no_grad():
            found: Losses = model(four, fixed, _AUTOENCODERS, "joint")
        return found

    threads = torch.get_num_threads()
    # Its operations are small: on a busy machine two threads that wait for each other take up to seven times as long.
    torch.set_num_threads(1)
    before = losses()
    joint = TrainingStage("both", "joint", JOINT_ITERATIONS, _SIZE)
    _train(model, four, joint, 5e-3, lambda i: fixed._replace(points=_noise(four, "joint", i).points))
    aligner = TrainingStage("points aligner", "warmup", ALIGNER_ITERATIONS, _SIZE, networks="dpa")
    _train(model, two, aligner, 4e-3, lambda i: _noise(two, "fresh", i))
    after = losses()
    torch.set_num_threads(threads)
    save_model(folder / "model", model, wan)

    track_codec = model.build_track_codec(one, _AUTOENCODERS.motion)
    frames = NANO.frames, one.z_video.shape[3]
    given = Conditions(one.z_video[:, :, :, :1], one.text, None, one.normalized_anchors, None, frames)
    sampled = sample(
        model.mjd, model.dpa, given, track_codec, FlowConfig(steps=8), NANO.cycle, seeded_generator("sample")
    )
    torch.save(
        (tuple(before), tuple(after), one.world[0], track_codec.scene_frame.to_world(sampled.M)[0]), folder / _RESULT
    )


class _BlankAutoencoder:
    """An autoencoder whose videos contain no points, and which gives no guidance."""

    def encode(self, video: Tensor) -> Tensor:
        n, h, w = NANO.latent_grid(*video.shape[:3])
        return video.new_zeros(NANO.mjd.in_channels, n, h, w)

    def decode(self, z: Tensor) -> Tensor:
        return z.new_zeros(NANO.frames, *_SIZE, 3)


_AUTOENCODERS = Autoencoders(_BlankAutoencoder(), _BlankAutoencoder())


def _train(model: SyncMV4D, batch: Batch, stage: TrainingStage, rate: float, noise_at: Callable[[int], Noise]) -> None:
    """Train a model with the data-parallel engine."""
    config = TrainingConfig(
        (stage,), learning_rate=rate, dpa_learning_rate=rate,
        lr_warmup_iterations=20, lr_schedule="cosine", betas=(0.9, 0.99), weight_decay=0.0, precision="fp32", gradient_checkpointing=False,
    )  # fmt: skip
    engine = open_engine("ddp", model, config, Processes(0, 1, torch.device("cpu")))
    for iteration in range(stage.iterations):
        losses = engine.losses(batch, noise_at(iteration), _AUTOENCODERS, stage)
        engine.step(weighted_sum(losses, config.loss_weights), config.lr_factor(iteration))


def repeated(batch: Batch, count: int) -> Batch:
    """Repeat a batch of one sample."""

    def many(x: Tensor) -> Tensor:
        return x.expand(count, *x.shape[1:])

    K, R, t, size = batch.cameras
    return batch._replace(
        **{name: many(x) for name, x in batch._asdict().items() if isinstance(x, Tensor)},
        cameras=Cameras(many(K), many(R), many(t), size),
    )


def _noise(batch: Batch, *key: int | str) -> Noise:
    """Return random numbers without coarse tracks, and with later times more often."""
    g = seeded_generator(*key)
    noise = sample_noise(batch, NANO, g, g)
    return noise._replace(drop_uniform=torch.zeros_like(noise.drop_uniform), t=1 - (1 - noise.t) ** 2, guided=False)


def _one_clip(folder: Path, wan: Path, root: Path) -> Batch:
    """Return a synthetic clip as the cache stores it, with its prompt and ``POINTS`` points of each view."""
    words = ["--preset", "nano", "--wan", str(wan), "--dataset", "synthetic", "--root", str(root), "--limit", "1"]
    assert prepare([*words, "--out", str(folder), "--device", "cpu"]) == 0
    with_prompt = replace(NANO, cycle=replace(NANO.cycle, text_dropout=0.0))
    batch = TrainingData(LatentCache(folder), with_prompt, seed=0).load_batch(0, 1, 0, 1).batch
    counts = batch.point_mask[0].sum(-1).tolist()
    at = torch.stack([torch.arange(POINTS) * count // POINTS for count in counts])[None]  # evenly over all parts
    world = batch.world.take_along_dim(at[:, :, None, :, None], dim=3)
    anchors = batch.anchors.take_along_dim(at[..., None], dim=2)
    return batch._replace(world=world, anchors=anchors, point_mask=torch.ones_like(at, dtype=torch.bool))
