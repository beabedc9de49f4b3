"""Between the two models: what is drawn for MJD is read back for DPA, padding and views without points included; and how far gradients pass."""

import dataclasses

import pytest
import torch
from tiny_loop import PADDED, SIZE, B, FoldingCoder, K, N, V, tiny_batch

from hoibench.geometry import project, to_camera
from hoibench.geometry.splatting import fully_visible_points, rasterise
from reference_model.config import PseudoVideoConfig
from reference_model.cycle.bridge import Bridge
from reference_model.cycle.rig import Cameras, rig_of

CODER = FoldingCoder()
BATCH = tiny_batch(CODER)
STYLE = PseudoVideoConfig(points=K)


def bridge_of(batch=BATCH, style=STYLE, coder=CODER):
    return Bridge(coder, batch.cameras, rig_of(batch.cameras, 0.2), batch.anchors, batch.there, style)


def in_views(world):
    """Pixels (B, V, N, K, 2) and depths of points (B, V, N, K, 3) in their own views."""
    _, R, t, _ = BATCH.cameras
    seen = to_camera(world.flatten(2, 3), R, t)
    return project(seen, BATCH.cameras.K).unflatten(2, (N, K)), seen[..., 2].unflatten(2, (N, K))


def whole(radius=1):
    """The points whose whole square is seen, (B, V, N, K): what a reading must give back."""
    pixels, depth = in_views(BATCH.world)
    visible = BATCH.there[:, :, None].expand_as(depth)
    return torch.stack(
        [
            torch.stack([fully_visible_points(rasterise(p, d, SIZE, visible=m, radius=radius), K, radius=radius)
        for p, d, m in zip(*each, strict=True)])
            for each in zip(pixels, depth, visible, strict=True)
        ]
    )  # fmt: skip


def test_the_batch_is_what_it_says():
    pixels, depth = in_views(BATCH.world)
    real = BATCH.there
    assert torch.allclose(pixels[:, :, 0][real], BATCH.anchors[real], atol=1e-3)
    assert (depth[BATCH.there[:, :, None].expand_as(depth)] > 0.5).all()
    assert whole()[real[:, :, None].expand(B, V, N, K)].float().mean() > 0.9
    assert (~real).sum() == PADDED[2]
    assert torch.equal(
        CODER.decode(BATCH.z_motion[0, 0]), CODER.decode(CODER.encode(CODER.decode(BATCH.z_motion[0, 0])))
    )


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_tracks_drawn_as_guidance_are_read_back(radius):
    """Both halves at once, lines 8 and 7 of Algorithm 1, within the pseudo-video's bounds: half a pixel laterally, 0.1 mm in depth."""
    bridge = bridge_of(style=dataclasses.replace(STYLE, radius=radius))
    coarse, found = bridge.tracks(bridge.guidance(bridge.rig.coordinates(BATCH.world)), BATCH.s)
    must = whole(radius)
    assert must.sum() > 0.8 * must.numel() and found[must].all()
    pixels, depth = in_views(bridge.rig.world(coarse))
    true_pixels, true_depth = in_views(BATCH.world)
    assert (pixels - true_pixels)[must].abs().max() <= 0.5 + 1e-3
    assert (depth - true_depth)[must].abs().max() <= 1e-4


def test_colours_are_matched_within_the_configured_distance():
    moved = bridge_of().guidance(bridge_of().rig.coordinates(BATCH.world)) + 0.02
    _, found = bridge_of().tracks(moved, BATCH.s)
    assert found[whole()].float().mean() > 0.5
    _, none = bridge_of(style=dataclasses.replace(STYLE, match_within=1e-3)).tracks(moved, BATCH.s)
    assert none.sum() < 0.1 * found.sum()


def test_points_are_read_in_the_size_in_which_they_are_drawn():
    """Of a point of one pixel, a second one in its colour is a stray."""
    bridge = bridge_of(style=dataclasses.replace(STYLE, radius=0))
    z = bridge.guidance(bridge.rig.coordinates(BATCH.world))
    video = CODER.decode(z[0, 0])
    v, u = video[0].any(dim=-1).nonzero()[0].tolist()
    video[0, v, u + 1] = video[0, v, u]
    strayed = z.clone()
    strayed[0, 0] = CODER.encode(video)
    assert torch.equal(bridge.tracks(strayed, BATCH.s)[0], bridge.tracks(z, BATCH.s)[0])


def test_guidance_is_the_pseudo_video_that_training_drew():
    """Lines 2 and 8 are one operator, and the range of line 8 is that of the tracks themselves."""
    bridge = bridge_of()
    guidance = bridge.guidance(bridge.rig.coordinates(BATCH.world))
    assert guidance.shape == BATCH.z_motion.shape
    differ = (guidance - BATCH.z_motion).abs().flatten(0, 1).amax(dim=1) > 1e-3
    assert differ.float().mean() < 0.01  # a pixel or two rounds to the other side on the way through the rig's frame


def test_eight_bits_are_256_levels():
    bridge = bridge_of(style=dataclasses.replace(STYLE, eight_bit=True))
    levels = CODER.decode(bridge.guidance(bridge.rig.coordinates(BATCH.world))[0, 0]) * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)


def test_coarse_tracks_are_in_metres_of_the_range_that_is_given():
    """Denorm: a range twice as far off puts the same pixels twice as far along their rays."""
    bridge = bridge_of()
    near, found = bridge.tracks(BATCH.z_motion, BATCH.s)
    far, _ = bridge.tracks(BATCH.z_motion, 2 * BATCH.s)
    (one, depth), (two, double) = in_views(bridge.rig.world(near)), in_views(bridge.rig.world(far))
    assert torch.allclose(two[found], one[found], atol=1e-2) and torch.allclose(double[found], 2 * depth[found], atol=1e-4)  # fmt: skip


def test_each_view_and_sample_is_read_with_its_own_camera_and_anchors():
    coarse, found = bridge_of().tracks(BATCH.z_motion, BATCH.s)
    for b in range(B):
        own = slice(b, b + 1)
        cameras = Cameras(*(each[own] for each in BATCH.cameras[:3]), SIZE)
        bridge = bridge_of(BATCH._replace(cameras=cameras, anchors=BATCH.anchors[own], there=BATCH.there[own]))
        one, seen = bridge.tracks(BATCH.z_motion[own], BATCH.s[own])
        assert torch.equal(seen[0], found[b]) and torch.allclose(one[0], coarse[b], atol=1e-5)


def test_padding_is_neither_drawn_nor_found_whatever_it_holds():
    sample, view, count = PADDED
    anchors, world = BATCH.anchors.clone(), BATCH.world.clone()
    anchors[sample, view, -count:] = BATCH.anchors[sample, view, :count] + 0.5  # almost the colours of real points
    world[sample, view, :, -count:] = world[sample, view, :, :count] * 0.999
    bridge, clean = bridge_of(BATCH._replace(anchors=anchors)), bridge_of()
    tracks = bridge.rig.coordinates(world)
    assert torch.equal(bridge.guidance(tracks), clean.guidance(clean.rig.coordinates(BATCH.world)))
    lossy = BATCH.z_motion * (1 + 0.01 * torch.randn(BATCH.z_motion.shape, generator=torch.Generator().manual_seed(0)))
    coarse, found = bridge.tracks(lossy, BATCH.s)
    assert not found[sample, view, :, -count:].any() and not coarse[sample, view, :, -count:].any()
    expected = clean.tracks(lossy, BATCH.s)
    assert torch.equal(coarse, expected[0]) and torch.equal(found, expected[1])


def test_a_view_in_which_nothing_can_be_seen_is_black_and_finds_nothing():
    bridge = bridge_of()
    tracks = bridge.rig.coordinates(BATCH.world)
    behind = BATCH.world.clone()
    behind[0, 1] -= 5 * BATCH.cameras.R[0, 1, 2]  # behind camera 1
    tracks[0, 1] = bridge.rig.coordinates(behind)[0, 1]
    guidance = bridge.guidance(tracks)
    assert not guidance[0, 1].any()
    assert torch.equal(guidance[0, 0], bridge.guidance(bridge.rig.coordinates(BATCH.world))[0, 0])
    coarse, found = bridge.tracks(guidance, BATCH.s)
    assert not found[0, 1].any() and not coarse[0, 1].any() and found[0, 0].any()


def test_a_view_without_any_point_is_black_and_finds_nothing():
    there = BATCH.there.clone()
    there[0] = False
    bridge = bridge_of(BATCH._replace(there=there))
    assert not bridge.guidance(bridge.rig.coordinates(BATCH.world))[0].any()
    assert not bridge.tracks(BATCH.z_motion, BATCH.s)[1][0].any()


def test_a_depth_behind_the_camera_is_not_found():
    coarse, found = bridge_of().tracks(BATCH.z_motion, BATCH.s - 2.0)
    assert not found.any() and not coarse.any()


@pytest.mark.parametrize(("gradient", "to_z", "to_s"), [("none", False, False), ("depth_scale", False, True), ("full", True, True)])  # fmt: skip
def test_gradients_pass_as_far_as_they_are_asked_to(gradient, to_z, to_s):
    z, s = BATCH.z_motion.clone().requires_grad_(), BATCH.s.clone().requires_grad_()
    coarse, found = bridge_of().tracks(z, s, gradient)
    assert coarse.requires_grad == to_s
    if to_s:
        coarse[found].square().sum().backward()
    assert (z.grad is not None and bool(z.grad.any())) == to_z
    assert (s.grad is not None and bool((s.grad != 0).all())) == to_s
    if to_z:
        folded = CODER.decode(z.grad[0, 0]).abs().amax(dim=(0, 1, 2))
        assert folded[2] > 0 and not folded[:2].any()  # through depth, which is blue: places are no function of colours


def test_the_gradient_of_the_range_is_the_slope_of_the_tracks():
    bridge, s = bridge_of(), BATCH.s.clone().requires_grad_()
    weights = torch.randn(B, V, N, K, 3, generator=torch.Generator().manual_seed(0))
    along = lambda s: (bridge.tracks(BATCH.z_motion, s, "depth_scale")[0] * weights).sum()  # noqa: E731
    (slope,) = torch.autograd.grad(along(s), s)
    step = torch.zeros_like(s)
    step[1, 2, 0] = 1e-2
    with torch.no_grad():
        assert (along(s + step) - along(s - step)) / 2e-2 == pytest.approx(slope[1, 2, 0].item(), rel=1e-2)


def test_guidance_and_unrequested_gradients_leave_no_graph():
    M = bridge_of().rig.coordinates(BATCH.world).requires_grad_()
    assert not bridge_of().guidance(M).requires_grad
    with torch.no_grad():
        assert not bridge_of().tracks(BATCH.z_motion, BATCH.s.clone().requires_grad_(), "full")[0].requires_grad


def test_mixed_precision_leaves_the_geometry_in_full():
    bridge = bridge_of()
    M = bridge.rig.coordinates(BATCH.world)
    plain = bridge.guidance(M), *bridge.tracks(BATCH.z_motion, BATCH.s)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = bridge.guidance(M), *bridge.tracks(BATCH.z_motion, BATCH.s)
    assert all(torch.equal(one, two) for one, two in zip(plain, mixed, strict=True))
