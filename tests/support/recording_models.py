"""Models and a track codec that record each call: its inputs, its output, and whether gradients were enabled.

They share one journal, so that tests can compare the order of calls with Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reference_model.cycle.track_codec import TrackCodec
from reference_model.mjd.model import MJDOutput


class Call(NamedTuple):
    """One call: name of the module, inputs by name, output, and whether gradients were enabled."""

    name: str
    inputs: dict[str, Any]
    output: Any
    has_gradients: bool


class Journal(list[Call]):
    """All calls in order."""

    def record(self, name: str, output: Any, **inputs: Any) -> Any:
        self.append(Call(name, inputs, output, torch.is_grad_enabled()))
        return output

    def calls(self, name: str) -> list[Call]:
        return [call for call in self if call.name == name]

    @property
    def names(self) -> list[str]:
        return [call.name for call in self]


class RecordingMJD:
    """A diffusion model that returns ``velocities(z_video, z_motion, text, t)``: video, motion and s."""

    def __init__(
        self, journal: Journal, velocities: Callable[..., tuple[Tensor, Tensor, Tensor]], *, see_k: bool = False
    ):
        self.journal, self.velocities = journal, velocities
        self.settings = SimpleNamespace(needs_intrinsics=see_k, motion=True)

    def __call__(self, z_video, z_motion, z_image, text, t, guidance=None, intrinsics=None, baseline=None) -> MJDOutput:
        output = MJDOutput(*self.velocities(z_video, z_motion, text, t))
        return self.journal.record(
            "mjd", output, z_video=z_video, z_motion=z_motion, z_image=z_image, text=text, t=t, guidance=guidance, intrinsics=intrinsics,
            baseline=baseline,
        )  # fmt: skip


class RecordingDPA:
    """A points aligner that returns ``velocities(M_t, coarse, t)``."""

    def __init__(self, journal: Journal, velocities: Callable[..., Tensor]):
        self.journal, self.velocities = journal, velocities

    def __call__(self, M_t, coarse, found, anchors, t, point_mask=None) -> Tensor:
        output = self.velocities(M_t, coarse, t)
        return self.journal.record(
            "dpa", output, M_t=M_t, coarse=coarse, found=found, anchors=anchors, t=t, point_mask=point_mask
        )


class RecordingTrackCodec:
    """A track codec that records its calls."""

    def __init__(self, journal: Journal, track_codec: TrackCodec):
        self.journal, self.track_codec = journal, track_codec
        self.scene_frame, self.point_mask = track_codec.scene_frame, track_codec.point_mask

    def decode_tracks(self, z_motion, s, gradient="none") -> tuple[Tensor, Tensor]:
        output = self.track_codec.decode_tracks(z_motion, s, gradient)
        return self.journal.record("decode_tracks", output, z_motion=z_motion, s=s, gradient=gradient)

    def encode_guidance(self, M) -> Tensor:
        return self.journal.record("encode_guidance", self.track_codec.encode_guidance(M), M=M)
