"""The worker of Geo4D: calls its evaluation script for each video, in its environment, and reads the folder that it writes."""

from __future__ import annotations

from pathlib import Path

import exchange_worker
import numpy as np
from exchange_worker import Json


def answer(request: Json, folder: Path) -> list[Json]:
    """Make depth, intrinsics and camera poses of one view."""
    view = request["views"][0]
    video, name = folder / view["video"], request["id"] + ".npz"
    height, width = request["size"]
    flags = {
        "video_path": video,
        "frame_sampling_stride": 1,
        "seed": request["seed"],
        "ckpt_path": "checkpoints/geo4d/model.ckpt",
        "config": "configs/inference_geo4d.yaml",
        "savedir": folder / "upstream",
        "n_samples": 1,
        "bs": 1,
        "height": height,
        "width": width,
        "unconditional_guidance_scale": 1.0,
        "ddim_steps": request["options"]["steps"],
        "ddim_eta": 0.0,
        "video_length": 16,
        "frame_stride": 24,
        "timestep_spacing": "uniform_trailing",
        "guidance_rescale": 0.7,
    }
    words = [*exchange_worker.as_words(flags), "--text_input", "--perframe_ae"]
    exchange_worker.run_script("scripts/evaluation/test_geo4d.py", words)
    made = folder / "upstream" / video.stem / video.stem
    np.savez(
        str(folder / name),
        depth=np.stack([np.load(str(path)) for path in sorted(made.glob("frame_*.npy"))]),
        K=np.loadtxt(str(made / "pred_intrinsics.txt"), ndmin=2).reshape(-1, 3, 3),
        T_world_from_cam=read_poses(made / "pred_traj.txt"),
    )
    return [{"view": view["id"], "geometry": name}]


def read_poses(path: Path) -> np.ndarray:
    """Return the (N, 4, 4) camera-to-world matrices of a file with lines of time, position x, y, z and quaternion w, x, y, z.

    The TUM format, whose name the functions of the upstream code have, has w last.

    Raises:
        ValueError: the file has other columns, or a quaternion has not length 1.
    """
    table = np.loadtxt(str(path), ndmin=2)
    if table.shape[1] != 8:
        raise ValueError(f"{path.name}: {table.shape[1]} columns, expected 8")
    w, x, y, z = quaternions = table[:, 4:].T
    length = np.sqrt((quaternions**2).sum(axis=0))
    worst = length[np.abs(length - 1.0).argmax()]
    if abs(worst - 1.0) > 1e-3:
        raise ValueError(f"{path.name}: a quaternion has length {worst:.4f}, expected 1")
    poses = np.tile(np.eye(4), (len(table), 1, 1))
    poses[:, :3, 3] = table[:, 1:4]
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    poses[:, :3, :3] = np.moveaxis(np.array(rows), -1, 0)
    return poses


if __name__ == "__main__":
    exchange_worker.main(answer, packages=["torch", "pytorch_lightning", "open_clip_torch", "pytorch3d", "numpy"])
