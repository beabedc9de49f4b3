"""The parts of the reference model and steps of its sampler, compared with lower bounds from counted operations at an assumed 790 TFLOP/s.

Weights are random: MJD's in bf16 on CUDA, DPA's and the autoencoder's in float32, as in ``load_model``.  ``wan22_5b`` needs a GPU.
``extra_info`` of each benchmark has the operations in TFLOP, the lower bound in seconds, the median as a multiple of it, and CUDA's peak memory.
"""

from typing import NamedTuple

import pytest
import torch
from tiny_loop import TARGET, looking_at

from reference_model.config import FlowConfig, SyncMV4DConfig, preset
from reference_model.cost.flops import Flops, count_flops, count_steps, sparse_convolution_flops
from reference_model.cost.meta_model import build_mjd, build_vae, empty_latents
from reference_model.cycle.batch import Batch, sample_noise
from reference_model.cycle.sampler import Conditions, sample
from reference_model.cycle.scene_frame import Cameras, build_scene_frame
from reference_model.cycle.track_codec import Autoencoders, TrackCodec
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.loading.autoencoder import WanAutoencoder
from reference_model.loading.weights import parameter_dtypes
from reference_model.mjd.model import MultiViewJointDiffusion
from reference_model.model import SyncMV4D

TFLOPS = 790.0
MEMORY = 60 << 30
"""Free GPU memory in bytes that wan22_5b needs."""

STEPS = 2


class Case(NamedTuple):
    """A preset's models on one device, and their inputs."""

    config: SyncMV4DConfig
    flops: Flops
    mjd: MultiViewJointDiffusion
    dpa: DiffusionPointsAligner
    track_codec: TrackCodec
    conditions: Conditions
    device: str


@pytest.fixture(scope="module", params=["nano", "wan22_5b"])
def case(request):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if request.param == "wan22_5b" and device == "cpu":
        pytest.skip("wan22_5b needs a CUDA device, and torch finds none")
    if request.param == "wan22_5b" and torch.cuda.mem_get_info()[0] < MEMORY:
        pytest.skip(f"wan22_5b needs {MEMORY >> 30} GB of free memory on the GPU")
    torch.manual_seed(0)
    config = preset(request.param)
    mjd = build_mjd(config)
    fill_with_random_weights(
        mjd, device, parameter_dtypes(mjd, torch.bfloat16, mjd._keep_in_fp32_modules) if device == "cuda" else {}
    )
    dpa = DiffusionPointsAligner(config.dpa).to(device)
    vae = build_vae(config)
    fill_with_random_weights(vae, device, {})
    channels = config.mjd.in_channels
    vae.register_to_config(latents_mean=[0.0] * channels, latents_std=[1.0] * channels)
    for model in (mjd, dpa, vae):
        model.eval().requires_grad_(False)
    track_codec, conditions = scene(config, WanAutoencoder(vae), device)
    return Case(config, count_flops(config), mjd, dpa, track_codec, conditions, device)


def fill_with_random_weights(model, device, dtypes):
    """Give a model on the meta device random weights."""
    weights = {
        name: (torch.randn(each.shape, device=device) * 0.02).to(dtypes.get(name, torch.float32))
        for name, each in model.named_parameters()
    }
    model.load_state_dict(weights, assign=True)


def scene(config, autoencoder, device):
    """Build three cameras around a point, random anchors in their images, and embeddings of two prompts."""
    views, points, size = config.mjd.views, config.pseudo_video.points, (config.height, config.width)
    cameras = looking_at(TARGET, *torch.linspace(-40, 40, views).tolist(), size=size)
    K = cameras.K.clone()
    K[..., 0, 0] = K[..., 1, 1] = 0.9 * size[1]
    cameras = Cameras(K.to(device), cameras.R.to(device), cameras.t.to(device), size)
    anchors = torch.rand(1, views, points, 2, device=device) * torch.tensor([size[1] - 1, size[0] - 1], device=device)
    point_mask = torch.ones(1, views, points, dtype=torch.bool, device=device)
    z = torch.randn(empty_latents(config).shape, device=device)
    text = torch.randn(2, config.text_tokens, config.mjd.text_dim, device=device).split(1)
    scene_frame = build_scene_frame(cameras, config.cycle.unit, config.cycle.prior_depth)
    track_codec = TrackCodec(autoencoder, cameras, scene_frame, anchors, point_mask, config.pseudo_video)
    return track_codec, Conditions(z[:, :, :, :1], *text, cameras.normalize(anchors), None, (config.frames, z.shape[3]))


def measure(benchmark, case, run, operations):
    """Time ``run``, and record its lower bound."""

    def run_to_end():
        with torch.no_grad():
            out = run()
        if case.device == "cuda":
            torch.cuda.synchronize()
        return out

    if case.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    out = benchmark.pedantic(run_to_end, rounds=3, warmup_rounds=1)
    bound = operations / TFLOPS / 1e12
    info = {"device": case.device, "tflop": operations / 1e12, "bound_s": bound}
    if case.device == "cuda":
        info |= {"device": torch.cuda.get_device_name(), "peak_gb": torch.cuda.max_memory_allocated() / 1e9}
    if benchmark.stats is not None:  # None if benchmarks run once, as tests
        info["median_over_bound"] = benchmark.stats.stats.median / bound
    benchmark.extra_info.update(info)
    return out


def latents(case):
    return torch.randn(empty_latents(case.config).shape, device=case.device)


@pytest.mark.benchmark(group="reference model: forward of MJD")
def test_mjd(benchmark, case):
    z, t = latents(case), torch.full((1,), 0.5, device=case.device)
    out = measure(
        benchmark, case, lambda: case.mjd(z, z, case.conditions.z_image, case.conditions.text, t, z), case.flops.forward
    )
    assert out.video.shape == z.shape and out.video.isfinite().all()


@pytest.mark.benchmark(group="reference model: forward of DPA on noise")
def test_dpa(benchmark, case):
    """The lower bound uses the number of neighbours of the voxels of this noise."""
    config, neighbours = case.config, []
    M = torch.randn(1, config.dpa.views, config.frames, config.pseudo_video.points, 3, device=case.device)
    t, found = torch.ones(1, device=case.device), torch.rand(M.shape[:-1], device=case.device) < 0.5
    hook = case.dpa.blocks[0].conv.register_forward_pre_hook(
        lambda conv, given: neighbours.append(int((given[1].neighbours >= 0).sum()))
    )
    with torch.no_grad():
        case.dpa(M, M, found, case.conditions.anchors, t)
    hook.remove()
    rest = case.flops.align - case.flops.sparse_convolution
    operations = rest + sparse_convolution_flops(config, neighbours[0])
    v = measure(benchmark, case, lambda: case.dpa(M, M, found, case.conditions.anchors, t), operations)
    assert v.shape == M.shape


@pytest.mark.benchmark(group="reference model: encode a view")
def test_encode(benchmark, case):
    config = case.config
    video = torch.rand(config.frames, config.height, config.width, 3, device=case.device)
    z = measure(benchmark, case, lambda: case.track_codec.autoencoder.encode(video), case.flops.encode)
    assert z.shape == latents(case).shape[2:]


@pytest.mark.benchmark(group="reference model: decode a view")
def test_decode(benchmark, case):
    config, z = case.config, latents(case)[0, 0]
    video = measure(benchmark, case, lambda: case.track_codec.autoencoder.decode(z), case.flops.decode)
    assert video.shape == (config.frames, config.height, config.width, 3)


@pytest.mark.benchmark(group=f"reference model: {STEPS} sampler's steps in the loop, without the last encoding")
def test_steps(benchmark, case):
    config, generator = case.config, torch.Generator().manual_seed(0)
    flow = FlowConfig(steps=STEPS)
    encode = config.mjd.views * case.flops.encode
    operations = STEPS * count_steps(config, case.flops).sampling - encode
    sampled = measure(
        benchmark,
        case,
        lambda: sample(case.mjd, case.dpa, case.conditions, case.track_codec, flow, config.cycle, generator),
        operations,
    )
    assert sampled.M.isfinite().all()


@pytest.mark.benchmark(group="reference model: a training step of the loop without guidance, forward and backward")
def test_training_step(benchmark, case):
    """Algorithm 1 with gradient checkpointing, without the optimizer, whose states are sharded in training."""
    config = case.config
    model = SyncMV4D(config, case.mjd, case.dpa).train().requires_grad_(True)
    for network in (case.mjd, case.dpa):
        network.enable_gradient_checkpointing()
    scene_frame, z, views = case.track_codec.scene_frame, latents(case), config.mjd.views
    M = torch.randn(1, views, config.frames, config.pseudo_video.points, 3, device=case.device)
    s = torch.tensor([0.5, 1.5], device=case.device).expand(1, views, 2)
    track_codec = case.track_codec
    batch = Batch(
        z,
        z,
        s,
        case.conditions.text,
        scene_frame.to_world(M),
        track_codec.anchors,
        track_codec.point_mask,
        track_codec.cameras,
    )
    noise = sample_noise(batch, config, *2 * [torch.Generator().manual_seed(0)])._replace(guided=False).to(case.device)

    def step():
        model.zero_grad(set_to_none=True)
        with torch.enable_grad():
            losses = model(batch, noise, Autoencoders(track_codec.autoencoder, track_codec.autoencoder))
            loss = torch.stack(losses[:5]).sum()
            loss.backward()
        return loss.detach()

    try:
        assert measure(benchmark, case, step, count_steps(config, case.flops).joint).isfinite()
    finally:
        model.zero_grad(set_to_none=True)
        model.eval().requires_grad_(False)
