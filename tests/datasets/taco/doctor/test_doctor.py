"""Diagnosis of intact, partial and unusual downloads; single faults are in test_faults.py."""

import json

import pytest
import taco_faults as faults
from taco_tree import FOUR, HIT, MEASURE, PLAN, POUR, SHORT, TWELVE

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import SplitLine, VersionedSplit
from hoibench.datasets.taco.doctor import Check, Diagnosis, Inventory, diagnose, diagnosis, format_diagnosis
from hoibench.datasets.taco.doctor.listing import modalities
from hoibench.datasets.taco.download import EGO_RGB, HANDS, MARKER_REMOVED, POSES, RGB, triplet_folder
from hoibench.problems import Problem


def lines(*shoots, serials=FOUR[:3], source=FOUR[3], video="raw"):
    recipe = {"crop": "clip", "video": video}
    return [SplitLine(ClipEntry(s.key, s.triplet, camera_ids=serials), source, recipe) for s in shoots]


def doctor(root, cache, wanted=(), sample=0, **options) -> dict[str, Check]:
    """Checks by id; by default, no sequence is read completely because unpickling hands is slow."""
    return {check.id: check for check in diagnose(root, wanted, cache=cache, sample=sample, **options).checks}


def test_an_intact_download_has_only_warnings(taco, tmp_path):
    report = diagnose(taco.root, lines(*PLAN), cache=tmp_path)
    assert report.is_healthy
    assert {check.id for check in report.with_status("warning")} == {"length", "ego"}
    assert {check.id for check in report.with_status("skipped")} == {"zips", "calibration-reviews"}
    text = format_diagnosis(report)
    assert text.startswith(f"TACO at {taco.root}")
    assert text.endswith("no problems, 2 warnings")
    assert f"{SHORT.key} has 90 frames" in text


def test_the_inventory_counts_sequences_by_folder_and_videos_by_camera(taco):
    inventory = diagnose(taco.root, sample=0).inventory
    assert inventory.sequences == 4
    assert inventory.modalities == dict.fromkeys(modalities(), 0) | {
        POSES: 4, HANDS: 4, "Allocentric_Camera_Parameters": 4, RGB: 4, MARKER_REMOVED: 3, EGO_RGB: 4,
        "Egocentric_Camera_Parameters": 4,
    }  # fmt: skip
    for kind, of in ((RGB, "serials"), (MARKER_REMOVED, "marker_removed")):
        counts = {serial: sum(serial in getattr(shoot, of) for shoot in PLAN) for serial in TWELVE}
        assert inventory.cameras[kind] == {serial: n for serial, n in counts.items() if n}


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        diagnose(tmp_path / "nowhere")


def test_folders_without_any_video_are_reported(taco_copy, tmp_path):
    for path in (taco_copy.root / RGB).rglob("*.mp4"):
        path.unlink()
    check = doctor(taco_copy.root, tmp_path)["folders"]
    assert check.status == "problem"
    assert check.examples == (f"{taco_copy.root / RGB} has no SERIAL.mp4 of any camera: unpack its zips again",)


def test_an_empty_folder_is_missing_everything(tmp_path):
    report = diagnose(tmp_path, lines(POUR), cache=tmp_path)
    (folders, split) = report.with_status("problem")
    assert (folders.id, folders.count) == ("folders", 5)
    assert "download Object_Models.zip" in format_diagnosis(report)
    assert (split.id, split.count) == ("split", 1)
    assert f"download {RGB}/{FOUR[0]}.zip" in format_diagnosis(report)


class TestSplit:
    """Clips of a split that cannot be prepared."""

    def test_one_clip_of_the_shipped_split_can_be_prepared(self, taco, tmp_path):
        check = doctor(taco.root, tmp_path, VersionedSplit("taco-syncmv4d@2").lines("test"))["split"]
        assert check.title == "1 of 84 clips of the split can be prepared"
        assert (check.status, check.count) == ("warning", 83)

    def test_a_missing_camera_is_reported_with_its_number_of_clips(self, taco_copy, tmp_path):
        for shoot in PLAN:
            faults.drop_camera(taco_copy, shoot.key, FOUR[0])
        faults.drop_camera(taco_copy, POUR.key, FOUR[1])
        faults.drop_camera(taco_copy, HIT.key, FOUR[3])
        check = doctor(taco_copy.root, tmp_path, lines(*PLAN))["split"]
        assert (check.status, check.count) == ("problem", 4)
        assert check.examples == (
            f"{RGB}/{FOUR[0]}.zip is missing in 4 of 4 clips: download {RGB}/{FOUR[0]}.zip",
            f"{RGB}/{FOUR[1]}.zip is missing in 1 of 4 clips: unpack the rest of {RGB}/{FOUR[1]}.zip",
            f"{RGB}/{FOUR[3]}.zip is missing as the source of video-to-video methods in 1: unpack the rest of {RGB}/{FOUR[3]}.zip",
        )

    def test_a_missing_source_view_does_not_block_a_clip(self, taco_copy, tmp_path):
        faults.drop_camera(taco_copy, HIT.key, FOUR[3])
        check = doctor(taco_copy.root, tmp_path, lines(*PLAN))["split"]
        assert (check.status, check.count) == ("warning", 0)
        assert "can be prepared" in check.title

    def test_an_unneeded_camera_is_not_reported(self, taco_copy, tmp_path):
        faults.drop_camera(taco_copy, POUR.key, TWELVE[0])
        assert doctor(taco_copy.root, tmp_path, lines(*PLAN))["split"].status == "ok"

    def test_marker_removed_clips_need_the_other_videos(self, taco, tmp_path):
        checks = doctor(taco.root, tmp_path, lines(*PLAN, video="marker-removed"))
        assert checks["split"].count == 1
        assert checks["split"].examples[0].startswith(f"{MARKER_REMOVED}/{FOUR[0]}.zip is missing in 1 of 4 clips")

    def test_unneeded_kinds_of_video_are_not_reported(self, taco_copy, tmp_path):
        faults.drop_modality(taco_copy, RGB)
        wanted = lines(POUR, MEASURE, video="marker-removed")
        assert doctor(taco_copy.root, tmp_path, wanted)["folders"].status == "ok"
        assert doctor(taco_copy.root, tmp_path, lines(POUR))["folders"].status == "problem"

    def test_a_sequence_without_hands_is_counted(self, taco_copy, tmp_path):
        for path in taco_copy.sequence(HIT.key).folder(HANDS).iterdir():
            path.unlink()
        taco_copy.sequence(HIT.key).folder(HANDS).rmdir()
        checks = doctor(taco_copy.root, tmp_path, lines(*PLAN))
        assert checks["split"].examples == (f"{HANDS}.zip is missing in 1 of 4 clips: unpack the rest of {HANDS}.zip",)
        assert checks["sequences"].examples == (f"{HANDS} lacks 1 of 4 sequences, the first is {HIT.key}",)


class TestZips:
    """Zips in a download, unpacked or not."""

    def zips(self, tree, cache, *names):
        for name in names:
            (tree.root / name).touch()
        return doctor(tree.root, cache)["zips"]

    def test_unpacked_zips_are_ok(self, taco_copy, tmp_path):
        check = self.zips(taco_copy, tmp_path, f"{POSES}.zip", f"{RGB}/{FOUR[0]}.zip", f"{FOUR[0]}.zip", "holidays.zip")
        assert (check.status, check.count) == ("ok", 4)

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            ("Egocentric_Depth_Videos.zip", "warning"),
            (f"{MARKER_REMOVED}/{TWELVE[0]}.zip", "warning"),
            (f"{RGB}/{TWELVE[0]}.zip", "problem"),
            (f"{TWELVE[0]}.zip", "problem"),
        ],
    )
    def test_a_zip_that_is_not_unpacked_is_named(self, taco_copy, tmp_path, name, status):
        for path in taco_copy.root.rglob(f"{TWELVE[0]}.mp4"):
            path.unlink()
        check = self.zips(taco_copy, tmp_path, name)
        assert (check.status, check.count) == (status, 1), "a problem only where raw video, which is wanted, needs it"
        assert str(taco_copy.root / name) in check.examples[0]

    def test_models_still_zipped_are_named(self, taco_copy, tmp_path):
        (taco_copy.root / "object_models_released").rename(tmp_path / "elsewhere")
        check = self.zips(taco_copy, tmp_path, "Object_Models.zip")
        assert (check.status, check.count) == ("problem", 1)


class TestSample:
    """Costly checks use a fixed sample of sequences, or all."""

    def test_only_the_sample_is_read_unless_deep(self, taco_copy, tmp_path):
        for shoot in PLAN:
            faults.cut_pickle(taco_copy, shoot.key)
        for sample in (0, 1, 3):
            check = doctor(taco_copy.root, tmp_path, sample=sample)["hands"]
            assert check.count == sample
            assert check == doctor(taco_copy.root, tmp_path, sample=sample)["hands"]
        assert doctor(taco_copy.root, tmp_path, sample=1, deep=True)["hands"].count == len(PLAN)

    def test_the_sample_is_of_the_split(self, taco_copy, tmp_path):
        faults.cut_pickle(taco_copy, POUR.key)
        assert doctor(taco_copy.root, tmp_path, lines(HIT, MEASURE), sample=4)["hands"].status == "ok"
        assert doctor(taco_copy.root, tmp_path, lines(HIT, POUR), sample=4)["hands"].status == "problem"


class TestNames:
    """Folders with unexpected or duplicate names."""

    def check(self, tree, cache):
        return doctor(tree.root, cache)["names"]

    def test_unexpected_folders_are_reported_and_ignored(self, taco_copy, tmp_path):
        (taco_copy.root / POSES / "pour bowl plate").mkdir()
        (taco_copy.root / POSES / triplet_folder(POUR.triplet) / "take 2").mkdir()
        check = self.check(taco_copy, tmp_path)
        assert (check.status, check.count) == ("warning", 2)
        assert any("pour bowl plate has an unexpected name" in text for text in check.examples)

    def test_a_sequence_of_two_triplets_is_reported(self, taco_copy, tmp_path):
        (taco_copy.root / HANDS / "(empty, cup, bowl)" / HIT.key).mkdir(parents=True)
        assert self.check(taco_copy, tmp_path).examples == (f"sequence {HIT.key} is in folders of several triplets",)

    def test_a_folder_unpacked_twice_is_reported(self, taco_copy, tmp_path):
        inner = taco_copy.root / HANDS / HANDS / triplet_folder(POUR.triplet) / POUR.key
        inner.mkdir(parents=True)
        assert "was unpacked twice" in self.check(taco_copy, tmp_path).examples[0]


def test_sequences_without_egocentric_video_in_the_release_are_reported(taco_copy, tmp_path):
    (taco_copy.root / POSES / triplet_folder(HIT.triplet) / "20231027_132").mkdir()
    check = doctor(taco_copy.root, tmp_path)["ego"]
    assert "20231027_132 has no egocentric video because none was released" in check.examples


def test_a_damaged_review_table_is_a_warning(taco_copy, tmp_path):
    (taco_copy.root / "taco_info.csv").write_bytes(b"\xff\xfe\x00")
    check = doctor(taco_copy.root, tmp_path)["calibration-reviews"]
    assert check.status == "warning"
    assert "taco_info.csv" in check.examples[0]


def test_a_cache_that_cannot_be_written_is_a_problem(taco, tmp_path):
    (tmp_path / "file").touch()
    check = doctor(taco.root, tmp_path / "file" / "cache")["cache"]
    assert check.status == "problem"
    assert "HOIBENCH_CACHE" in check.fix
    assert doctor(taco.root, tmp_path / "new" / "cache")["cache"].status == "ok"
    assert not (tmp_path / "new").exists()


def test_a_crashing_check_does_not_stop_the_others(taco, tmp_path, monkeypatch):
    def check_stars(download):
        yield Check("sky", "clear", "ok", 1)
        raise ZeroDivisionError("no stars")

    monkeypatch.setattr(diagnosis, "CHECKS", (check_stars, *diagnosis.CHECKS))
    checks = doctor(taco.root, tmp_path)
    assert checks["sky"].status == "ok"
    assert checks["stars"].examples == (f"{taco.root} ZeroDivisionError: no stars",)
    assert checks["cache"].status == "ok"


def test_progress_reports_stage_done_and_total(taco, tmp_path):
    calls = []
    diagnose(taco.root, cache=tmp_path, sample=0, on_progress=lambda *step: calls.append(step))
    videos = [(done, total) for stage, done, total in calls if stage == "headers of videos"]
    assert videos == [(done, 4) for done in range(4)]


def test_all_problems_are_reported_and_the_first_five_printed(taco_copy, tmp_path):
    for path in (taco_copy.root / HANDS).rglob("*_hand.pkl"):
        path.unlink()
    check = doctor(taco_copy.root, tmp_path)["hand-files"]
    assert check.count == len(check.problems) == 8
    assert check.problems[0].found == "is missing" and check.problems[0].fix == check.fix
    assert len(check.examples) == 5
    assert all(text.endswith("_hand.pkl is missing") for text in check.examples)


def test_problems_come_first(taco_copy, tmp_path):
    faults.cut_poses(taco_copy, POUR.key)
    statuses = [check.status for check in diagnose(taco_copy.root, cache=tmp_path, sample=0).checks]
    assert statuses == sorted(statuses, key=["problem", "warning", "ok", "skipped"].index)
    assert statuses[0] == "problem"


def test_a_report_is_rendered_as_aligned_lines(tmp_path):
    inventory = Inventory(12, {"Object_Poses": 12, "Hand_Poses": 7}, {RGB: {"22139909": 12}, MARKER_REMOVED: {}})

    def cut(file, fix="unpack them"):
        return Problem(file, "", "is cut", "", fix)

    broken = Check("poses", "poses are damaged", "problem", 2, (cut("a.npy"), cut("b.npy", "delete it")), "unpack them")
    checks = (broken, Check("rigid", "all is rigid", "ok", 12))
    assert (
        format_diagnosis(Diagnosis(tmp_path, inventory, checks))
        == f"""\
TACO at {tmp_path}

12 sequences
  Object_Poses  12
  Hand_Poses     7

videos of camera  Allocentric_RGB_Videos  Marker_Removed_Allocentric_RGB_Videos
  22139909                            12                                      0

problem  poses: poses are damaged (2)
         - a.npy is cut
         - b.npy is cut: delete it
         fix: unpack them
ok       rigid: all is rigid (12)

1 problem, no warnings"""
    )


@pytest.mark.field
def test_the_errata_are_sequences_of_the_official_list_and_in_none_of_egocentric_data(field_data):
    from hoibench.datasets.taco.doctor.videos import ego_errata

    names = ("v1_overall_data_sequences.txt", "v1_egocentric_data_available_sequences.txt")
    overall, egocentric = ((field_data / "taco" / name).read_text() for name in names)
    assert len(ego_errata()) == 6
    assert all(f" {key}\n" in overall for key in ego_errata())
    assert not any(key in egocentric for key in ego_errata())


@pytest.mark.field
def test_the_real_calibration_passes_only_at_its_own_resolution(field_data, taco_copy, tmp_path):
    real = json.loads((field_data / "taco" / "calibration_20230927_027_512x376.json").read_text())
    path = taco_copy.sequence(POUR.key).calibration
    for size, status in (([512, 376], "ok"), ([4096, 3000], "problem")):
        path.unlink()
        path.write_text(json.dumps({serial: {**entry, "imgSize": size} for serial, entry in real.items()}))
        assert doctor(taco_copy.root, tmp_path)["calibration"].status == status
