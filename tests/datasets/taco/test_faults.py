"""Faults of a download: the doctor reports each one, and reading the sequence either works or raises an error."""

import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import taco_faults as faults
from mano_files import write_mano
from taco_tree import FOUR, HIT, MEASURE, POUR, SHORT

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.synthetic.cameras import TRIO
from hoibench.datasets.taco.doctor import diagnose, format_diagnosis
from hoibench.datasets.taco.doctor.report import Diagnosis
from hoibench.datasets.taco.download import CAMERAS, HANDS, MARKER_REMOVED, POSES, RGB
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.prepare.split import prepare_line
from hoibench.datasets.taco.recording import Recording
from hoibench.store import write_bytes

FIRST = FOUR[0]
KEY = HIT.key


@dataclass(frozen=True)
class Fault:
    """A fault; ``check`` is the doctor's check that reports it, with words of it; ``reading`` is the error on reading, None if there is none."""

    breaks: Callable
    check: str
    tells: str
    reading: str | None
    status: str = "problem"
    also: tuple[str, ...] = ()
    key: str = KEY


FAULTS = {
    "a video that stops early": Fault(
        lambda tree: faults.truncate_video(tree, KEY, FIRST), "videos", "truncated", "truncated", also=("video-fit",)
    ),
    "an mpeg4 video that stops early": Fault(
        lambda tree: faults.truncate_video(tree, SHORT.key, FIRST), "videos", "cannot be read", "cannot be read", also=("video-fit",), key=SHORT.key
    ),
    "a video with damaged frames": Fault(
        lambda tree: faults.overwrite_video(tree, KEY, FIRST), "video-fit", "damaged", "damaged"
    ),
    "an empty video": Fault(lambda tree: faults.empty_video(tree, KEY, FIRST), "videos", "is empty", "is empty", also=("video-fit",)),
    "a video with fewer frames": Fault(
        lambda tree: faults.shorten_video(tree, KEY, FIRST), "video-frames", "180 frames, but the annotation has 181", "180 frames"
    ),
    "a marker-removed video with fewer frames": Fault(
        lambda tree: faults.shorten_video(tree, MEASURE.key, FIRST, 5, MARKER_REMOVED),
        "video-frames", "176 frames, but the annotation has 181", None, key=MEASURE.key,
    ),
    "a video of another aspect": Fault(
        lambda tree: faults.square_video(tree, KEY, FIRST), "video-size", "94x94 pixels", "94x94 pixels", also=("video-fit",)
    ),
    "a variable frame rate": Fault(
        lambda tree: faults.vary_rate(tree, KEY, FIRST), "video-rate", "has a variable frame rate", "has a variable frame rate"
    ),
    "exchanged videos of two cameras": Fault(
        lambda tree: faults.exchange_videos(tree, KEY, *FOUR[:2]), "video-fit",
        f"shows what camera {FOUR[1]} sees", f"shows what camera {FOUR[1]} sees",
    ),
    "a calibration of another world frame": Fault(
        lambda tree: faults.move_world(tree, KEY).parent, "video-fit", "cm away from where calibration", None, "warning"
    ),
    "K of another resolution": Fault(
        lambda tree: faults.wrong_K(tree, KEY), "calibration", "fits 4096x3000", "fits 4096x3000"
    ),
    "a camera without calibration": Fault(
        lambda tree: faults.drop_calibration(tree, KEY, FIRST), "calibration", f"no camera {FIRST}", f"no camera {FIRST}"
    ),
    "a calibration cut short": Fault(
        lambda tree: faults.garble_calibration(tree, KEY), "calibration", "is not JSON", "is not JSON"
    ),
    "a camera that looks away": Fault(
        lambda tree: faults.turn_camera(tree, KEY, FIRST).parent, "projection",
        f"camera {FIRST} of sequence {KEY} sees no hand or object", f"camera {FIRST} .*sees no hand or object"
    ),
    "a target with fewer rows": Fault(
        lambda tree: faults.frame_counts(tree, KEY), "poses", "has 181 rows, target_191.npy 180", "181, 181, 181, 180"
    ),
    "a tool with fewer rows": Fault(
        lambda tree: faults.frame_counts(tree, KEY, role="tool"), "poses", "has 180 rows, target_191.npy 181", "181, 181, 180, 181",
        also=("hands", "video-frames", "ego", "length"),
    ),
    "a pose that is not rigid": Fault(
        lambda tree: faults.non_rigid_pose(tree, KEY), "rigid", "frame 3 is not a rigid pose", "frame 3 is not a rigid pose"
    ),
    "object rows that are NaN": Fault(
        lambda tree: faults.nan_pose_rows(tree, KEY), "object-gaps", "lacks 2 of 181 rows, the first is 5", None, "warning"
    ),
    "an object never recorded": Fault(
        lambda tree: faults.no_pose_at_all(tree, KEY), "rigid", "none of its 181 rows", "none of its 181 rows"
    ),
    "poses cut short": Fault(lambda tree: faults.cut_poses(tree, KEY), "poses", "not a complete npy", "not a complete npy"),
    "a mesh in metres": Fault(
        lambda tree: faults.mesh_in_metres(tree, tool(tree)), "meshes", "not in centimetres", "not in centimetres"
    ),
    "a mesh in millimetres": Fault(
        lambda tree: faults.mesh_in_millimetres(tree, tree.written[SHORT.key].scene.target.id),
        "meshes", "not in centimetres", "not in centimetres", key=SHORT.key,
    ),
    "a missing mesh": Fault(
        lambda tree: faults.drop_model(tree, tool(tree)), "meshes", "download Object_Models.zip", "download Object_Models.zip"
    ),
    "a forbidden pickle": Fault(
        lambda tree: faults.forbidden_pickle(tree, KEY), "hands", "system", "system"
    ),
    "a pickle cut short": Fault(lambda tree: faults.cut_pickle(tree, KEY), "hands", "not a complete pickle", "not a complete pickle"),
    "a hand with fewer frames": Fault(
        lambda tree: faults.short_hand(tree, KEY), "hands", "ends at frame 178, expected 181", "181, 178, 181, 181"
    ),
    "hand frames left out": Fault(
        lambda tree: faults.missing_hand_frames(tree, KEY), "hand-gaps", "lacks 2 of 181 rows, the first is 6", None, "warning"
    ),
    "a hand frame that is NaN": Fault(
        lambda tree: faults.nan_hand_frame(tree, KEY), "hand-gaps", "lacks 1 of 181 rows, the first is 6", None, "warning"
    ),
    "a hand in another world frame": Fault(
        lambda tree: faults.far_hand(tree, KEY).parent, "projection",
        "no camera sees the right hand", "no camera sees the right hand", also=("mesh-fit",),
    ),
    "left and right hand files exchanged": Fault(
        lambda tree: faults.exchange_hand_files(tree, KEY), "handedness", "is bent backwards, and so is", "left and right hand are exchanged",
        also=("mesh-fit",),
    ),
    "a hand three frames late": Fault(
        lambda tree: faults.late_hand(tree, KEY), "timing", "is 3 frames late against the tool", None, "warning"
    ),
    "object poses from world to object": Fault(
        lambda tree: faults.poses_world_to_object(tree, KEY), "places", "the poses are from world to object", "from world to object",
        also=("mesh-fit",),
    ),
    "poses of tool and target exchanged": Fault(
        lambda tree: faults.exchange_object_poses(tree, KEY), "roles", "with their poses exchanged", "with their poses exchanged",
        also=("mesh-fit",),
    ),
    "a mesh in inches": Fault(
        lambda tree: faults.mesh_in_inches(tree, tool(tree)), "mesh-fit", "cm long, while a hammer is 12 to 50 cm", None, "warning"
    ),
    "a missing hand": Fault(
        lambda tree: faults.drop_file(tree, KEY, HANDS, "left_hand.pkl"), "hand-files", "is missing", "download Hand_Poses.zip"
    ),
    "a missing hand shape": Fault(
        lambda tree: faults.drop_file(tree, KEY, HANDS, "left_hand_shape.pkl"), "hand-shapes", "mean shape", None, "warning"
    ),
    "an egocentric video with fewer frames": Fault(
        lambda tree: faults.short_ego(tree, KEY, 3), "ego", "178 frames", None, "warning"
    ),
    "a calibration that the mirror calls bad": Fault(
        lambda tree: faults.bad_calibration_status(tree, KEY, cameras=(FIRST,)).parent / KEY,
        "calibration-reviews", f"'bad_calibration', bad cameras {FIRST}", None, "warning",
    ),
    "no calibrations": Fault(
        lambda tree: faults.drop_modality(tree, CAMERAS), "folders", f"download {CAMERAS}.zip", f"download {CAMERAS}.zip",
        also=("split",),
    ),
    "no hands": Fault(
        lambda tree: faults.drop_modality(tree, HANDS), "folders", f"download {HANDS}.zip", f"download {HANDS}.zip",
        also=("split",),
    ),
    "no videos": Fault(
        lambda tree: faults.drop_modality(tree, RGB), "folders", f"download {RGB}.zip", f"download {RGB}/{FIRST}.zip",
        also=("sequences", "split"),
    ),
    "object poses still zipped": Fault(
        lambda tree: faults.zip_modality(tree, POSES), "zips", "is not unpacked", "unpack .*Object_Poses.zip",
        also=("folders", "ego", "split"),
    ),
    "a camera still zipped": Fault(
        lambda tree: faults.zip_camera(tree, FIRST), "zips", "is not unpacked", f"unpack .*{FIRST}.zip", also=("split",)
    ),
}  # fmt: skip


def tool(tree) -> str:
    return tree.written[KEY].scene.tool.id


def read_all(tree, key) -> None:
    """Read all files of a clip with four cameras."""
    recording = Recording(tree.download, tree.sequence(key))
    recording.surfaces_in([0, recording.frames - 1])
    for serial in FOUR:
        recording.camera(serial, tree.size)
        recording.video_info(serial)


def prepare(tree, key, out) -> None:
    """Prepare the clip."""
    prepare_line(tree.download, line(tree, key), out, ProxyHand())


def line(tree, key) -> SplitLine:
    """A clip of the cameras of FOUR that are one of a cluster."""
    entry = ClipEntry(key, tree.written[key].shoot.triplet, camera_ids=TRIO)
    return SplitLine(entry, recipe={"crop": "clip", "video": "raw"})


def state(root: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in [root, *root.rglob("*")]}


def complaints(report: Diagnosis) -> dict[str, tuple[str, int]]:
    """Status and count of each check with findings; skipped checks do not count."""
    return {c.id: (c.status, c.count) for c in report.checks if c.status in ("problem", "warning")}


def examine(tree, key, cache) -> Diagnosis:
    """The diagnosis of a download for one clip; only that clip is read completely because unpickling hands is slow."""
    return diagnose(tree.root, [line(tree, key)], cache=cache, sample=1)


@pytest.fixture(scope="module")
def sound(taco, tmp_path_factory) -> Callable[[str], dict[str, tuple[str, int]]]:
    """The diagnosis of the unchanged download for the clip of a key."""
    folder = tmp_path_factory.mktemp("cache")
    return functools.cache(lambda key: complaints(examine(taco, key, folder)))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_and_no_other_check_fails(taco_copy, tmp_path, sound, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path / "cache"))
    fault = FAULTS[name]
    path = fault.breaks(taco_copy)
    before = state(taco_copy.root)
    report = examine(taco_copy, fault.key, tmp_path / "cache")

    check = next(check for check in report.checks if check.id == fault.check)
    assert check.status == fault.status, format_diagnosis(report)
    named = [text for text in check.examples if path.name in text]
    assert any(fault.tells in text for text in named), check
    assert check.fix
    assert path.name in format_diagnosis(report)

    changed = complaints(report).items() ^ sound(fault.key).items()
    assert {id for id, _ in changed} == {fault.check, *fault.also}, format_diagnosis(report)

    if fault.reading is None:
        read_all(taco_copy, fault.key)
    else:
        with pytest.raises((ValueError, OSError), match=fault.reading):
            prepare(taco_copy, fault.key, tmp_path / "out")
    assert state(taco_copy.root) == before, "something was written into the download"
    assert not (tmp_path / "pickle_was_run").exists()


def test_a_damaged_sequence_does_not_affect_others(taco_copy):
    faults.cut_pickle(taco_copy, KEY)
    faults.wrong_K(taco_copy, KEY)
    faults.truncate_video(taco_copy, KEY, FIRST)
    for shoot in (POUR, MEASURE, SHORT):
        read_all(taco_copy, shoot.key)


@pytest.mark.parametrize("modality", [RGB, MARKER_REMOVED, CAMERAS, HANDS, POSES])
def test_a_zip_unpacked_one_folder_too_deep_is_ok(taco_copy, tmp_path, sound, modality):
    faults.nest(taco_copy, modality)
    assert complaints(examine(taco_copy, KEY, tmp_path)) == sound(KEY)
    read_all(taco_copy, KEY)


class TestMano:
    """The model of the hands, on a tree that looks like TACO's own."""

    @pytest.fixture(autouse=True)
    def real_tree(self, taco_copy, monkeypatch):
        monkeypatch.delenv("HOIBENCH_MANO", raising=False)
        faults.claim_mano(taco_copy)

    def check(self, tree, cache, mano=None):
        report = diagnose(tree.root, cache=cache, mano=mano, sample=0)
        return next(check for check in report.checks if check.id == "mano")

    @pytest.fixture
    def mano(self, tmp_path):
        folder = tmp_path / "mano"
        folder.mkdir()
        for side in ("left", "right"):
            write_mano(folder, side)
        return folder

    def test_without_files_the_truth_is_proxy_hand(self, taco_copy, tmp_path):
        check = self.check(taco_copy, tmp_path)
        assert check.status == "warning"
        assert "'proxy-hand'" in check.title
        assert "HOIBENCH_MANO" in check.fix

    def test_with_both_files_the_truth_is_taco(self, taco_copy, tmp_path, mano):
        check = self.check(taco_copy, tmp_path, mano)
        assert (check.status, "'taco'" in check.title) == ("ok", True)

    def test_a_file_of_the_wrong_side_is_named(self, taco_copy, tmp_path, mano):
        shutil.copy(mano / "MANO_RIGHT.pkl", mano / "MANO_LEFT.pkl")
        check = self.check(taco_copy, tmp_path, mano)
        assert check.status == "problem"
        assert "MANO_LEFT.pkl is MANO's right hand" in check.examples[0]

    def test_a_missing_file_is_named(self, taco_copy, tmp_path, mano):
        (mano / "MANO_RIGHT.pkl").unlink()
        check = self.check(taco_copy, tmp_path, mano)
        assert check.status == "problem"
        assert "MANO_RIGHT.npz nor MANO_RIGHT.pkl" in check.examples[0]


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


SPOILED = {
    "empty": lambda path: write_bytes(path, b""),
    "cut in half": lambda path: write_bytes(path, path.read_bytes()[: path.stat().st_size // 2]),
    "noise": lambda path: write_bytes(path, np.random.default_rng(0).bytes(1000)),
    "text": lambda path: write_bytes(path, b"404: not found\n"),
    "folders": replace_by_folder,
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_completely_damaged_download_is_diagnosed_to_the_end(taco_copy, tmp_path, how):
    for path in sorted(taco_copy.root.rglob("*")):
        if path.is_file():
            SPOILED[how](path)
    report = diagnose(taco_copy.root, cache=tmp_path, deep=True)
    assert not any("could not be finished" in check.title for check in report.checks), format_diagnosis(report)
    broken = {check.id for check in report.with_status("problem")}
    # A text file cut short may end between two lines; a folder is no pose file, and without one nobody knows which meshes there should be.
    missed = {"cut in half": {"calibration", "meshes"}, "folders": {"meshes"}}.get(how, set())
    assert broken >= {"poses", "calibration", "meshes"} - missed
    assert ("folders" if how == "folders" else "videos") in broken
    assert all(check.fix for check in report.with_status("problem"))
    if how in ("empty", "noise", "text"):
        # Of what could not be read, nothing good is said.
        assert {check.id for check in report.with_status("ok")} <= {
            "folders",
            "sequences",
            "names",
            "hand-files",
            "hand-shapes",
            "cache",
        }


def test_a_read_only_download_is_enough(taco_copy, tmp_path):
    folders = [taco_copy.root, *(path for path in taco_copy.root.rglob("*") if path.is_dir())]
    before = state(taco_copy.root)
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert diagnose(taco_copy.root, cache=tmp_path, deep=True).is_healthy
        read_all(taco_copy, KEY)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert state(taco_copy.root) == before
