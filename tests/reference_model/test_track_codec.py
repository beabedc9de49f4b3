"""Between the two models: what is drawn for MJD is read back for DPA, padding and views without points included; and how far gradients pass."""

import dataclasses

import pytest
import torch
from tiny_loop import PADDED, SIZE, B, FoldingCoder, K, N, V, tiny_batch

from hoibench.geometry import project, to_camera
from hoibench.geometry.splatting import fully_visible_points, rasterise
from reference_model.config import PseudoVideoConfig
from reference_model.cycle.scene_frame import Cameras, build_scene_frame
from reference_model.cycle.track_codec import TrackCodec

CODER = FoldingCoder()
BATCH = tiny_batch(CODER)
STYLE = PseudoVideoConfig(points=K, radius=1)


def track_codec_of(batch=BATCH, style=STYLE, autoencoder=CODER):
    return TrackCodec(
        autoencoder, batch.cameras, build_scene_frame(batch.cameras, 0.2, 1.7), batch.anchors, batch.point_mask, style
    )


def in_views(world):
    """Pixels (B, V, N, K, 2) and depths of points (B, V, N, K, 3) in their own views."""
    _, R, t, _ = BATCH.cameras
    seen = to_camera(world.flatten(2, 3), R, t)
    return project(seen, BATCH.cameras.K).unflatten(2, (N, K)), seen[..., 2].unflatten(2, (N, K))


def fully_visible(radius=1):
    """Points with a fully visible square, (B, V, N, K), which must be found."""
    pixels, depth = in_views(BATCH.world)
    visible = BATCH.point_mask[:, :, None].expand_as(depth)
    return torch.stack(
        [
            torch.stack([fully_visible_points(rasterise(p, d, SIZE, visible=m, radius=radius), K, radius=radius)
        for p, d, m in zip(*each, strict=True)])
            for each in zip(pixels, depth, visible, strict=True)
        ]
    )  # fmt: skip


def test_the_batch_is_consistent():
    pixels, depth = in_views(BATCH.world)
    real = BATCH.point_mask
    assert torch.allclose(pixels[:, :, 0][real], BATCH.anchors[real], atol=1e-3)
    assert (depth[BATCH.point_mask[:, :, None].expand_as(depth)] > 0.5).all()
    assert fully_visible()[real[:, :, None].expand(B, V, N, K)].float().mean() > 0.9
    assert (~real).sum() == PADDED[2]
    assert torch.equal(
        CODER.decode(BATCH.z_motion[0, 0]), CODER.decode(CODER.encode(CODER.decode(BATCH.z_motion[0, 0])))
    )


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_tracks_drawn_as_guidance_are_read_back(radius):
    """Lines 8 and 7 of Algorithm 1 together, within the pseudo-video's bounds: half a pixel laterally, 0.1 mm in depth."""
    track_codec = track_codec_of(style=dataclasses.replace(STYLE, radius=radius))
    coarse, found = track_codec.decode_tracks(
        track_codec.encode_guidance(track_codec.scene_frame.from_world(BATCH.world)), BATCH.s
    )
    must = fully_visible(radius)
    assert must.sum() > 0.8 * must.numel() and found[must].all()
    pixels, depth = in_views(track_codec.scene_frame.to_world(coarse))
    true_pixels, true_depth = in_views(BATCH.world)
    assert (pixels - true_pixels)[must].abs().max() <= 0.5 + 1e-3
    assert (depth - true_depth)[must].abs().max() <= 1e-4


def test_colours_are_matched_within_the_configured_distance():
    moved = track_codec_of().encode_guidance(track_codec_of().scene_frame.from_world(BATCH.world)) + 0.02
    _, found = track_codec_of().decode_tracks(moved, BATCH.s)
    assert found[fully_visible()].float().mean() > 0.5
    _, none = track_codec_of(style=dataclasses.replace(STYLE, match_within=1e-3)).decode_tracks(moved, BATCH.s)
    assert none.sum() < 0.1 * found.sum()


def test_points_are_read_with_the_radius_of_rendering():
    """A point has one pixel, so a second pixel of its colour is a stray."""
    track_codec = track_codec_of(style=dataclasses.replace(STYLE, radius=0))
    z = track_codec.encode_guidance(track_codec.scene_frame.from_world(BATCH.world))
    video = CODER.decode(z[0, 0])
    v, u = video[0].any(dim=-1).nonzero()[0].tolist()
    video[0, v, u + 1] = video[0, v, u]
    strayed = z.clone()
    strayed[0, 0] = CODER.encode(video)
    assert torch.equal(track_codec.decode_tracks(strayed, BATCH.s)[0], track_codec.decode_tracks(z, BATCH.s)[0])


def test_guidance_equals_the_pseudo_video_of_training():
    """Lines 2 and 8 are one operator, and the range of line 8 is that of the tracks themselves."""
    track_codec = track_codec_of()
    guidance = track_codec.encode_guidance(track_codec.scene_frame.from_world(BATCH.world))
    assert guidance.shape == BATCH.z_motion.shape
    differ = (guidance - BATCH.z_motion).abs().flatten(0, 1).amax(dim=1) > 1e-3
    assert differ.float().mean() < 0.01  # a pixel or two rounds to the other side on the way through the scene frame


def test_eight_bits_are_256_levels():
    track_codec = track_codec_of(style=dataclasses.replace(STYLE, eight_bit=True))
    levels = CODER.decode(track_codec.encode_guidance(track_codec.scene_frame.from_world(BATCH.world))[0, 0]) * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)


def test_coarse_tracks_scale_with_the_depth_range():
    """Denorm: a range twice as far off puts the same pixels twice as far along their rays."""
    track_codec = track_codec_of()
    near, found = track_codec.decode_tracks(BATCH.z_motion, BATCH.s)
    far, _ = track_codec.decode_tracks(BATCH.z_motion, 2 * BATCH.s)
    (one, depth), (two, double) = (
        in_views(track_codec.scene_frame.to_world(near)),
        in_views(track_codec.scene_frame.to_world(far)),
    )
    assert torch.allclose(two[found], one[found], atol=1e-2) and torch.allclose(double[found], 2 * depth[found], atol=1e-4)  # fmt: skip


def test_each_view_and_sample_is_read_with_its_own_camera_and_anchors():
    coarse, found = track_codec_of().decode_tracks(BATCH.z_motion, BATCH.s)
    for b in range(B):
        own = slice(b, b + 1)
        cameras = Cameras(*(each[own] for each in BATCH.cameras[:3]), SIZE)
        track_codec = track_codec_of(
            BATCH._replace(cameras=cameras, anchors=BATCH.anchors[own], point_mask=BATCH.point_mask[own])
        )
        one, seen = track_codec.decode_tracks(BATCH.z_motion[own], BATCH.s[own])
        assert torch.equal(seen[0], found[b]) and torch.allclose(one[0], coarse[b], atol=1e-5)


def test_padding_is_neither_rendered_nor_found():
    sample, view, count = PADDED
    anchors, world = BATCH.anchors.clone(), BATCH.world.clone()
    anchors[sample, view, -count:] = BATCH.anchors[sample, view, :count] + 0.5  # almost the colours of real points
    world[sample, view, :, -count:] = world[sample, view, :, :count] * 0.999
    track_codec, clean = track_codec_of(BATCH._replace(anchors=anchors)), track_codec_of()
    tracks = track_codec.scene_frame.from_world(world)
    assert torch.equal(
        track_codec.encode_guidance(tracks), clean.encode_guidance(clean.scene_frame.from_world(BATCH.world))
    )
    lossy = BATCH.z_motion * (1 + 0.01 * torch.randn(BATCH.z_motion.shape, generator=torch.Generator().manual_seed(0)))
    coarse, found = track_codec.decode_tracks(lossy, BATCH.s)
    assert not found[sample, view, :, -count:].any() and not coarse[sample, view, :, -count:].any()
    expected = clean.decode_tracks(lossy, BATCH.s)
    assert torch.equal(coarse, expected[0]) and torch.equal(found, expected[1])


def test_a_view_without_visible_points_is_black_and_finds_nothing():
    track_codec = track_codec_of()
    tracks = track_codec.scene_frame.from_world(BATCH.world)
    behind = BATCH.world.clone()
    behind[0, 1] -= 5 * BATCH.cameras.R[0, 1, 2]  # behind camera 1
    tracks[0, 1] = track_codec.scene_frame.from_world(behind)[0, 1]
    guidance = track_codec.encode_guidance(tracks)
    assert not guidance[0, 1].any()
    assert torch.equal(
        guidance[0, 0], track_codec.encode_guidance(track_codec.scene_frame.from_world(BATCH.world))[0, 0]
    )
    coarse, found = track_codec.decode_tracks(guidance, BATCH.s)
    assert not found[0, 1].any() and not coarse[0, 1].any() and found[0, 0].any()


def test_a_view_without_any_point_is_black_and_finds_nothing():
    point_mask = BATCH.point_mask.clone()
    point_mask[0] = False
    track_codec = track_codec_of(BATCH._replace(point_mask=point_mask))
    assert not track_codec.encode_guidance(track_codec.scene_frame.from_world(BATCH.world))[0].any()
    assert not track_codec.decode_tracks(BATCH.z_motion, BATCH.s)[1][0].any()


def test_a_depth_behind_the_camera_is_not_found():
    coarse, found = track_codec_of().decode_tracks(BATCH.z_motion, BATCH.s - 2.0)
    assert not found.any() and not coarse.any()


@pytest.mark.parametrize(("gradient", "to_z", "to_s"), [("none", False, False), ("depth_scale", False, True), ("full", True, True)])  # fmt: skip
def test_gradients_pass_as_configured(gradient, to_z, to_s):
    z, s = BATCH.z_motion.clone().requires_grad_(), BATCH.s.clone().requires_grad_()
    coarse, found = track_codec_of().decode_tracks(z, s, gradient)
    assert coarse.requires_grad == to_s
    if to_s:
        coarse[found].square().sum().backward()
    assert (z.grad is not None and bool(z.grad.any())) == to_z
    assert (s.grad is not None and bool((s.grad != 0).all())) == to_s
    if to_z:
        folded = CODER.decode(z.grad[0, 0]).abs().amax(dim=(0, 1, 2))
        assert folded[2] > 0 and not folded[:2].any()  # through depth, which is blue: places are no function of colours


def test_the_gradient_of_the_range_is_the_slope_of_the_tracks():
    track_codec, s = track_codec_of(), BATCH.s.clone().requires_grad_()
    weights = torch.randn(B, V, N, K, 3, generator=torch.Generator().manual_seed(0))
    along = lambda s: (track_codec.decode_tracks(BATCH.z_motion, s, "depth_scale")[0] * weights).sum()  # noqa: E731
    (slope,) = torch.autograd.grad(along(s), s)
    step = torch.zeros_like(s)
    step[1, 2, 0] = 1e-2
    with torch.no_grad():
        assert (along(s + step) - along(s - step)) / 2e-2 == pytest.approx(slope[1, 2, 0].item(), rel=1e-2)


def test_guidance_and_unrequested_gradients_leave_no_graph():
    M = track_codec_of().scene_frame.from_world(BATCH.world).requires_grad_()
    assert not track_codec_of().encode_guidance(M).requires_grad
    with torch.no_grad():
        assert (
            not track_codec_of()
            .decode_tracks(BATCH.z_motion, BATCH.s.clone().requires_grad_(), "full")[0]
            .requires_grad
        )


def test_mixed_precision_leaves_the_geometry_in_full():
    track_codec = track_codec_of()
    M = track_codec.scene_frame.from_world(BATCH.world)
    plain = track_codec.encode_guidance(M), *track_codec.decode_tracks(BATCH.z_motion, BATCH.s)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = track_codec.encode_guidance(M), *track_codec.decode_tracks(BATCH.z_motion, BATCH.s)
    assert all(torch.equal(one, two) for one, two in zip(plain, mixed, strict=True))
