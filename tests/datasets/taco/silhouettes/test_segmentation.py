"""The data set's own masks."""

import numpy as np
import pytest

from hoibench.datasets.taco.silhouettes.segmentation import read_segmentation


@pytest.fixture
def stored(tmp_path):
    """42 masks of 20 x 32 pixels, as of every fifth of 209 frames: mask i covers i columns with label 1 + i % 4."""
    masks = np.zeros((42, 20, 32), np.uint8)
    for i, mask in enumerate(masks):
        mask[:, : i // 2] = 1 + i % 4
    np.save(tmp_path / "1_masks.npy", masks)
    return tmp_path / "1_masks.npy"


def test_masks_are_of_every_fifth_frame_and_of_all_labels(stored):
    read = read_segmentation(stored, 209, 8, (20, 32))
    assert read.frames == (0, 25, 55, 85, 115, 145, 175, 205)
    assert read.masks.sum(axis=(1, 2)).tolist() == [20 * (frame // 5 // 2) for frame in read.frames]


def test_masks_of_every_frame_are_of_these_frames(stored):
    assert read_segmentation(stored, 42, 3, (20, 32)).frames == (0, 20, 41)


def test_masks_are_resized(stored):
    assert read_segmentation(stored, 209, 8, (10, 16)).masks.shape == (8, 10, 16)


@pytest.mark.parametrize(
    ("array", "error"),
    [
        (np.zeros((4, 3), np.uint8), r"uint8 \(4, 3\), expected whole numbers of shape"),
        (np.zeros((4, 3, 3), np.float32), r"float32 \(4, 3, 3\), expected whole numbers"),
        (np.zeros((9, 3, 3), np.uint8), "has 9 masks, but the annotation has 8 frames"),
        (np.array([{}]), "is not an npy file"),
    ],
)
def test_other_files_are_refused(tmp_path, array, error):
    np.save(tmp_path / "1_masks.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"1_masks\.npy.*{error}"):
        read_segmentation(tmp_path / "1_masks.npy", 8, 4, (3, 3))
