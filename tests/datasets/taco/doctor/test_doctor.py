"""What the doctor says of sound, partial and odd downloads; single faults are in test_faults.py."""

import json

import pytest
import taco_faults as faults
from taco_tree import FOUR, HIT, MEASURE, PLAN, POUR, SHORT, TWELVE

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import SplitLine, VersionedSplit
from hoibench.datasets.taco.doctor import Check, Diagnosis, Inventory, diagnose, diagnosis, render
from hoibench.datasets.taco.doctor.listing import modalities
from hoibench.datasets.taco.download import EGO_RGB, HANDS, MARKER_REMOVED, POSES, RGB, triplet_folder
from hoibench.problems import Problem


def lines(*shoots, serials=FOUR[:3], source=FOUR[3], video="raw"):
    recipe = {"crop": "clip", "video": video}
    return [SplitLine(ClipEntry(s.key, s.triplet, camera_ids=serials), source, recipe) for s in shoots]


def doctor(root, cache, wanted=(), sample=0, **options) -> dict[str, Check]:
    """Check by id; no sequence is read whole unless asked for, since hands take long to unpickle."""
    return {check.id: check for check in diagnose(root, wanted, cache=cache, sample=sample, **options).checks}


def test_a_sound_tree_has_no_problem_and_is_told_what_is_odd(taco, tmp_path):
    report = diagnose(taco.root, lines(*PLAN), cache=tmp_path)
    assert report.healthy
    assert {check.id for check in report.of("warning")} == {"length", "ego"}
    assert {check.id for check in report.of("skipped")} == {"zips", "verdicts"}
    text = render(report)
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


def test_a_folder_that_is_none_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder"):
        diagnose(tmp_path / "nowhere")


def test_folders_of_sequences_without_a_video_are_told(taco_copy, tmp_path):
    for path in (taco_copy.root / RGB).rglob("*.mp4"):
        path.unlink()
    check = doctor(taco_copy.root, tmp_path)["folders"]
    assert check.status == "problem"
    assert check.examples == (f"{taco_copy.root / RGB} holds no SERIAL.mp4 of any camera: unpack its zips again",)


def test_an_empty_folder_lacks_everything(tmp_path):
    report = diagnose(tmp_path, lines(POUR), cache=tmp_path)
    (folders, split) = report.of("problem")
    assert (folders.id, folders.count) == ("folders", 5)
    assert "download Object_Models.zip" in render(report)
    assert (split.id, split.count) == ("split", 1)
    assert f"download {RGB}/{FOUR[0]}.zip" in render(report)


class TestSplit:
    """What a split needs and does not find."""

    def test_one_clip_of_the_shipped_split_can_be_made(self, taco, tmp_path):
        check = doctor(taco.root, tmp_path, VersionedSplit("taco-syncmv4d@1").lines("test"))["split"]
        assert check.title == "1 of 84 clips of the split can be made"
        assert (check.status, check.count) == ("warning", 83)

    def test_a_camera_that_is_missing_is_told_with_the_clips_that_need_it(self, taco_copy, tmp_path):
        for shoot in PLAN:
            faults.drop_camera(taco_copy, shoot.key, FOUR[0])
        faults.drop_camera(taco_copy, POUR.key, FOUR[1])
        faults.drop_camera(taco_copy, HIT.key, FOUR[3])
        check = doctor(taco_copy.root, tmp_path, lines(*PLAN))["split"]
        assert (check.status, check.count) == ("problem", 4)
        assert check.examples == (
            f"{RGB}/{FOUR[0]}.zip is lacking in 4 of 4 clips: download {RGB}/{FOUR[0]}.zip",
            f"{RGB}/{FOUR[1]}.zip is lacking in 1 of 4 clips: unpack the rest of {RGB}/{FOUR[1]}.zip",
            f"{RGB}/{FOUR[3]}.zip is lacking as the source of video-to-video methods in 1: unpack the rest of {RGB}/{FOUR[3]}.zip",
        )

    def test_a_missing_source_alone_stops_no_clip(self, taco_copy, tmp_path):
        faults.drop_camera(taco_copy, HIT.key, FOUR[3])
        check = doctor(taco_copy.root, tmp_path, lines(*PLAN))["split"]
        assert (check.status, check.count) == ("warning", 0)
        assert "can be made" in check.title

    def test_a_camera_that_no_clip_needs_is_not_missed(self, taco_copy, tmp_path):
        faults.drop_camera(taco_copy, POUR.key, TWELVE[0])
        assert doctor(taco_copy.root, tmp_path, lines(*PLAN))["split"].status == "ok"

    def test_marker_removed_clips_need_the_other_videos(self, taco, tmp_path):
        checks = doctor(taco.root, tmp_path, lines(*PLAN, video="marker-removed"))
        assert checks["split"].count == 1
        assert checks["split"].examples[0].startswith(f"{MARKER_REMOVED}/{FOUR[0]}.zip is lacking in 1 of 4 clips")

    def test_without_videos_of_a_kind_that_is_not_wanted_nothing_is_missing(self, taco_copy, tmp_path):
        faults.drop_modality(taco_copy, RGB)
        wanted = lines(POUR, MEASURE, video="marker-removed")
        assert doctor(taco_copy.root, tmp_path, wanted)["folders"].status == "ok"
        assert doctor(taco_copy.root, tmp_path, lines(POUR))["folders"].status == "problem"

    def test_a_sequence_without_hands_is_counted(self, taco_copy, tmp_path):
        for path in taco_copy.sequence(HIT.key).folder(HANDS).iterdir():
            path.unlink()
        taco_copy.sequence(HIT.key).folder(HANDS).rmdir()
        checks = doctor(taco_copy.root, tmp_path, lines(*PLAN))
        assert checks["split"].examples == (f"{HANDS}.zip is lacking in 1 of 4 clips: unpack the rest of {HANDS}.zip",)
        assert checks["sequences"].examples == (f"{HANDS} lacks 1 of 4 sequences, the first is {HIT.key}",)


class TestZips:
    """Zips that lie in a download, unpacked or not."""

    def zips(self, tree, cache, *names):
        for name in names:
            (tree.root / name).touch()
        return doctor(tree.root, cache)["zips"]

    def test_zips_that_are_kept_after_unpacking_are_no_fault(self, taco_copy, tmp_path):
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
    def test_a_zip_of_which_nothing_is_there_is_named(self, taco_copy, tmp_path, name, status):
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
    """Costly checks look at a few sequences, always the same, or at all."""

    def test_only_the_sample_is_read_unless_asked_for_all(self, taco_copy, tmp_path):
        for shoot in PLAN:
            faults.cut_pickle(taco_copy, shoot.key)
        for sample in (0, 1, 3):
            check = doctor(taco_copy.root, tmp_path, sample=sample)["hands"]
            assert check.count == sample
            assert check == doctor(taco_copy.root, tmp_path, sample=sample)["hands"]
        assert doctor(taco_copy.root, tmp_path, sample=1, deep=True)["hands"].count == len(PLAN)

    def test_it_is_of_the_clips_that_are_wanted(self, taco_copy, tmp_path):
        faults.cut_pickle(taco_copy, POUR.key)
        assert doctor(taco_copy.root, tmp_path, lines(HIT, MEASURE), sample=4)["hands"].status == "ok"
        assert doctor(taco_copy.root, tmp_path, lines(HIT, POUR), sample=4)["hands"].status == "problem"


class TestNames:
    """Folders that are named like none of TACO's, or twice."""

    def check(self, tree, cache):
        return doctor(tree.root, cache)["names"]

    def test_strays_are_told_and_passed_over(self, taco_copy, tmp_path):
        (taco_copy.root / POSES / "pour bowl plate").mkdir()
        (taco_copy.root / POSES / triplet_folder(POUR.triplet) / "take 2").mkdir()
        check = self.check(taco_copy, tmp_path)
        assert (check.status, check.count) == ("warning", 2)
        assert any("pour bowl plate is named like no folder" in text for text in check.examples)

    def test_a_sequence_under_two_triplets_is_told(self, taco_copy, tmp_path):
        (taco_copy.root / HANDS / "(empty, cup, bowl)" / HIT.key).mkdir(parents=True)
        assert self.check(taco_copy, tmp_path).examples == (f"sequence {HIT.key} lies under more than one triplet",)

    def test_a_folder_unpacked_twice_is_told(self, taco_copy, tmp_path):
        inner = taco_copy.root / HANDS / HANDS / triplet_folder(POUR.triplet) / POUR.key
        inner.mkdir(parents=True)
        assert "was unpacked twice" in self.check(taco_copy, tmp_path).examples[0]


def test_sequences_that_the_official_list_errs_about_are_told(taco_copy, tmp_path):
    (taco_copy.root / POSES / triplet_folder(HIT.triplet) / "20231027_132").mkdir()
    check = doctor(taco_copy.root, tmp_path)["ego"]
    assert "20231027_132 has no egocentric video: none was released" in check.examples


def test_a_broken_table_of_the_mirrors_is_a_warning(taco_copy, tmp_path):
    (taco_copy.root / "taco_info.csv").write_bytes(b"\xff\xfe\x00")
    check = doctor(taco_copy.root, tmp_path)["verdicts"]
    assert check.status == "warning"
    assert "taco_info.csv" in check.examples[0]


def test_a_cache_that_cannot_be_written_is_a_problem(taco, tmp_path):
    (tmp_path / "file").touch()
    check = doctor(taco.root, tmp_path / "file" / "cache")["cache"]
    assert check.status == "problem"
    assert "HOIBENCH_CACHE" in check.fix
    assert doctor(taco.root, tmp_path / "new" / "cache")["cache"].status == "ok"
    assert not (tmp_path / "new").exists()


def test_a_check_that_nobody_foresaw_to_fail_stops_no_other(taco, tmp_path, monkeypatch):
    def check_stars(download):
        yield Check("sky", "clear", "ok", 1)
        raise ZeroDivisionError("no stars")

    monkeypatch.setattr(diagnosis, "_CHECKS", (check_stars, *diagnosis._CHECKS))
    checks = doctor(taco.root, tmp_path)
    assert checks["sky"].status == "ok"
    assert checks["stars"].examples == (f"{taco.root} ZeroDivisionError: no stars",)
    assert checks["cache"].status == "ok"


def test_progress_tells_what_is_looked_at_and_how_much_is_left(taco, tmp_path):
    told = []
    diagnose(taco.root, cache=tmp_path, sample=0, on_progress=lambda *step: told.append(step))
    videos = [(done, total) for what, done, total in told if what == "heads of videos"]
    assert videos == [(done, 4) for done in range(4)]


def test_all_problems_are_reported_and_the_first_five_printed(taco_copy, tmp_path):
    for path in (taco_copy.root / HANDS).rglob("*_hand.pkl"):
        path.unlink()
    check = doctor(taco_copy.root, tmp_path)["hand-files"]
    assert check.count == len(check.problems) == 8
    assert check.problems[0].found == "is missing" and check.problems[0].fix == check.fix
    assert len(check.examples) == 5
    assert all(text.endswith("_hand.pkl is missing") for text in check.examples)


def test_checks_come_with_problems_first(taco_copy, tmp_path):
    faults.cut_poses(taco_copy, POUR.key)
    statuses = [check.status for check in diagnose(taco_copy.root, cache=tmp_path, sample=0).checks]
    assert statuses == sorted(statuses, key=["problem", "warning", "ok", "skipped"].index)
    assert statuses[0] == "problem"


def test_a_report_reads_as_aligned_lines(tmp_path):
    inventory = Inventory(12, {"Object_Poses": 12, "Hand_Poses": 7}, {RGB: {"22139909": 12}, MARKER_REMOVED: {}})

    def cut(file, fix="unpack them"):
        return Problem(file, "", "is cut", "", fix)

    broken = Check("poses", "poses are broken", "problem", 2, (cut("a.npy"), cut("b.npy", "delete it")), "unpack them")
    checks = (broken, Check("rigid", "all is rigid", "ok", 12))
    assert (
        render(Diagnosis(tmp_path, inventory, checks))
        == f"""\
TACO at {tmp_path}

12 sequences
  Object_Poses  12
  Hand_Poses     7

videos of camera  Allocentric_RGB_Videos  Marker_Removed_Allocentric_RGB_Videos
  22139909                            12                                      0

problem  poses: poses are broken (2)
         - a.npy is cut
         - b.npy is cut: delete it
         fix: unpack them
ok       rigid: all is rigid (12)

1 problem, no warnings"""
    )


@pytest.mark.field
def test_the_errata_are_sequences_of_the_official_list_and_in_none_of_egocentric_data(field_data):
    from hoibench.datasets.taco.doctor.videos import _ego_errata

    names = ("v1_overall_data_sequences.txt", "v1_egocentric_data_available_sequences.txt")
    overall, egocentric = ((field_data / "taco" / name).read_text() for name in names)
    assert len(_ego_errata()) == 6
    assert all(f" {key}\n" in overall for key in _ego_errata())
    assert not any(key in egocentric for key in _ego_errata())


@pytest.mark.field
def test_the_real_calibration_passes_beside_its_own_resolution_alone(field_data, taco_copy, tmp_path):
    real = json.loads((field_data / "taco" / "calibration_20230927_027_512x376.json").read_text())
    path = taco_copy.sequence(POUR.key).calibration
    for size, status in (([512, 376], "ok"), ([4096, 3000], "problem")):
        path.unlink()
        path.write_text(json.dumps({serial: {**entry, "imgSize": size} for serial, entry in real.items()}))
        assert doctor(taco_copy.root, tmp_path)["calibration"].status == status
