"""The hand model MANO as TACO uses it: 48 axis-angle numbers, no PCA, centred at the wrist, then translated by ``hand_trans``.

The definition is manopth's with ``use_pca=False, center_idx=0, flat_hand_mean=True`` (leolyliu/TACO-Instructions: dataset_utils/hand_pose_loader.py,
dataset_utils/manopth/manopth/manolayer.py), after Romero et al. 2017.  As there, the left hand's shape directions are used as they are in the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.hand.hand_pose import Side
from hoibench.datasets.taco.hand.mano_file import ManoFile
from hoibench.datasets.taco.hand.skinning import rotations, skin, with_tips

TIPS: dict[Side, tuple[int, ...]] = {"left": (745, 317, 445, 556, 673), "right": (745, 317, 444, 556, 673)}
"""Fingertip vertices of thumb, index, middle, ring, little; manopth's differ in the middle finger."""


@dataclass(frozen=True, eq=False)
class Mano:
    """MANO's model of one hand, which computes vertices and joints from pose and shape.

    Attributes:
        file: the contents of the hand's model file.
        flat_hand_mean: True if a pose of zeros is the flat hand, as in TACO, not the mean pose in the file.
    """

    file: ManoFile
    flat_hand_mean: bool = True

    def vertices(self, theta: Array, trans: Array, betas: Array) -> Array:
        """Return the vertices of the hand in N frames.

        Args:
            theta: (N, 48) axis-angle vectors, radians: of the whole hand, then of three joints each of index, middle, little, ring, thumb.
            trans: (N, 3) position of the wrist joint in the world, metres.
            betas: (10,) shape coefficients.

        Returns:
            (N, 778, 3) in metres in the world; NaN where the pose is NaN.
        """
        return self._pose(theta, trans, betas)[0]

    def joints(self, theta: Array, trans: Array, betas: Array) -> Array:
        """Return joints (N, 21, 3) in metres in the world: wrist, then three joints and the tip of thumb, index, middle, ring and little finger.

        Takes the arguments of ``vertices``.
        """
        posed, joints = self._pose(theta, trans, betas)
        return with_tips(joints, posed[:, TIPS[self.file.side]])

    def _pose(self, theta: Array, trans: Array, betas: Array) -> tuple[Array, Array]:
        """Return vertices (N, 778, 3) and joints (N, 16, 3), in the order of the file, in metres in the world."""
        model, frames = self.file, len(theta)
        mean = np.zeros(45) if self.flat_hand_mean else model.hands_mean
        turns = rotations((theta + np.append(np.zeros(3), mean)).reshape(frames, 16, 3))
        shaped = model.v_template + model.shapedirs @ betas
        bends = (turns[:, 1:] - np.eye(3)).reshape(frames, 135)
        bulged = shaped + (bends @ model.posedirs.reshape(-1, 135).T).reshape(frames, -1, 3)
        posed, joints = skin(turns, bulged, model.J_regressor @ shaped, model.parents, model.weights)
        return posed + trans[:, None], joints + trans[:, None]
