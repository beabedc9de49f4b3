"""The default split: hands and objects fill the picture, they move, and hands stand out from what is behind them."""

import cv2
import numpy as np

from hoibench.clip import PARTS
from hoibench.geometry import project, to_camera
from hoibench.metrics.dynamic_degree import dynamic_degree
from hoibench.metrics.mv_rpe import mv_rpe_scene


def _extent(mask):
    """Return the larger of the shares of the picture's height and width over which a mask extends."""
    return max(np.ptp(np.flatnonzero(mask.any(axis=1 - axis))) / mask.shape[axis] for axis in (0, 1))


def test_hands_and_objects_fill_the_picture(demo):
    masks = np.concatenate([loaded.clip.masks.reshape(-1, *loaded.clip.size) for loaded in demo])
    assert np.median([_extent(mask) for mask in masks]) >= 0.6
    assert np.median(masks.mean(axis=(1, 2))) >= 0.15


def _lab(colours):
    return cv2.cvtColor(colours[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]


def _hand_to_surroundings(clip, side, view, frame):
    """Return the distance in CIELAB of a hand's median colour to that of the room up to 8 pixels from hands and objects."""
    camera, mask, image = clip.cameras[view], clip.masks[view, frame], clip.video[view, frame]
    of_hand = (clip.tracks.part == PARTS.index(side)) & clip.tracks.visible[view, frame]
    pixels = project(to_camera(clip.tracks.world[frame, of_hand], camera.R, camera.t), camera.K)
    columns, rows = np.rint(pixels).astype(int).T
    near = cv2.dilate(mask.astype(np.uint8), np.ones((17, 17), np.uint8)).astype(bool) & ~mask
    hand, room = np.median(_lab(image[rows, columns]), axis=0), np.median(_lab(image[near]), axis=0)
    return np.linalg.norm(hand - room)


def test_hands_are_told_from_the_room_by_colour(demo):
    distances = [
        _hand_to_surroundings(loaded.clip, side, view, frame)
        for loaded in demo
        for side in ("left hand", "right hand")
        for view in range(3)
        for frame in (0, 12)
    ]
    assert min(distances) >= 20.0


def test_true_videos_are_dynamic_and_still_ones_are_not(demo):
    videos = [video for loaded in demo for video in loaded.clip.video]
    assert np.mean([dynamic_degree(video, 8.0).dynamic for video in videos]) >= 0.8
    assert not dynamic_degree(np.repeat(videos[0][:1], 25, axis=0), 8.0).dynamic


def test_tracks_that_stand_still_have_a_large_error(demo):
    errors = []
    for clip in (loaded.clip for loaded in demo):
        points = np.stack([to_camera(clip.tracks.world, camera.R, camera.t) for camera in clip.cameras])
        still, seen = np.repeat(points[:, :1], clip.frames, axis=1), clip.tracks.visible & clip.tracks.visible[:, :1]
        errors.append(mv_rpe_scene(still, clip.tracks.world, clip.cameras, seen))
    assert np.mean(errors) >= 15.0
