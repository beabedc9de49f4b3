"""``hoibench export``, read back by rerun's own reader."""

import shutil
import sys
from dataclasses import replace

import fake_site
import numpy as np
import pytest

from hoibench.cli.main import main
from hoibench.clip_file import clip_folder, read_clip
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.true_tracks import cameras_to_world
from hoibench.predictions import read_prediction

CLIP = fake_site.CLIPS[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fake_site.write_run(tmp_path_factory.mktemp("export") / "run")


@pytest.fixture
def read():
    """A function that reads a file: {entity: {column: [a value per row]}}, with the column ``frame`` for entities on that timeline."""
    pytest.importorskip("rerun", reason="rerun is not installed: pip install 'hoibench[rerun]'")
    from rerun.chunk import RrdReader

    def read_file(path):
        entities = {}
        for chunk in RrdReader(path).stream().to_chunks():
            if not chunk.entity_path.startswith("/__"):
                name = chunk.entity_path.replace("\\", "")  # which escapes - and +
                entities.setdefault(name, {}).update(chunk.to_record_batch().to_pydict())
        return entities

    return read_file


def export(run, tmp_path, *flags):
    out = tmp_path / "clip.rrd"
    assert main(["export", str(run), "--clip", CLIP, "--out", str(out), *flags]) == 0
    return out


def test_reruns_reader_finds_videos_cameras_and_points_on_one_timeline(run, read, tmp_path, capsys):
    file = read(export(run, tmp_path))
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == str(tmp_path / "clip.rrd")
    assert "wan2.2: no points: the method gives no points" in captured.err
    views = [f"cam-{v}" for v in range(fake_site.VIEWS)]
    on_timeline = {name for name, columns in file.items() if "frame" in columns}
    assert on_timeline == {
        "/world/truth",
        *(f"/world/{method}/{view}" for method in ("syncmv4d", "svimo") for view in views),
        *(f"/videos/{method}/{view}" for method in ("syncmv4d", "svimo", "wan2.2") for view in views),
    }
    assert all(file[name]["frame"] == list(range(fake_site.FRAMES)) for name in on_timeline)
    assert set(file) - on_timeline == {"/world", *(f"/world/cameras/{view}" for view in views)}
    first = run / "predictions" / "svimo" / "seed-0" / CLIP / "view-0.mp4"
    assert bytes(file["/videos/svimo/cam-0"]["AssetVideo:blob"][0][0]) == first.read_bytes()


def test_points_and_cameras_are_those_of_the_metrics(run, read, tmp_path):
    file = read(export(run, tmp_path, "--method", "svimo"))
    assert not any("syncmv4d" in name for name in file)
    clip = read_clip(clip_folder(run, CLIP))
    stored = read_prediction(run / "predictions" / "svimo" / "seed-0" / CLIP)
    motion = align_motion(Case(replace(stored, video=None), clip, "anchor"))
    world = cameras_to_world(motion.pred.xyz, motion.truth.cameras)
    frame, view = 5, 1
    shown = motion.pred.valid[view, frame] & motion.truth.visible[view, 0]
    found = file["/world/svimo/cam-1"]["Points3D:positions"][frame]
    np.testing.assert_allclose(found, world[view, frame, shown], atol=1e-6)
    np.testing.assert_allclose(file["/world/truth"]["Points3D:positions"][frame], clip.tracks.world[frame], atol=1e-6)
    camera = clip.cameras[view]
    (centre,) = file["/world/cameras/cam-1"]["Transform3D:translation"][0]
    np.testing.assert_allclose(centre, -camera.R.T @ camera.t, atol=1e-6)
    (intrinsics,) = file["/world/cameras/cam-1"]["Pinhole:image_from_camera"][0]
    np.testing.assert_allclose(np.reshape(intrinsics, (3, 3)).T, camera.K, atol=1e-4)  # stored column by column


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--clip", "20231001_00"], f"did you mean {CLIP}"),
        (["--clip", CLIP, "--method", "syncmv4"], "did you mean syncmv4d"),
        (["--clip", CLIP, "--method", "syncmv4d", "--seed", "2"], "no complete prediction of syncmv4d on"),
        (["--clip", CLIP, "--seed", "2"], "no complete prediction of a method on"),
        (["--clip", CLIP, "--out", "clip.txt"], "ends with .rrd"),
    ],
)
def test_wrong_arguments_are_named(run, tmp_path, capsys, flags, message):
    assert main(["export", str(run), "--out", str(tmp_path / "x.rrd"), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_damaged_video_is_named(run, read, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "run")
    video = copy / "predictions" / "svimo" / "seed-0" / CLIP / "view-1.mp4"
    video.write_bytes(bytes(video.stat().st_size))
    assert main(["export", str(copy), "--clip", CLIP, "--out", str(tmp_path / "x.rrd"), "--method", "svimo"]) == 2
    assert f"{video} cannot be read as a video" in capsys.readouterr().err


def test_a_run_without_stored_clips_names_the_fix(tmp_path, capsys):
    run = fake_site.write_run(tmp_path / "run")
    (run / "clips" / CLIP / "clip.json").unlink()
    assert main(["export", str(run), "--clip", CLIP, "--out", str(tmp_path / "x.rrd")]) == 2
    assert f"`hoibench score {run}` adds the clips" in capsys.readouterr().err


def test_without_rerun_the_message_has_the_extra(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert main(["export", str(run), "--clip", CLIP, "--out", str(tmp_path / "x.rrd")]) == 2
    assert "rerun is not installed: pip install 'hoibench[rerun]'" in capsys.readouterr().err
