"""One recorded sequence of TACO: its cameras, and the surfaces of hands and objects over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from hoibench.clip import PARTS, Array, Camera
from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.calibration import Calibration, read_calibration
from hoibench.datasets.taco.download import CAMERAS, HANDS, OBJECT_ROLES, RGB, TacoDownload, TacoSequence
from hoibench.datasets.taco.hand.hand_models import HandModel, choose_hand_model
from hoibench.datasets.taco.hand.hand_pose import SIDES, HandPose, read_hand
from hoibench.datasets.taco.objects import place_vertices, read_mesh_once, read_poses
from hoibench.datasets.taco.protocol import SOURCE_FPS
from hoibench.store import array_digest
from hoibench.video import VideoHeader, VideoInfo, probe

_ASPECT_TOLERANCE = 0.02
"""Largest relative difference of the aspects of a video and of its imgSize: resized copies round their sizes."""
_RATE_TOLERANCE = 0.01
"""Largest relative difference of a video's frame rate from TACO's: containers round their time base."""
LARGEST_DRIFT = 3.0
"""Largest distance in frames of a frame from its time at a constant rate; one gap of twice the length shifts the other frames by up to one frame."""


def check_frame_count(path: Path, frames: int, rows: int, zip_name: str) -> None:
    """Raise ValueError unless a video's number of ``frames`` equals the annotation's number of ``rows``; the message names the zip."""
    if frames != rows:
        raise ValueError(f"{path} has {frames} frames, but the annotation has {rows}: unpack {zip_name}.zip again")


def check_aspect(
    path: Path, video: VideoInfo | VideoHeader, calibration: Path, camera: Calibration, zip_name: str
) -> None:
    """Raise ValueError unless a video has the aspect ratio, within 2 %, of its camera's imgSize in calibration.json."""
    height, width = camera.size
    if abs((video.width * height) / (video.height * width) - 1.0) > _ASPECT_TOLERANCE:
        raise ValueError(
            f"{path} has {video.width}x{video.height} pixels, but {calibration} has imgSize {width}x{height} for camera {path.stem}: "
            f"the aspect ratios differ, so unpack {zip_name}.zip and {CAMERAS}.zip from the same copy of TACO"
        )


def check_rate(path: Path, video: VideoHeader, zip_name: str) -> None:
    """Raise ValueError unless a video has the frame rate of TACO's videos, 30 per second within 1 %, and has it throughout, within three frames."""
    if abs(video.fps - SOURCE_FPS) > _RATE_TOLERANCE * SOURCE_FPS:
        raise ValueError(
            f"{path} has {video.fps:g} frames per second, but TACO's videos have {SOURCE_FPS:g}: unpack {zip_name}.zip again"
        )
    if video.unevenness > LARGEST_DRIFT:
        raise ValueError(
            f"{path} has a variable frame rate: a frame is {video.unevenness:.1f} frames from its time at a constant rate, so frames and annotation "
            f"do not correspond: unpack {zip_name}.zip again"
        )


@dataclass(frozen=True, eq=False)
class Recording:
    """One recorded sequence of TACO: cameras, hands and objects; each file is read on first use.

    Attributes:
        download: the TACO download.
        sequence: the paths of the sequence's files.
        model: the model that turns hand poses into surfaces; by default, that of ``choose_hand_model``.
    """

    download: TacoDownload
    sequence: TacoSequence
    model: HandModel | None = None

    @cached_property
    def calibrations(self) -> dict[str, Calibration]:
        """Camera serial -> camera as in calibration.json."""
        return read_calibration(self.sequence.calibration)

    @cached_property
    def instances(self) -> tuple[str, str]:
        """Ids of the (tool, target) objects."""
        tool, target = (self.sequence.find_object_pose(role)[0] for role in OBJECT_ROLES)
        return tool, target

    @cached_property
    def hands(self) -> tuple[HandPose, ...]:
        """Poses of the left and the right hand over all frames."""
        return tuple(read_hand(self.sequence.folder(HANDS), side) for side in SIDES)

    @cached_property
    def object_poses(self) -> tuple[Array, ...]:
        """Object-to-world poses (N, 4, 4), in metres, of tool and target; NaN where they were not recorded."""
        return tuple(read_poses(self.sequence.find_object_pose(role)[1]) for role in OBJECT_ROLES)

    @cached_property
    def meshes(self) -> tuple[tuple[Array, Array], ...]:
        """Vertices (P, 3) in metres, object frame, and faces (F, 3) of tool and target."""
        return tuple(read_mesh_once(self.download.mesh(instance)) for instance in self.instances)

    @property
    def annotation_files(self) -> tuple[Path, ...]:
        """Paths of the files of hand poses, object poses and meshes.

        Raises:
            FileNotFoundError: a pose file or a mesh is missing.
            ValueError: a pose file has an invalid name.
        """
        hands = sorted(path for path in self.sequence.folder(HANDS).rglob("*") if path.is_file())
        poses = [self.sequence.find_object_pose(role)[1] for role in OBJECT_ROLES]
        return (*hands, *poses, *(self.download.mesh(instance) for instance in self.instances))

    @cached_property
    def annotation_digests(self) -> dict[str, str]:
        """Part (a name in ``PARTS``, e.g. ``tool``) -> SHA-256 of its recorded poses and its shape.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is damaged.
        """
        hands = [array_digest(hand.theta, hand.trans, hand.betas) for hand in self.hands]
        objects = [
            array_digest(poses, vertices) for poses, (vertices, _) in zip(self.object_poses, self.meshes, strict=True)
        ]
        return dict(zip(PARTS, [*hands, *objects], strict=True))

    @cached_property
    def hand_model(self) -> HandModel:
        """The model that turns hand poses into surfaces: ``model``, or by default that of ``choose_hand_model``."""
        return self.model or choose_hand_model(self.download.hand_model)

    @cached_property
    def frames(self) -> int:
        """N, the number of annotated frames.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is damaged, or the frame counts differ.
        """
        counts = [*(len(hand.theta) for hand in self.hands), *(len(poses) for poses in self.object_poses)]
        if len(set(counts)) != 1:
            raise ValueError(
                f"sequence {self.sequence.key} has {counts} frames of left hand, right hand, tool and target, expected equal numbers: "
                f"unpack {HANDS}.zip and Object_Poses.zip from the same copy of TACO"
            )
        return counts[0]

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Left hand, right hand, tool and target over all frames, in the order of ``PARTS``; raises the errors of ``frames``."""
        return self.surfaces_in(range(self.frames))

    def surfaces_in(self, frames: Sequence[int]) -> tuple[Surface, ...]:
        """Return left hand, right hand, tool and target in the frames with these numbers; vertices are NaN where a part was not recorded."""
        chosen = list(frames)
        poses = (replace(hand, theta=hand.theta[chosen], trans=hand.trans[chosen]) for hand in self.hands)
        surfaces = [Surface(part, *self.hand_model.surface(pose)) for part, pose in enumerate(poses)]
        for part, (mesh, all_poses) in enumerate(zip(self.meshes, self.object_poses, strict=True), start=len(SIDES)):
            (rest, faces), poses_in_frames = mesh, all_poses[chosen]
            surfaces.append(Surface(part, place_vertices(rest, poses_in_frames), faces, rest, poses_in_frames))
        return tuple(surfaces)

    def videos(self, modality: str = RGB) -> dict[str, Path]:
        """Return serial -> path of the existing videos of calibrated cameras; ``modality`` is the folder of their kind.

        Raises:
            FileNotFoundError, ValueError: the calibration is missing or damaged.
        """
        return {serial: path for serial, path in self.sequence.videos(modality).items() if serial in self.calibrations}

    def video_info(self, serial: str, modality: str = RGB) -> VideoInfo:
        """Return size, frame count and rate of a camera's video, after checking them; ``modality`` is the folder of its kind of video.

        Raises:
            FileNotFoundError: the video is missing.
            ValueError: the video is damaged, or does not match the annotation or the calibration.
        """
        path = self.sequence.video(serial, modality)
        info = probe(path)
        zip_name = f"{modality}/{serial}"
        check_frame_count(path, info.frames, self.frames, zip_name)
        check_aspect(path, info, self.sequence.calibration, self._calibration(serial), zip_name)
        return info

    def camera(self, serial: str, size: tuple[int, int]) -> Camera:
        """Return the camera with this serial, for a video of ``size`` (H, W).

        Raises:
            ValueError: the calibration does not contain the camera.
        """
        return self._calibration(serial).camera(size)

    def _calibration(self, serial: str) -> Calibration:
        try:
            return self.calibrations[serial]
        except KeyError:
            known = ", ".join(self.calibrations)
            raise ValueError(f"{self.sequence.calibration} has no camera {serial}, expected one of {known}") from None
