"""The rows of Tables 3 and 4: each differs from its neighbour in what it declares, in its configuration and in what it calls."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from requests_for_models import small_config, small_request, with_view
from tiny_loop import FoldingCoder, tiny_batch, tiny_config, tiny_noise

from hoibench.methods.check import check_prediction
from reference_model.ablations.rows import BASES, ROWS, SIZES, all_changes, all_settings
from reference_model.config import ABLATIONS, CycleConfig, preset, with_changes
from reference_model.cycle.scene_frame import Cameras
from reference_model.cycle.track_codec import Autoencoders, TrackCodec
from reference_model.generation.generate import generate
from reference_model.loading.saved_model import LoadedModel
from reference_model.method import read_spec
from reference_model.model import SyncMV4D

CODER = FoldingCoder()
AUTOENCODERS = Autoencoders(CODER, CODER)
BATCH = tiny_batch(CODER)
TRAINED = [name for name, row in ROWS.items() if not row.weights]
WITH_ALIGNER = ["full", "cycle_detached", "no_cycle", "single_view"]
SAMPLED_STEPS = 2

GUIDED = ["mjd", "decode_tracks", "dpa", "encode_guidance"]
JOINT = {
    "full": [*GUIDED, "mjd", "decode_tracks", "dpa"],
    "cycle_detached": [*GUIDED, "mjd", "decode_tracks", "dpa"],
    "no_cycle": ["mjd", "decode_tracks", "dpa"],
    "no_aligner": ["mjd"],
    "tracking_video": ["encode_guidance", "mjd"],  # the motion to learn is drawn from the true tracks
    "video_only": ["mjd"],
    "single_view": [*GUIDED, "mjd", "decode_tracks", "dpa"],
}
"""Calls of one iteration in the loop."""
SAMPLING = {
    "full": [*GUIDED, "mjd", "decode_tracks", "dpa"],
    "cycle_detached": [*GUIDED, "mjd", "decode_tracks", "dpa"],
    "no_cycle": ["mjd", "decode_tracks", "dpa"] * SAMPLED_STEPS,
    "no_aligner": [*["mjd"] * SAMPLED_STEPS, "decode_tracks"],
    "tracking_video": ["mjd"] * SAMPLED_STEPS,
    "video_only": ["mjd"] * SAMPLED_STEPS,
    "single_view": [*GUIDED, "mjd", "decode_tracks", "dpa"] * 3,
}
"""Calls of a sample in two steps."""


def flatten(config, prefix=""):
    for name, value in dataclasses.asdict(config).items() if not prefix else config.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def tiny_row(name):
    cycle = CycleConfig(guidance_share=1.0, first_guidance="anchors")
    return with_changes(tiny_config(CODER.channels, cycle=cycle), all_changes(name))


def build(config):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SyncMV4D(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
    return model


@pytest.fixture
def calls(monkeypatch):
    """The calls of networks and of the track codec, in order: their names and arguments."""
    journal = []

    def record(name, owner, method):
        plain = getattr(owner, method)

        def recorded(self, *arguments, **named):
            journal.append((name, arguments))
            return plain(self, *arguments, **named)

        monkeypatch.setattr(owner, method, recorded)

    model = SyncMV4D(tiny_row("full"))
    record("mjd", type(model.mjd), "forward")
    record("dpa", type(model.dpa), "forward")
    for name in ("decode_tracks", "encode_guidance"):
        record(name, TrackCodec, name)
    return journal


def one_view(batch):
    """The batch with each view as a sample of its own."""
    cameras = Cameras(*(each.flatten(0, 1)[:, None] for each in batch.cameras[:3]), batch.cameras.size)
    flat = {
        name: each.flatten(0, 1)[:, None]
        for name, each in batch._asdict().items()
        if name not in ("text", "cameras", "baseline")
    }
    return batch._replace(**flat, text=batch.text.repeat_interleave(3, dim=0), cameras=cameras)


def train_step(name, objective):
    config = tiny_row(name)
    batch = one_view(BATCH) if config.mjd.views == 1 else BATCH
    noise = tiny_noise(batch, config, guided=bool(config.cycle.guidance_probability))
    model = build(config)
    return model, model(batch, noise, AUTOENCODERS, objective)


def loaded_row(name):
    config = with_changes(small_config(), {"mjd.in_channels": CODER.channels, "flow.steps": SAMPLED_STEPS,
                                           "flow.text_guidance_scale": 1.0, **all_changes(name)})  # fmt: skip
    encoder = SimpleNamespace(embed=lambda prompts, tokens: torch.zeros(len(prompts), tokens, config.mjd.text_dim))
    return LoadedModel(config, build(config).eval(), AUTOENCODERS, encoder, "0123456789ab")


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", ROWS)
def test_the_configuration_differs_from_the_neighbours_in_the_declared_fields(base, name):
    row = ROWS[name]
    own = dict(flatten(preset(f"{base}-{name}")))
    resized = with_changes(preset(base), SIZES.get(base, {}))
    neighbour = dict(flatten(preset(f"{base}-{row.neighbour}") if row.neighbour else resized))
    different = {field: value for field, value in own.items() if value != neighbour[field]}
    declared = {field: value for field, value in row.changes.items() if value != neighbour[field]}
    assert different == declared
    assert declared or row.settings or not row.neighbour, "only the full model may equal what it is compared with"
    assert preset(f"{base}-{name}").gives_tracks == row.gives_tracks


def test_every_preset_of_the_rows_is_made_from_its_table():
    assert set(ABLATIONS) == {f"{base}-{name}" for base in BASES for name in (*ROWS, "start")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mjd.motion": False}, "aligner is true, but there are no tracks"),
        ({"pseudo_video.first_depth": True}, "aligner is true, but there are no tracks"),
        ({"aligner": False}, "cycle.guidance is true, but aligner is false"),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        with_changes(preset("nano"), changes)


@pytest.mark.parametrize("name", TRAINED)
def test_an_iteration_in_the_loop_calls_what_the_row_has(name, calls):
    _, losses = train_step(name, "joint")
    assert [each for each, _ in calls] == JOINT[name]
    of_motion = (losses.motion, losses.depth_range)
    assert (sum(of_motion) > 0) == (name != "video_only")
    assert (losses.points + losses.chamfer > 0) == (name in WITH_ALIGNER)
    inputs = next(arguments for each, arguments in calls if each == "mjd")
    assert (inputs[1] is None) == (name == "video_only")
    assert inputs[0].shape[:2] == ((6, 1) if name == "single_view" else (2, 3))


@pytest.mark.parametrize("name", TRAINED)
def test_the_warm_up_calls_each_network_once(name, calls):
    train_step(name, "warmup")
    networks = [each for each, _ in calls if each in ("mjd", "dpa")]
    assert networks == (["mjd", "dpa"] if name in WITH_ALIGNER else ["mjd"])


@pytest.mark.parametrize(("name", "reaches"), [("full", True), ("cycle_detached", False), ("no_cycle", False)])
def test_the_aligners_loss_reaches_the_diffusion_model_only_in_the_full_cycle(name, reaches):
    model, losses = train_step(name, "joint")
    (losses.points + losses.chamfer).backward()
    gradients = [each.grad for each in model.mjd.parameters() if each.grad is not None]
    assert any(each.any() for each in gradients) == reaches
    assert any(each.grad is not None and each.grad.any() for each in model.dpa.parameters())


@pytest.mark.parametrize("name", TRAINED)
def test_sampling_calls_what_the_row_has(name, calls):
    request = small_request()
    prediction, z_motion = generate(loaded_row(name), request)
    check_prediction(prediction, request)
    assert [each for each, _ in calls] == SAMPLING[name]
    assert (prediction.tracks is not None) == ROWS[name].gives_tracks
    assert (z_motion is None) == (name == "video_only")
    assert ("found_share" in prediction.provenance) == (name == "no_aligner")


def test_without_aligner_gaps_are_filled_unless_asked_otherwise():
    loaded, request = loaded_row("no_aligner"), small_request()
    filled, unfilled = (generate(loaded, request, loop).prediction for loop in ("on", "mjd_tracks"))
    assert filled.provenance == unfilled.provenance
    assert (filled.video == unfilled.video).all()
    assert unfilled.valid.mean() == pytest.approx(filled.provenance["found_share"], abs=1e-6)
    assert (filled.tracks[unfilled.valid] == unfilled.tracks[unfilled.valid]).all()
    assert (filled.valid == unfilled.valid.any(axis=1, keepdims=True)).all()


def test_one_view_at_a_time_sees_no_other_view_and_has_noise_of_its_own():
    loaded, request = loaded_row("single_view"), small_request()
    plain = generate(loaded, request).prediction
    image = 255 - request.views[0].image
    changed = generate(loaded, with_view(request, 0, image=image)).prediction
    assert (plain.video[1:] == changed.video[1:]).all() and (plain.video[0] != changed.video[0]).any()
    views = tuple(dataclasses.replace(request.views[0], id=view.id) for view in request.views)
    equal = dataclasses.replace(request, views=views, anchors=request.anchors[[0, 0, 0]])
    videos = generate(loaded, equal).prediction.video
    assert (videos[0] == plain.video[0]).all()
    assert (videos[0] != videos[1]).any() and (videos[1] != videos[2]).any()


def test_the_tracking_video_keeps_the_depth_of_frame_0():
    config = with_changes(tiny_config(CODER.channels), {})
    codec = SyncMV4D(config).build_track_codec(BATCH, CODER)
    M = codec.scene_frame.from_world(BATCH.world)
    still = dataclasses.replace(codec, style=dataclasses.replace(codec.style, first_depth=True))
    videos, kept = (
        torch.stack([CODER.decode(z) for z in each.encode_guidance(M).flatten(0, 1)]) for each in (codec, still)
    )
    assert torch.equal(videos[..., :2], kept[..., :2])
    assert torch.equal(videos[:, 0], kept[:, 0]) and not torch.equal(videos, kept)
    for video in kept:
        at = {tuple(colour) for colour in video[0].flatten(0, 1).tolist()}
        assert {tuple(colour) for colour in video.flatten(0, 2).tolist()} <= at


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", ROWS)
def test_the_methods_preset_has_the_settings_and_outputs_of_the_row(base, name):
    spec = read_spec()
    found = spec.presets[f"{base}-{name}"]
    assert found.settings.get("loop") == all_settings(name).get("loop")
    assert ("tracks" in (found.outputs or spec.outputs)) == ROWS[name].gives_tracks
    assert (found.view_type == "sv") == (all_changes(name).get("mjd.views") == 1)
