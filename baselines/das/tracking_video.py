"""The tracking video of Diffusion as Shader, by which it controls a generated video, and tracks as another camera sees them.

It runs in the environment of its code, too: NumPy and OpenCV only.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np


def move_to_camera(tracks: Any, K: Any, poses: Any, target_K: Any, target_poses: Any) -> Any:
    """Return tracks (N, P, 3), pixels and depth in a camera, as pixels and depth in another; all zero where that has them behind it.

    Args:
        tracks: (N, P, 3) u, v and depth in metres.
        K: (3, 3) intrinsics of the camera in pixels.
        poses: (1, 4, 4) or more camera-to-world matrices of the camera; the last one holds for all further frames.
        target_K: the intrinsics of the other camera.
        target_poses: the poses of the other camera.
    """
    K, target_K = np.asarray(K, np.float64), np.asarray(target_K, np.float64)
    poses, target_poses = (
        np.asarray(each, np.float64)[np.minimum(np.arange(len(tracks)), len(each) - 1)]
        for each in (poses, target_poses)
    )
    rays = np.concatenate([tracks[..., :2], np.ones_like(tracks[..., :1])], axis=-1) @ np.linalg.inv(K).T
    between = np.linalg.inv(target_poses) @ poses
    points = (rays * tracks[..., 2:]) @ between[:, :3, :3].transpose(0, 2, 1) + between[:, None, :3, 3]
    depth = points[..., 2:]
    pixels = points @ target_K.T
    is_before = depth > 1e-6
    return np.where(is_before, np.concatenate([pixels[..., :2] / np.where(is_before, depth, 1.0), depth], axis=-1), 0.0)


def draw_tracking_video(tracks: Any, size: tuple[int, int], grid: Any) -> Any:
    """Return the (N, H, W, 3) uint8 tracking video of tracks (N, P, 3), i.e. pixels and depth.

    As its own code draws it (models/spatracker/utils/visualizer.py, draw_tracks_on_video): on black, each point is a rectangle, far ones first,
    whether it is visible or not, but none at u = 0 or v = 0.  Its colour is that of its place in frame 0: red and green by u and v between their
    extremes, blue by 1 / depth between its 2nd and 98th percentile.  Its half width is half the least distance, in u, v and depth, to another
    point of ``grid``; after frame 0, all have that of the point that frame 0 draws last.  Points without depth in frame 0 are left out.

    Args:
        tracks: the tracks in the camera of the video.
        size: (H, W) of the video.
        grid: (P, 3) the points in frame 0 of the camera that they are tracked in, where their distances are even.
    """
    is_kept = tracks[0, :, 2] > 0
    tracks, grid = np.asarray(tracks, np.float64)[:, is_kept], np.asarray(grid, np.float64)[is_kept]
    first = tracks[0]
    values = np.concatenate([first[:, :2], 1.0 / first[:, 2:]], axis=-1)
    low, high = values.min(axis=0), values.max(axis=0)
    low[2], high[2] = np.percentile(values[:, 2], [2, 98])
    parts = (values - low) / np.where(high > low, high - low, np.inf)
    colours = np.rint(np.clip(parts, 0, 1) * 255).tolist()

    frames = np.zeros((len(tracks), *size, 3), np.uint8)
    half = 0.0
    for n, (frame, points) in enumerate(zip(frames, tracks, strict=True)):
        for i in np.argsort(-points[:, 2], kind="stable"):
            u, v, _ = points[i]
            if u == 0 or v == 0:
                continue
            if n == 0:
                distances = np.linalg.norm(grid - grid[i], axis=1)
                half = int(distances[distances > 0].min()) / 2
            start, end = (int(u - half), int(v - half / 1.5)), (int(u + half), int(v + half / 1.5))
            cv2.rectangle(frame, start, end, colours[i], thickness=-1)
    return frames
