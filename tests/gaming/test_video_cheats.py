"""Videos made to score well: each is greyed, or no better than an honest twin in any ranked column of video."""

import cv2
import numpy as np
import pytest
from gaming import Truth, cheat, check_cheat, find_cheats

from hoibench.clip import PARTS, Prediction
from hoibench.evaluation.corruptions import blur, flicker

TOOL = PARTS.index("tool")
MATCHES = ("matching_pixels_rel/sift-mnn@2 fg", "matching_pixels_dyn/sift-mnn@2 fg")
EPIPOLAR = ("epipolar_error/sift-mnn@1", "epipolar_error/sift-mnn@1 fg")
MOTION = ("dynamic_degree/dis@2", "dynamic_degree/dis@2 fg")


def blurred(truth: Truth):
    """The true video, out of focus."""
    return film(blur(truth.video))


def held_frame(truth: Truth):
    """The true first frame, held."""
    return film(still(truth))


def plain_noise(truth: Truth):
    """Noise in every frame."""
    return film(truth.rng.integers(0, 256, truth.video.shape))


@cheat(blurred, greyed=(*MATCHES, *MOTION))
def scrolling_noise(truth: Truth):
    """The same noise in all views, moving by 8 px a frame: matches and motion without content."""
    views, count, height, width, _ = truth.video.shape
    wide = texture(truth, height, width + 8 * count)
    return film([[wide[:, 8 * n : 8 * n + width] for n in range(count)]] * views)


@cheat(blurred, greyed=MATCHES)
def copied_view(truth: Truth):
    """View 0 in all views."""
    return film(np.repeat(truth.video[:1], len(truth.video), axis=0))


@cheat(blurred, near={"matching_pixels_rel/sift-mnn@2 fg": 0.15})
def common_background(truth: Truth):
    """The same hands and objects before the same noise in all views."""
    noise = texture(truth, *truth.clip.size)
    return film(np.where(truth.masks[..., None], blurred(truth).video, noise))


@cheat(held_frame, greyed=(*MATCHES, *MOTION))
def shaken_frame(truth: Truth):
    """The first frame, moved by up to 8 px in each frame of each view."""
    moves = truth.rng.integers(-8, 9, (*truth.video.shape[:2], 2))
    views = zip(truth.video, moves, strict=True)
    return film([[np.roll(view[0], tuple(move), (0, 1)) for move in own] for view, own in views])


@cheat(held_frame, greyed=(*MATCHES, *EPIPOLAR, *MOTION))
def flickering_frame(truth: Truth):
    """The first frame, every second time brighter by 20 %."""
    return film(flicker(still(truth)))


@cheat(plain_noise)
def true_first_frame(truth: Truth):
    """The given first frame, then noise."""
    noise = plain_noise(truth).video
    return film(np.concatenate([truth.video[:, :1], noise[:, 1:]], axis=1))


@cheat(held_frame, greyed=(*MATCHES, *MOTION))
def fast_sticker(truth: Truth):
    """A sticker of 64 px on the first frame that moves by 40 px a frame."""
    return film(stick(truth, speed=40))


@cheat(held_frame, wins=dict.fromkeys((*MOTION, "matching_pixels_dyn/sift-mnn@2"), "a sticker that moves"))
def slow_sticker(truth: Truth):
    """The same sticker, about as fast as the true motion."""
    return film(stick(truth, speed=5))


@cheat(blurred, greyed=(*MATCHES, *EPIPOLAR, *MOTION))
def still_plane(truth: Truth):
    """A texture on a plane through the scene, drawn with the known cameras."""
    return film(draw_plane(truth, np.eye(4)[None].repeat(truth.clip.frames, axis=0)))


WON = {
    "matching_pixels_dyn/sift-mnn@2 fg": "stuck to a moving object",
    "matching_pixels_rel/sift-mnn@2 fg": "stuck to a moving object",
    "epipolar_error/sift-mnn@1": "A texture that is consistent with the known cameras",
    "epipolar_error/sift-mnn@1 fg": "A texture that is consistent with the known cameras",
    "epipolar_error/xfeat@1": "A texture that is consistent with the known cameras",
    "epipolar_error/xfeat@1 fg": "A texture that is consistent with the known cameras",
}


@cheat(blurred, wins=WON)
def moving_plane(truth: Truth):
    """The same plane, stuck to the tool."""
    poses = truth.surfaces[TOOL].poses
    return film(draw_plane(truth, poses @ np.linalg.inv(poses[:1])))


def film(frames):
    """Return a video of (V, N, H, W, 3) frames with values from 0 to 255."""
    return Prediction(video=np.asarray(frames).clip(0, 255).astype(np.uint8))


def still(truth: Truth):
    return np.repeat(truth.video[:, :1], truth.video.shape[1], axis=1)


def texture(truth: Truth, height, width, blob=1.5):
    """Return a random (H, W, 3) texture with blobs of some pixels."""
    noise = cv2.GaussianBlur(truth.rng.random((height, width, 3)).astype(np.float32), (0, 0), blob)
    low, high = np.percentile(noise, [1, 99])
    return ((noise - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)


def stick(truth: Truth, speed):
    """Return the held first frame with a textured sticker that crosses each view again and again."""
    video, sticker = still(truth), texture(truth, 64, 64)
    for n in range(video.shape[1]):
        left = speed * n % (video.shape[3] - 64)
        video[:, n, 32:96, left : left + 64] = sticker
    return video


def draw_plane(truth: Truth, poses, texel=0.006, side=60):
    """Return the held first frame behind a square texture through the scene's centre, moved by (N, 4, 4) poses in the world."""
    video, image = still(truth), texture(truth, side, side, blob=1.7)
    axes = truth.clip.cameras[1].R[:2] * texel  # facing the central camera
    centre = truth.clip.tracks.world[0].mean(axis=0)
    plane = np.stack([*axes, centre - axes.sum(axis=0) * side / 2], axis=1)
    for v, camera in enumerate(truth.clip.cameras):
        for n, pose in enumerate(poses):
            placed = camera.R @ pose[:3, :3] @ plane
            placed[:, 2] += camera.R @ pose[:3, 3] + camera.t
            cv2.warpPerspective(
                image, camera.K @ placed, truth.clip.size[::-1], dst=video[v, n], borderMode=cv2.BORDER_TRANSPARENT
            )
    return video


CHEATS = find_cheats(globals())


@pytest.fixture(scope="module")
def board(play):
    return play(CHEATS, "video")


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.name)
def test_video_cheat(board, cheat):
    check_cheat(board, cheat)
