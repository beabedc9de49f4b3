"""From a request to its prediction, with models whose velocities lead straight to a known truth."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from requests_for_models import ANGLES, SIZE, K, N, camera, small_config, small_request
from tiny_loop import FoldingCoder

from hoibench.clip import MAX_COORDINATE
from hoibench.geometry import project, render, to_camera, unproject
from hoibench.methods.check import check_prediction
from reference_model.config import CycleConfig, FlowConfig
from reference_model.cycle.scene_frame import build_scene_frame
from reference_model.cycle.track_codec import Autoencoders
from reference_model.generation.generate import generate
from reference_model.generation.inputs import request_to_inputs
from reference_model.loading.saved_model import LoadedModel
from reference_model.mjd.model import MJDOutput

CLUSTERS = list(ANGLES)
CONFIG = small_config()


def scene_frame_of(inputs):
    return build_scene_frame(inputs.cameras, CONFIG.cycle.unit, CONFIG.cycle.prior_depth)


class Known:
    """Videos, pseudo-videos, tracks and s of the three clusters, from left to right."""

    def __init__(self):
        request = small_request()
        autoencoder = FoldingCoder()
        given = request_to_inputs(request, "cpu")
        g = torch.Generator().manual_seed(0)
        self.videos = torch.randint(0, 256, (3, N, *SIZE, 3), generator=g) / 255
        self.videos[:, 0] = given.images
        self.world = np.stack([self._moving(request, v) for v in range(3)])
        self.s = torch.tensor([[0.5, 1.0], [0.6, 1.1], [0.7, 1.2]])
        self.motion = torch.stack([torch.from_numpy(self._drawn(request, v)).float() for v in range(3)])
        self.z_video, self.z_motion = (
            torch.stack([autoencoder.encode(each) for each in x])[None] for x in (self.videos, self.motion)
        )
        self.M = scene_frame_of(given).from_world(torch.from_numpy(self.world)[None].float())
        self.text = []
        self.expects_given_anchors = True

    def _moving(self, request, v):
        """Points at an anchor each in frame 0, moving straight on."""
        rng = np.random.default_rng(v)
        c = request.views[v].camera
        start = unproject(request.anchors[v].astype(float), rng.uniform(0.75, 0.95, K), c.K)
        world = (start - c.t) @ c.R
        return world + np.linspace(0, 1, N)[:, None, None] * rng.uniform(-0.05, 0.05, 3)

    def _drawn(self, request, v):
        c = request.views[v].camera
        seen = to_camera(self.world[v], c.R, c.t)
        return render(project(seen, c.K), seen[..., 2], request.anchors[v].astype(float), self.s[v].numpy(), SIZE)

    def loaded(self, **config):
        """The truth as a model."""

        class MJD:
            device = torch.device("cpu")
            settings = CONFIG.mjd
            calls = 0

            def __call__(_, z_video, z_motion, z_image, text, t, guidance=None, intrinsics=None, baseline=None):
                MJD.calls += 1
                self.guidance = guidance
                assert torch.equal(z_image, self.z_video[:, :, :, :1]), "the images' latents, from left to right"
                at = t.view(-1, 1, 1, 1, 1, 1)
                return MJDOutput((z_video - self.z_video) / at, (z_motion - self.z_motion) / at, self.s[None])

        places = np.stack([(each + 0.5) / (SIZE[1], SIZE[0]) for each in small_request().anchors])

        def dpa(M, coarse, found, anchors, t, point_mask):
            if self.expects_given_anchors:
                near = np.isclose(anchors[0], places, atol=1e-6).all(-1)
                assert (near | ~point_mask[0].numpy()).all(), "as shares of the image, from left to right"
            return (M - self.truth) / t.view(-1, 1, 1, 1, 1)

        self.truth = self.M

        def embed(prompts, tokens):
            self.text.append((list(prompts), tokens))
            return torch.zeros(len(prompts), tokens, 32)

        model = SimpleNamespace(mjd=MJD(), dpa=dpa)
        return LoadedModel(
            dataclasses.replace(CONFIG, **config),
            model,
            Autoencoders(FoldingCoder(), FoldingCoder()),
            SimpleNamespace(embed=embed),
            "0123456789ab",
        )


@pytest.fixture(scope="module")
def known():
    return Known()


@pytest.mark.parametrize("clusters", [("left", "center", "right"), ("right", "left", "center")])
def test_tracks_are_in_each_views_camera_and_outputs_in_the_requests_order(known, clusters):
    request = small_request(clusters)
    prediction, z_motion = generate(known.loaded(), request)
    check_prediction(prediction, request)
    places = [CLUSTERS.index(cluster) for cluster in clusters]
    for v, place in enumerate(places):
        c = camera(ANGLES[clusters[v]])
        np.testing.assert_allclose(prediction.tracks[v], to_camera(known.world[place], c.R, c.t), atol=2e-6)
        np.testing.assert_allclose(project(prediction.tracks[v, 0].astype(float), c.K), request.anchors[v], atol=1e-3)
        np.testing.assert_array_equal(prediction.video[v], (known.videos[place] * 255).round().to(torch.uint8))
    np.testing.assert_array_equal(prediction.anchors, request.anchors)
    np.testing.assert_allclose(prediction.provenance["s"], known.s[places])
    torch.testing.assert_close(z_motion, known.z_motion[0, places])
    assert prediction.valid.all() and prediction.scale == "metric"
    assert prediction.tracks.dtype == prediction.anchors.dtype == np.float32


def test_points_too_far_or_behind_the_camera_are_not_valid(known):
    loaded = known.loaded(cycle=CycleConfig(guidance=False))
    request = small_request()
    scene_frame = scene_frame_of(request_to_inputs(request, "cpu"))
    behind = torch.from_numpy(np.array([0.0, 0.0, -2.0]) @ request.views[2].camera.R).float()
    M = known.M.clone()
    M[0, 1, :, 4] = MAX_COORDINATE * 10
    M[0, 2, 4, 6] = scene_frame.from_world(behind[None, None])[0, 0]
    known.truth = M
    prediction, _ = generate(loaded, request)
    expected = np.ones((3, N, K), bool)
    expected[1, :, 4] = expected[2, 4, 6] = False
    np.testing.assert_array_equal(prediction.valid, expected)
    assert np.isfinite(prediction.tracks).all()


def test_without_the_loop_there_is_no_guidance_and_tracks_may_be_those_of_the_motion(known, monkeypatch):
    loaded, request = known.loaded(), small_request()
    z_motion = known.z_motion.clone()
    z_motion[0, 1] = FoldingCoder().encode(torch.zeros(N, *SIZE, 3))
    monkeypatch.setattr(known, "z_motion", z_motion)
    known.truth = known.M + 1.0
    tracks, guided = {}, {}
    for loop in ("on", "no_guidance", "mjd_tracks"):
        prediction, _ = generate(loaded, request, loop)
        tracks[loop], guided[loop] = prediction.tracks, bool(known.guidance.any())
    assert guided == {"on": True, "no_guidance": False, "mjd_tracks": False}
    np.testing.assert_array_equal(tracks["on"], tracks["no_guidance"])
    valid = prediction.valid
    assert valid[[0, 2]].all() and not valid[1].any(), "its motion shows no point"
    for v in (0, 2):
        c = request.views[v].camera
        expected = to_camera(known.world[v], c.R, c.t)
        error = np.linalg.norm(tracks["mjd_tracks"][v] - expected, axis=-1)
        assert np.median(error) < 0.01, "metres; the aligner's are 0.35 off"


def test_tracks_of_missing_anchors_are_not_valid(known):
    anchors = small_request().anchors.copy()
    anchors[1, 0] = np.nan
    prediction, _ = generate(known.loaded(), small_request(anchors=anchors))
    expected = np.ones((3, N, K), bool)
    expected[1, :, 0] = False
    np.testing.assert_array_equal(prediction.valid, expected)
    assert np.isfinite(prediction.anchors).all()


def test_without_anchors_points_of_the_sampled_motion_are_tracked(known, monkeypatch):
    loaded = known.loaded()
    before = type(loaded.model.mjd).calls
    monkeypatch.setattr(known, "truth", known.M[:, :, :, :1].expand(-1, -1, -1, K, -1))
    monkeypatch.setattr(known, "expects_given_anchors", False)
    prediction, _ = generate(loaded, small_request(anchors=None))
    steps = CONFIG.flow.steps
    assert type(loaded.model.mjd).calls - before == 2 * 2 * steps, "one sample in open loop, one in the closed loop"
    assert prediction.provenance["anchors"] == "model"
    assert prediction.anchors.shape == (3, K, 2)
    for v in range(3):
        drawn = (known.motion[v, 0] > 0).any(-1).numpy()
        u, w = prediction.anchors[v].astype(int).T
        assert drawn[w, u].all() and len(set(zip(u, w, strict=True))) == K
    assert prediction.valid.all()


def test_the_prompt_and_the_empty_one(known):
    known.text.clear()
    generate(known.loaded(), small_request())
    generate(known.loaded(), small_request(prompt=None))
    L = CONFIG.text_tokens
    assert known.text == [(["brush the plate", ""], L), (["", ""], L)]


def test_without_guidance_the_model_runs_once_per_step(known):
    loaded = known.loaded(flow=FlowConfig(steps=3, text_guidance_scale=1.0))
    before = type(loaded.model.mjd).calls
    generate(loaded, small_request())
    assert type(loaded.model.mjd).calls - before == 3
