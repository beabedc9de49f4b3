"""The 4D view and the curves in a real browser: they show the frame of the player's clock, and the points where Python has them."""

from dataclasses import replace

import fake_site
import numpy as np
import pytest
from frame_marks import read_marks
from playwright.sync_api import expect

from hoibench.clip_file import clip_folder, read_clip
from hoibench.geometry import project, to_camera
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.true_tracks import build_true_tracks
from hoibench.predictions import read_prediction
from leaderboard.points import choose_points

pytestmark = pytest.mark.browser

AROUND = 15
"""The view in the frame mark while no camera of the clip looks."""
METHODS = [method.id for method in fake_site.METHODS]


@pytest.fixture
def page(visit, site_with_files):
    page = visit(
        f"{(site_with_files.parent / 'clip.html').as_uri()}#board=1&clip={fake_site.CLIPS[0]}&rows={','.join(METHODS)}"
    )
    expect(page.locator(".picture[data-state=ready]")).to_have_count(1)
    expect(page.locator(".frame[data-state=loading]")).to_have_count(0)
    page.evaluate("document.querySelector('#clip').classList.add('show-mark'); ({ scene, player } = hoibench)")
    return page


def mark(page):
    (found,) = read_marks(page, ".scene canvas")
    return found


def choose(page, name, value):
    page.locator(f".scene select[name={name}]").select_option(value)


def test_one_scrubber_moves_the_videos_and_the_points_to_the_same_frame(page, screenshot):
    for frame in (7, 0, fake_site.FRAMES - 1):
        page.locator("input[name=frame]").fill(str(frame))
        assert {found for found, _ in read_marks(page, "#clip canvas")} == {frame}
        assert mark(page) == (frame, AROUND)
    choose(page, "look", "1")
    assert mark(page) == (fake_site.FRAMES - 1, 1)
    assert (
        page.locator(".export").inner_text().endswith(f"hoibench export RUN --clip {fake_site.CLIPS[0]} --out clip.rrd")
    )
    label = page.locator(".scene canvas").get_attribute("aria-label")
    assert label.startswith("Points of ") and label.endswith(", the truth from camera cam-1, frame 11 of 12")
    screenshot(page, "scene")


def test_a_view_s_camera_sees_the_points_where_python_projects_them(page, run_with_files):
    clip = read_clip(clip_folder(run_with_files, fake_site.CLIPS[0]))
    chosen = choose_points(build_true_tracks(clip))
    width, frame, view = 480, 5, 2
    scale, height = width / fake_site.WIDTH, 400
    top = (height - scale * fake_site.HEIGHT) / 2
    found = page.evaluate(
        """([view, frame, width, height]) => {
          const { clip, truth } = scene, camera = hoibench.Pinhole.fromView(clip.views[view], clip.size, frame, { width, height });
          return Array.from({ length: truth.points }, (_, k) => {
            camera.project(truth.xyz, 3 * (frame * truth.points + k));
            return [camera.u, camera.v, camera.z];
          });
        }""",
        [view, frame, width, height],
    )
    camera = clip.cameras[view]
    points = to_camera(clip.tracks.world[frame, chosen].astype(float), camera.R, camera.t)
    pixels = scale * (project(points, camera.K) + 0.5) + (0, top)
    np.testing.assert_allclose(found, np.concatenate([pixels, points[:, 2:]], axis=1), atol=0.02)


def test_colours_tell_the_distance_to_the_truth(page, run_with_files):
    choose(page, "colour", "error")
    view = 1
    found = page.evaluate(
        """v => {
          const cloud = scene.clouds[0], colour = (n, k) => scene.colourOf(cloud, k, 3 * ((v * cloud.frames + n) * cloud.points + k), n);
          return Array.from({ length: cloud.frames }, (_, n) => Array.from({ length: cloud.points }, (_, k) => colour(n, k)));
        }""",
        view,
    )
    clip = read_clip(clip_folder(run_with_files, fake_site.CLIPS[0]))
    stored = read_prediction(run_with_files / "predictions" / "syncmv4d" / "seed-0" / clip.id)
    motion = align_motion(Case(replace(stored, video=None), clip))
    distance = np.linalg.norm(motion.pred.xyz - motion.truth.points, axis=-1)[view][:, choose_points(motion.truth)]
    bins = np.searchsorted([0.5, 1, 2, 4, 8, 16, 32], 100 * distance, side="right")
    assert len(set(bins.ravel())) > 2
    assert found == (1 + 4 + 4 + bins).tolist()  # after the truth, the methods and the parts
    assert page.locator(".error-colours li").count() == 8
    assert page.locator(".error-colours").is_visible() and page.locator(".part-colours").is_hidden()


def test_the_keyboard_turns_zooms_and_looks_from_cameras(page):
    canvas = page.locator(".scene canvas")
    canvas.focus()
    view = "scene.view === null ? [scene.orbit.azimuth, scene.orbit.elevation, scene.orbit.distance] : scene.view"
    before = page.evaluate(view)
    for key in ("ArrowRight", "ArrowUp", "+"):
        page.keyboard.press(key)
    after = page.evaluate(view)
    assert after[0] > before[0] and after[1] > before[1] and after[2] < before[2]
    page.keyboard.press("3")
    assert page.evaluate(view) == 2
    assert page.locator(".scene select[name=look]").input_value() == "2"
    page.keyboard.press("ArrowLeft")  # leaves the camera, and goes on from where it stood
    azimuth = page.evaluate(view)[0]
    page.evaluate("scene.orbit.lookFrom(hoibench.cameraCentre(scene.clip.views[2], 0))")
    assert azimuth == pytest.approx(page.evaluate(view)[0] - 0.1)
    page.keyboard.press("2")
    page.keyboard.press("0")
    assert page.evaluate("scene.view") is None


def test_the_view_stays_when_other_methods_are_chosen(page):
    page.locator(".scene canvas").focus()
    for key in ("ArrowRight", "ArrowDown", "-"):
        page.keyboard.press(key)
    view = "[scene.orbit.azimuth, scene.orbit.elevation, scene.orbit.distance]"
    before = page.evaluate(view)
    page.locator("[name=row]:checked").last.uncheck()
    expect(page.locator(".alignments li")).to_have_count(3)
    page.locator(".picture[data-state=ready]").wait_for()
    assert page.evaluate(view) == before


def test_the_orbit_stands_where_a_camera_stood_and_keeps_up_upright(page):
    """From the place of each view, the points appear as its own camera sees them, but for zoom and centring."""
    found = page.evaluate(
        """() => scene.clip.views.map(view => {
          const centre = hoibench.cameraCentre(view, 0), { orbit } = scene;
          orbit.lookFrom(centre);
          const { R } = orbit.camera({ width: 300, height: 200 });
          return R.map((axis, a) => axis.reduce((sum, x, i) => sum + x * view.R[a][i], 0));
        })"""
    )
    np.testing.assert_array_less(0.97, np.array(found))  # the axes of both cameras nearly agree


def test_curves_have_a_cursor_on_the_clock_and_a_click_seeks(page):
    figure = page.locator(".curves svg")
    assert page.locator(".curves path").count() == 2
    assert figure.get_attribute("aria-label").endswith(": SyncMV4D from 0.00 to 7.22; SViMo from 1.4 to 14.4")
    box = figure.bounding_box()
    figure.click(position={"x": box["width"] - 2, "y": 40})
    assert page.evaluate("player.frame") == fake_site.FRAMES - 1
    assert mark(page) == (fake_site.FRAMES - 1, AROUND)
    last = float(page.locator(".curves .cursor").get_attribute("x1"))
    page.evaluate("player.seek(0)")
    assert float(page.locator(".curves .cursor").get_attribute("x1")) < last


def test_a_clip_without_points_says_why(page):
    page.evaluate(
        "clip => scene.show(clip, [{key: 'a', name: 'A'}])",
        {"views": [], "truth": None, "rows": {"a": {"points": None, "alignment": "no points: <b>lost</b>"}}},
    )
    words = page.locator(".picture p")
    assert words.inner_text() == "no points: <b>lost</b>"
    assert page.locator(".export").is_hidden()
    assert words.is_visible() and page.locator(".scene canvas").is_hidden()
    assert page.locator(".scene b").count() == 0
