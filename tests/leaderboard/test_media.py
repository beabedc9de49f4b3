"""Sheets of videos: their frames, marks and names, and what happens to missing and damaged videos."""

import errno
import re
import shutil
import time

import fake_runs
import fake_site
import numpy as np
import pytest
from PIL import Image

from hoibench.results.board import build_boards
from hoibench.results.run_folder import read_run
from leaderboard.build import SiteOptions, build
from leaderboard.clip_choice import choose_clips, typical_clip
from leaderboard.highlights import highlights
from leaderboard.media import MEDIA_FILE, collect_media, remove_stale_files
from leaderboard.sheet import MARK_BLOCKS, MARK_HEIGHT, draw_sheet, frame_mark, tile_size


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with predictions of two clips, its board, the folder of a site, and the media made there."""
    run = fake_site.write_run(tmp_path_factory.mktemp("media") / "run")
    out = tmp_path_factory.mktemp("site")
    board = read_board(run)
    return run, board, out, collect_media(board, [0, 1], out)


def read_board(*runs):
    return build_boards([read_run(run) for run in runs], fake_runs.CARDS)[0]


def row_of(board, method):
    return next(m for m, row in enumerate(board.rows) if row.method.id == method)


def read_tiles(path, media):
    """Return the (N, h + 8, w, 3) tiles of a sheet file."""
    (h, w), sheet = media.tile, np.asarray(Image.open(path).convert("RGB")).astype(int)
    places = [((n // media.grid) * (h + MARK_HEIGHT), (n % media.grid) * w) for n in range(media.frames)]
    return np.stack([sheet[y : y + h + MARK_HEIGHT, x : x + w] for y, x in places])


def test_tile_n_shows_frame_n_and_its_mark(made):
    _, board, out, found = made
    for (m, _), media in found.items():
        place = ["ground_truth", *(method.id for method in fake_site.METHODS)].index(board.rows[m].method.id)
        for view, sheet in enumerate(media.sheets):
            tiles = read_tiles(out / sheet, media)
            background = np.median(tiles[:, : fake_site.HEIGHT], axis=(1, 2))
            colours = [fake_site.frame_colour(place, view, n) for n in range(fake_site.FRAMES)]
            assert np.abs(background - colours).max() <= 7  # half the step from one frame to the next
            w = fake_site.WIDTH
            centres = [(2 * i + 1) * w // (2 * MARK_BLOCKS) for i in range(MARK_BLOCKS)]
            marks = tiles[:, fake_site.HEIGHT + MARK_HEIGHT // 2, centres].mean(axis=-1) > 127
            assert [list(mark) for mark in marks] == [list(frame_mark(n, view)) for n in range(fake_site.FRAMES)]


def test_a_sheet_has_every_frame_once_whatever_their_number():
    for n in (1, 2, 5, 9, 26, 49):
        frames = np.broadcast_to(np.arange(1, n + 1, dtype=np.uint8)[:, None, None, None], (n, 16, 32, 3))
        sheet = draw_sheet(frames, view=2)
        grid = sheet.shape[1] // 32
        assert sheet.shape[0] == -(-n // grid) * (16 + MARK_HEIGHT) and 0 <= grid - n**0.5 < 1
        for i in range(n):
            assert (sheet[i // grid * 24 : i // grid * 24 + 16, i % grid * 32 : i % grid * 32 + 32] == i + 1).all()


def test_marks_of_frames_and_views_differ_and_no_plain_colour_is_a_mark():
    marks = {tuple(frame_mark(n, view)) for n in range(256) for view in range(16)}
    assert len(marks) == 256 * 16
    assert (0,) * MARK_BLOCKS not in marks and (1,) * MARK_BLOCKS not in marks


@pytest.mark.parametrize(
    ("size", "tile"),
    [((480, 720), (214, 320)), ((2160, 4096), (168, 320)), ((15, 17), (28, 32)), ((16000, 2), (640, 32))],
)
def test_tiles_are_even_and_keep_the_shape(size, tile):
    assert tile_size(*size) == tile


def test_a_second_build_writes_nothing_and_a_changed_video_gets_a_new_sheet(made, tmp_path):
    run, _, out, found = made
    before = {path: path.stat().st_mtime_ns for path in (out / "media").iterdir()}
    assert collect_media(read_board(run), [0, 1], out) == found
    assert {path: path.stat().st_mtime_ns for path in (out / "media").iterdir()} == before

    changed = shutil.copytree(run, tmp_path / "run")
    source, target = (
        changed / "predictions" / method / "seed-0" / fake_site.make_clip(0).id for method in ("svimo", "wan2.2")
    )
    shutil.rmtree(target)
    shutil.copytree(source, target)
    board = read_board(changed)
    other = collect_media(board, [0, 1], out)
    m = row_of(board, "wan2.2")
    assert [place for place in found if found[place].sheets != other[place].sheets] == [(m, 0)]
    assert (other[m, 0].problem, other[m, 0].sheets) == (None, found[row_of(board, "svimo"), 0].sheets), (
        "equal videos share their sheets"
    )


def test_sheets_of_the_runs_own_page_are_copied(made, tmp_path):
    run, _, out, found = made
    again = shutil.copytree(run, tmp_path / "run")
    shutil.copytree(out / "media", again / "leaderboard" / "media")
    name = found[0, 0].sheets[0]
    Image.new("RGB", Image.open(out / name).size, "red").save(again / "leaderboard" / name)  # known by its colour
    collect_media(read_board(again), [0], tmp_path / "site")
    assert (tmp_path / "site" / name).read_bytes() == (again / "leaderboard" / name).read_bytes()


def test_an_image_too_large_to_open_is_made_again(made, tmp_path, monkeypatch):
    run = shutil.copytree(made[0], tmp_path / "run")
    shutil.copytree(made[2] / "media", run / "leaderboard" / "media")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    found = collect_media(read_board(run), [0], tmp_path / "site")
    assert {media.problem for media in found.values()} == {None}


def test_a_full_disk_does_not_wait_for_the_sheets_that_are_not_begun(made, tmp_path, monkeypatch):
    begun = []

    def fail(*_):
        begun.append(1)
        time.sleep(0.1 * (len(begun) > 1))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("leaderboard.media._make_sheet", fail)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    with pytest.raises(OSError, match="No space left"):
        collect_media(made[1], [0, 1], tmp_path / "site")
    assert len(begun) < 8  # of 24


def test_missing_and_damaged_predictions_are_problems_in_words(made, tmp_path):
    run = shutil.copytree(made[0], tmp_path / "run")
    svimo, wan, das = (
        run / "predictions" / id / "seed-0" / fake_site.CLIPS[0] for id in ("svimo", "wan2.2", "syncmv4d")
    )
    (svimo / "prediction.json").unlink()
    (wan / "view-1.mp4").write_bytes(b"\0" * (wan / "view-1.mp4").stat().st_size)
    shutil.rmtree(das)
    outside = shutil.copytree(made[0] / "predictions/svimo/seed-0" / fake_site.CLIPS[0], tmp_path / "outside")
    das.symlink_to(outside)
    board = read_board(run)
    found = collect_media(board, [0, 1], tmp_path / "site")
    problems = {board.rows[m].method.id: media.problem for (m, c), media in found.items() if c == 0}
    assert problems["ground_truth"] is None
    assert problems["svimo"] == "no video: run has no complete prediction of this clip"
    assert problems["syncmv4d"] == problems["svimo"], "a folder outside of the run is not read"
    named = f"predictions/wan2.2/seed-0/{fake_site.CLIPS[0]}/view-1.mp4"
    assert problems["wan2.2"].startswith(f"no video: {named} cannot be read as a video")
    assert all(media.problem is None for (_, c), media in found.items() if c == 1)


def test_videos_are_linked_inside_the_run_and_copied_on_request(made, tmp_path):
    run = shutil.copytree(made[0], tmp_path / "run")
    board = read_board(run)
    inside = collect_media(board, [0], run / "leaderboard")
    for media in inside.values():
        assert all((run / "leaderboard" / link).is_file() for link in media.videos) and len(media.videos) == 3
    assert all(media.videos == () for media in made[3].values())
    copied = collect_media(board, [0], tmp_path / "site", copy_videos=True)
    first = copied[row_of(board, "ground_truth"), 0].videos[0]
    folder = run / "predictions/ground_truth/seed-0" / fake_site.CLIPS[0]
    assert (tmp_path / "site" / first).read_bytes() == (folder / "view-0.mp4").read_bytes()
    assert all(MEDIA_FILE.match(path.name) for path in (tmp_path / "site/media").iterdir())


def test_only_stale_files_with_our_names_are_removed(tmp_path):
    names = (
        "0123456789abcdef0123-0.webp",
        "0123456789abcdef0124-0.webp",
        "holiday.webp",
        "0123456789abcdef0124-0.webp.txt",
    )
    for name in names:
        (tmp_path / name).write_text("x")
    (tmp_path / f".tmp-0123abcd-{names[0]}").write_text("of a killed build")
    (tmp_path / "0123456789abcdef0125-0.webp").mkdir()
    assert [path.name for path in remove_stale_files(tmp_path, MEDIA_FILE, {names[0]})] == [names[1]]
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {names[0], *names[2:]}
    assert remove_stale_files(tmp_path / "absent", re.compile("x"), set()) == []


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A board of two methods on 24 clips, with one primary column."""
    metrics = ("dynamic_degree/dis@1", "rpe@1")
    run = fake_runs.write_run(tmp_path_factory.mktemp("board") / "run", fake_runs.METHODS[:2], metrics=metrics)
    cards = fake_runs.CARDS | {"rpe@1": fake_runs.CARDS["rpe@1"].model_copy(update={"primary": True})}
    return build_boards([read_run(run)], cards)[0]


def test_the_typical_clip_has_the_leaders_median_cost(board):
    clip = typical_clip(board)
    assert board.cells[clip.row, clip.column].standing.is_leader and board.columns[clip.column].card.id == "rpe@1"
    cost = board.scores[clip.column].own_cost[clip.row]
    assert (cost < cost[clip.clip]).sum() == 11 and (cost > cost[clip.clip]).sum() == 12


def test_chosen_clips_have_those_that_the_first_page_links_and_are_bounded(board):
    assert choose_clips(board, 0) == () and choose_clips(board, 24) == choose_clips(board, 99) == tuple(range(24))
    chosen = choose_clips(board, 6)
    assert len(chosen) == 6 and list(chosen) == sorted(chosen)
    found = highlights(board, 1)
    linked = {link.clip for _, links in found.worst for link in links} | {link.clip for link in found.disputed}
    assert linked <= {board.clips[c].id for c in chosen} and typical_clip(board).clip in chosen
    assert choose_clips(board, 1) == (typical_clip(board).clip,)


def test_the_number_of_clips_with_media_is_bounded_and_older_files_are_removed(run_with_files, tmp_path):
    def files():
        return {path.name for folder in ("media", "data") for path in (tmp_path / folder).glob("*[0-9a-f]-*")}

    one = build([run_with_files], tmp_path, fake_runs.CARDS, options=SiteOptions(media_clips=1))
    rows = 1 + len(fake_site.METHODS)
    assert sum(name.endswith(".webp") for name in files()) == rows * fake_site.VIEWS
    assert 'class="strip"' in one.read_text() and len([name for name in files() if "-clip-" in name]) == 1
    none = build([run_with_files], tmp_path, fake_runs.CARDS, options=SiteOptions(media_clips=0))
    assert not [name for name in files() if name.endswith(".webp") or "-clip-" in name or name.startswith("p-")]
    assert 'class="strip"' not in none.read_text()
