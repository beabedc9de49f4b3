"""The list of suspect sequences and the pictures of sequences, of the doctor's command."""

import errno
import json

import cv2
import pytest
import taco_faults as faults
from taco_tree import FOUR, HIT

from hoibench.cli.data_doctor import PROBLEMS, doctor_command
from hoibench.datasets.taco.checks import CheckedSequence
from hoibench.datasets.taco.checks.video_fit import find_misfits
from hoibench.datasets.taco.doctor.overlay import draw_overlay, write_overlay
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.recording import Recording
from hoibench.exclusions import Exclusions
from hoibench.store.atomic import WriteError

KEY = HIT.key


def test_suspects_are_listed_with_reasons_and_drawn(taco_copy, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    faults.move_world(taco_copy, KEY)
    faults.bad_calibration_status(taco_copy, KEY, cameras=FOUR[:1])
    options = ["--sample=1", "--suspects", str(tmp_path / "suspects.json"), "--overlay", str(tmp_path / "pictures")]
    assert doctor_command([str(taco_copy.root), *options]) == 0
    assert "video-fit" in capsys.readouterr().out
    (clip,) = Exclusions.read(tmp_path / "suspects.json").clips
    assert clip.id == KEY
    assert "cm away from where calibration and poses put them" in clip.reasons[0]
    assert clip.reasons[-1] == f"has calib_status 'bad_calibration', bad cameras {FOUR[0]} in taco_info.csv"
    assert clip.displacement_cm > 2.0
    assert json.loads((tmp_path / "suspects.json").read_bytes())["source"] == "hoibench data doctor, 1 sequence checked"
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == [f"{KEY}.jpg"]


@pytest.mark.parametrize("flag", ["--suspects", "--overlay"])
def test_nothing_is_written_into_the_download(taco, flag):
    with pytest.raises(ValueError, match=f"{flag} .* is inside the download"):
        doctor_command([str(taco.root), flag, str(taco.root / "new")])


def doctor(tree, *options):
    return doctor_command([str(tree.root), "--sample=1", *map(str, options)])


def test_a_damaged_video_is_a_suspect_and_the_other_cameras_are_drawn(taco_copy, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    path = faults.overwrite_video(taco_copy, KEY, FOUR[0])
    assert doctor(taco_copy, "--suspects", tmp_path / "s.json", "--overlay", tmp_path / "pictures") == PROBLEMS
    assert str(path) in capsys.readouterr().out
    (clip,) = Exclusions.read(tmp_path / "s.json").clips
    assert "damaged" in clip.reasons[0]
    tiles = cv2.imread(str(tmp_path / "pictures" / f"{KEY}.jpg"))
    assert tiles.shape[1] == 2 * 480, "four of five cameras"


def test_a_sequence_that_cannot_be_drawn_is_named(taco, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))

    def fail(*_):
        raise ValueError("1.mp4 is damaged near frame 7")

    monkeypatch.setattr("hoibench.datasets.taco.doctor.overlay.draw_overlay", fail)
    assert doctor(taco, "--suspects", tmp_path / "s.json", "--overlay", tmp_path / "pictures") == PROBLEMS
    assert f"sequence {KEY} cannot be drawn: 1.mp4 is damaged near frame 7" in capsys.readouterr().out
    (clip,) = Exclusions.read(tmp_path / "s.json").clips
    assert clip.reasons == ("cannot be drawn: 1.mp4 is damaged near frame 7",)


def test_a_full_disk_is_no_bug(taco, tmp_path, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))

    def fill_up(path, _data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("hoibench.datasets.taco.doctor.overlay.write_bytes", fill_up)
    with pytest.raises(WriteError, match=rf"cannot write .*{KEY}\.jpg \(No space left on device\)"):
        doctor(taco, "--overlay", tmp_path / "pictures")


def test_a_damaged_table_of_reviews_is_named_before_anything_is_read(taco_copy, tmp_path, monkeypatch):
    monkeypatch.setattr("hoibench.datasets.taco.doctor.diagnosis.diagnose", None)
    (taco_copy.root / "taco_info.csv").write_bytes(b"a,b\n")
    with pytest.raises(ValueError, match=r"taco_info\.csv has no column .*: download it again, or delete it"):
        doctor(taco_copy, "--suspects", tmp_path / "s.json")


def test_the_report_is_printed_even_if_suspects_cannot_be_written(taco, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(Exclusions, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        doctor_command([str(taco.root), "--sample=1", "--suspects", str(tmp_path / "s.json")])
    assert "no problems" in capsys.readouterr().out


class TestOverlay:
    """The picture of a sequence."""

    def checked(self, tree, serials=FOUR[:2]):
        recording = Recording(tree.download, tree.sequence(KEY), ProxyHand())
        return CheckedSequence(recording, {serial: tree.sequence(KEY).video(serial) for serial in serials})

    def test_cameras_that_fit_have_a_green_border_and_their_parts_are_outlined(self, taco):
        picture = draw_overlay(self.checked(taco), ())
        assert picture.shape == (22 + 382, 960, 3)
        assert picture[23, 1].tolist() == picture[23, 481].tolist() == [60, 200, 60]
        for colour in ((0, 255, 255), (255, 0, 255), (255, 225, 0), (60, 255, 60)):
            assert (picture[25:380, 3:477] == colour).all(axis=-1).sum() > 50

    def test_exchanged_cameras_have_a_red_border(self, taco_copy):
        faults.exchange_videos(taco_copy, KEY, FOUR[0], FOUR[2])
        checked = self.checked(taco_copy, FOUR[:3])
        picture = draw_overlay(checked, tuple(find_misfits(checked)))
        top = 3 * 22  # the title and two findings
        assert [picture[top + 1, 1 + 480 * n].tolist() for n in range(2)] == [[255, 60, 60], [60, 200, 60]]

    def test_the_picture_is_named_after_the_sequence(self, taco, tmp_path):
        write_overlay(self.checked(taco, FOUR[:1]), (), tmp_path)
        assert cv2.imread(str(tmp_path / f"{KEY}.jpg")).shape == (22 + 382, 480, 3)
        write_overlay(self.checked(taco, ()), (), tmp_path / "none")
        assert not (tmp_path / "none").exists()


def test_the_doctor_still_refuses(taco_copy, tmp_path, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    faults.exchange_videos(taco_copy, KEY, *FOUR[:2])
    assert doctor_command([str(taco_copy.root), "--sample=1", "--suspects", str(tmp_path / "s.json")]) == PROBLEMS
    assert {clip.id for clip in Exclusions.read(tmp_path / "s.json").clips} == {KEY}
