"""What was recorded of one sequence: cameras, and the surfaces of hands and objects over time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.calibration import Calibration, read_calibration
from hoibench.datasets.taco.hand_models import choose_hand_model
from hoibench.datasets.taco.hands import SIDES, read_hand
from hoibench.datasets.taco.layout import HANDS, Sequence, Tree
from hoibench.datasets.taco.objects import place, read_mesh, read_poses
from hoibench.video import VideoInfo, probe

_ROLES = ("tool", "target")


@dataclass(frozen=True, eq=False)
class Recording:
    """One sequence of a tree, each file read when first asked for."""

    tree: Tree
    sequence: Sequence

    @cached_property
    def calibrations(self) -> dict[str, Calibration]:
        """Serial -> calibrated camera."""
        return read_calibration(self.sequence.calibration)

    @cached_property
    def instances(self) -> tuple[str, str]:
        """Ids of the (tool, target) objects."""
        tool, target = (self.sequence.object_pose(role)[0] for role in _ROLES)
        return tool, target

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Left hand, right hand, tool and target, in the order of ``PARTS``.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is broken, a row was not recorded, or the files' frame counts differ.
        """
        folder = self.sequence.folder(HANDS)
        model = choose_hand_model(self.tree.hand_model)
        hands = [model.surface(read_hand(folder, side)) for side in SIDES]
        parts = [*hands, *(self._object(role) for role in _ROLES)]
        surfaces = tuple(Surface(part, vertices, faces) for part, (vertices, faces) in enumerate(parts))
        counts = [len(surface.vertices) for surface in surfaces]
        if len(set(counts)) != 1:
            raise ValueError(
                f"sequence {self.sequence.key} has {counts} frames of left hand, right hand, tool and target: they must agree"
            )
        for name, surface in zip((*SIDES, *_ROLES), surfaces, strict=True):
            bad = np.flatnonzero(~np.isfinite(surface.vertices).all(axis=(1, 2)))
            if bad.size:
                raise ValueError(
                    f"sequence {self.sequence.key}: {name} was not recorded in frame {bad[0]}: drop the sequence"
                )
        return surfaces

    @property
    def frames(self) -> int:
        """N, the rows of the annotation."""
        return len(self.surfaces[0].vertices)

    def video_info(self, serial: str) -> VideoInfo:
        """The video of one camera.

        Raises:
            FileNotFoundError: it is missing.
            ValueError: it is broken, or its frames are not those of the annotation.
        """
        path = self.sequence.video(serial)
        info = probe(path)
        if info.frames != self.frames:
            raise ValueError(f"{path} has {info.frames} frames, the annotation {self.frames}: download or cut it again")
        return info

    def camera(self, serial: str, size: tuple[int, int]) -> Camera:
        """The camera of a serial, for a video of ``size`` (H, W).

        Raises:
            ValueError: the calibration has no such camera.
        """
        try:
            return self.calibrations[serial].camera(size)
        except KeyError:
            known = ", ".join(self.calibrations)
            raise ValueError(f"{self.sequence.calibration} has no camera {serial}, only {known}") from None

    def _object(self, role: str) -> tuple[Array, Array]:
        object_id, path = self.sequence.object_pose(role)
        vertices, faces = read_mesh(self.tree.model(object_id))
        return place(vertices, read_poses(path)), faces
