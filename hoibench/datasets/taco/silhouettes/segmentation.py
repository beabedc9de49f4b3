"""Reader of TACO's own masks, 2D_Segmentation/(action, tool, target)/KEY/SERIAL_masks.npy.

TACO does not describe these files.  A third party reads one mask per five frames (6 per second), and gives the labels of hands and objects in two
orders, so only this is used: 0 is background, all else is hands and objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.download import TacoSequence

SEGMENTATION = "2D_Segmentation"


@dataclass(frozen=True, eq=False)
class SegmentationMasks:
    """Masks of a camera: ``masks`` (T, H, W) bool, true on hands and objects, of the ``frames`` with these numbers."""

    frames: tuple[int, ...]
    masks: Array


def segmentation_file(sequence: TacoSequence, serial: str) -> Path:
    """Return the path of a camera's masks, even if it does not exist."""
    return sequence.folder(SEGMENTATION) / f"{serial}_masks.npy"


def read_segmentation(path: Path, frames: int, most: int, size: tuple[int, int]) -> SegmentationMasks:
    """Read up to ``most`` evenly spaced masks of a camera of a recording of N ``frames``, resized to ``size`` (H, W).

    Mask i is of frame i s, where s is the largest step for which the last mask is of a recorded frame.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not an npy file of whole numbers (M, h, w), or has more masks than frames; names the file.
    """
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is not an npy file ({error}): unpack {SEGMENTATION}.zip again") from error
    if not isinstance(stored, np.ndarray) or stored.ndim != 3 or stored.dtype.kind not in "bui" or 0 in stored.shape:
        found = f"{stored.dtype} {stored.shape}" if isinstance(stored, np.ndarray) else "an archive"
        raise ValueError(f"{path} has {found}, expected whole numbers of shape (masks, height, width)")
    if len(stored) > frames:
        raise ValueError(f"{path} has {len(stored)} masks, but the annotation has {frames} frames")
    step = (frames - 1) // max(len(stored) - 1, 1)
    chosen = np.unique(np.linspace(0, len(stored) - 1, most).astype(int))
    masks = [
        cv2.resize((np.asarray(stored[i]) > 0).astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) >= 0.5
        for i in chosen
    ]
    return SegmentationMasks(tuple((chosen * step).tolist()), np.stack(masks))
