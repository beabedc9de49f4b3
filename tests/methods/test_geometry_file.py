"""Point maps that a worker has written."""

import re

import numpy as np
import pytest

from hoibench.methods.geometry_file import read_geometry

POINTS = np.zeros((4, 6, 8, 3), np.float16)
BROKEN = POINTS.copy()
BROKEN[1, 2, 3] = np.nan
BROKEN[2, 2, 3, 0] = np.inf
VALID = np.ones((4, 6, 8), bool)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"points": POINTS[1:]}, "view-0.npz: points has 3 frames, expected 4"),
        ({"points": POINTS[:, 1:]}, "view-0.npz: points has shape (4, 5, 8, 3), expected (4, 6, 8, 3)"),
        ({"points": POINTS.astype(int)}, "view-0.npz: points has dtype int64"),
        ({"point": POINTS}, "view-0.npz: unknown array 'point'"),
        ({"points": BROKEN}, "view-0.npz: points has NaN or infinity at 2 of 192 places; mark them in `valid`"),
        ({"points": POINTS, "flow": BROKEN, "valid": VALID}, "view-0.npz: flow has NaN or infinity at 2 of 192"),
        ({"points": POINTS, "valid": VALID.astype(np.uint8)}, "view-0.npz: valid has dtype uint8, expected bool"),
        ({"K": np.full((3, 3), np.nan)}, "view-0.npz: K has NaN or infinity at 3 of 3"),
        ({"K": np.zeros((3, 3, 3))}, "view-0.npz: K has 3 frames, expected 4"),
        ({"depth": POINTS[..., 0], "K": np.eye(4)}, "view-0.npz: K has shape (4, 4), expected (3, 3)"),
        ({"points": np.zeros(())}, "view-0.npz: points has shape ()"),
    ],
)  # fmt: skip
def test_wrong_geometry_is_refused_with_file_and_reason(arrays, reason, tmp_path):
    np.savez(tmp_path / "view-0.npz", **arrays)
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_geometry(tmp_path / "view-0.npz", 4, (6, 8))


def test_points_that_are_marked_invalid_may_be_anything(tmp_path):
    np.savez(tmp_path / "view-0.npz", points=BROKEN, valid=np.isfinite(BROKEN).all(-1), K=np.eye(3))
    geometry = read_geometry(tmp_path / "view-0.npz", 4)
    np.testing.assert_array_equal(geometry.points, BROKEN)
    assert geometry.flow is None
    with pytest.raises(FileNotFoundError, match=r"view-1.npz: the worker has not written this file"):
        read_geometry(tmp_path / "view-1.npz", 4)
