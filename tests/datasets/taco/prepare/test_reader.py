"""Prepared clips: frames, images, cameras, tracks and masks agree after crop, resampling and encoding."""

import numpy as np
import pytest
from depth_and_part import render_depth_and_part
from scipy.ndimage import maximum_filter, minimum_filter
from taco_pictures import PERIOD, frame_code, is_removed, part_of
from taco_prepare import read_view_record
from taco_tree import FOUR, MEASURE, SHORT, TRIO

from hoibench.clip import CLUSTERS
from hoibench.datasets.numpy_ray_caster import NumpyCaster
from hoibench.datasets.ray_casting import pixel_rays
from hoibench.datasets.surfaces import BACKGROUND, build_frame_mesh
from hoibench.datasets.taco.prepare.format import read_sequence_record
from hoibench.datasets.taco.prepare.reader import read_prepared_clip
from hoibench.datasets.taco.protocol import SIZE, Recipe, choose_window
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.tracks import choose_points, track_points
from hoibench.geometry import project, to_camera

CLIP = Recipe("clip", "raw")
FRAME0_REMOVED = Recipe("frame0", "marker-removed")
SOURCE = FOUR[3]


def record(taco, shoot):
    return Recording(taco.download, taco.download.sequence(shoot.key))


@pytest.fixture(scope="module")
def out(prepared_views):
    return prepared_views(
        "taco-measure",
        (MEASURE.key, FOUR, CLIP),
        (MEASURE.key, TRIO[:1], FRAME0_REMOVED),
        (SHORT.key, TRIO[1:2], CLIP),
    )


@pytest.fixture(scope="module")
def clip(out):
    return read_prepared_clip(out, MEASURE.key, CLIP, TRIO[::-1], SOURCE)


@pytest.fixture(scope="module")
def surfaces(taco):
    return record(taco, MEASURE).surfaces_in(choose_window(181, 30.0).indices)


def pixels_of(clip, view, frame):
    """Pixels (K, 2) and depths (K,) of all tracks in a view."""
    camera = clip.cameras[view]
    points = to_camera(clip.tracks.world[frame].astype(float), camera.R, camera.t)
    return project(points, camera.K), points[:, 2]


def test_facts_of_a_clip(clip):
    assert (clip.id, clip.triplet, clip.fps, clip.frames, clip.size) == (MEASURE.key, MEASURE.triplet, 8.0, 49, SIZE)
    assert clip.prompt == "use the ruler to measure the plate"
    assert (clip.truth, clip.valid_frames) == ("synthetic", None)
    assert [view.id for view in clip.views] == list(TRIO)
    assert tuple(view.cluster for view in clip.views) == CLUSTERS
    assert [view.id for view in clip.source_views] == [SOURCE]
    assert all(len(instance) == 3 for instance in clip.instances)
    assert clip.tracks.world.shape == (49, 1600, 3)
    assert clip.tracks.recorded is None
    for view, frames in zip(clip.views, clip.video, strict=True):
        np.testing.assert_array_equal(view.image, frames[0])


def test_each_frame_is_the_protocols_source_frame(clip):
    indices = choose_window(181, 30.0).indices
    videos = [*clip.video, *clip.load_source_videos()]
    assert len(videos) == 4
    for video in videos:
        assert video.shape == (49, *SIZE, 3)
        assert [frame_code(picture[::8, ::8]) for picture in video] == [index % PERIOD for index in indices]
        assert not is_removed(video[0])


def landing(taco, clip, shoot, pairs):
    """Of the visible tracks in (view, frame) pairs: how many there are, how many have a pixel of their part within one pixel of where they land, how
    many land away from all outlines, and how many of these on their own part.

    The picture is the plain caster's, at pixel centres.  A track less than a pixel from an outline may round to the pixel beyond.
    """
    counts = np.zeros(4, dtype=int)
    for view, frame in pairs:
        recording, camera = record(taco, shoot), clip.cameras[view]
        mesh = build_frame_mesh(recording.surfaces_in([choose_window(shoot.frames, 30.0).indices[frame]]), 0)
        hits = NumpyCaster(mesh.corners).cast(*pixel_rays(camera))
        picture = np.full(len(hits.face), BACKGROUND, dtype=np.uint8)
        picture[hits.is_hit] = mesh.part[hits.face[hits.is_hit]]
        around = np.pad(picture.reshape(SIZE), 1, mode="edge")
        visible = clip.tracks.visible[view, frame]
        u, v = np.rint(pixels_of(clip, view, frame)[0][visible]).astype(int).T
        nine = np.stack([around[v + dv, u + du] for dv in range(3) for du in range(3)])
        inside, own = (nine == nine[4]).all(axis=0), nine == clip.tracks.part[visible]
        counts += [visible.sum(), own.any(axis=0).sum(), inside.sum(), (inside & own[4]).sum()]
    return counts


def test_visible_tracks_land_on_the_rendered_part(clip, out, taco):
    """At least 99.5 % are on a pixel of their part, or next to one at an outline; most are at no outline."""
    short = read_prepared_clip(out, SHORT.key, CLIP, TRIO[1:2])
    counts = landing(taco, clip, MEASURE, [(0, 0), (2, 30)]) + landing(taco, short, SHORT, [(0, 12)])
    visible, within_a_pixel, inside, on_part = counts.tolist()
    assert visible > 1900
    assert within_a_pixel >= 0.995 * visible
    assert inside >= 0.8 * visible
    assert on_part >= 0.995 * inside


def test_the_video_shows_the_part_of_every_track_away_from_outlines(clip, surfaces):
    """The pictures are a tenth of the clip's size, so an outline blurs over some pixels of the clip."""
    blur = 25
    same, sure = 0, 0
    for frame in range(0, 49, 12):
        mesh = build_frame_mesh(surfaces, frame)
        for view, camera in enumerate(clip.cameras):
            part = render_depth_and_part(mesh, camera)[1]
            flat = maximum_filter(part, blur) == minimum_filter(part, blur)
            u, v = np.rint(pixels_of(clip, view, frame)[0][clip.tracks.visible[view, frame]]).astype(int).T
            inside = (u >= 0) & (v >= 0) & (u < SIZE[1]) & (v < SIZE[0])
            u, v = u[inside], v[inside]
            shown = part_of(clip.video[view, frame][v, u])[flat[v, u]]
            same += (shown == clip.tracks.part[clip.tracks.visible[view, frame]][inside][flat[v, u]]).sum()
            sure += len(shown)
    assert sure > 1000
    assert same >= 0.995 * sure


def test_visibility_is_that_of_the_plain_z_buffer(clip, surfaces):
    agree = []
    for view, frame in ((0, 0), (1, 24), (2, 48)):
        camera = clip.cameras[view]
        pixels, depth = pixels_of(clip, view, frame)
        inside = ((pixels >= -0.5) & (pixels < [SIZE[1] - 0.5, SIZE[0] - 0.5])).all(axis=1)
        rays = np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(camera.K).T @ camera.R
        first = NumpyCaster(build_frame_mesh(surfaces, frame).corners).cast(-camera.R.T @ camera.t, rays).depth
        agree.append((clip.tracks.visible[view, frame] == (inside & (first >= depth - 1e-4))).mean())
    assert min(agree) >= 0.99


def test_masks_cover_the_parts_and_little_else(clip, surfaces):
    for frame in (0, 30):
        mesh = build_frame_mesh(surfaces, frame)
        for view, camera in enumerate(clip.cameras):
            there = render_depth_and_part(mesh, camera)[1] != BACKGROUND
            np.testing.assert_array_equal(clip.masks[view, frame], maximum_filter(there, 5, mode="constant"))


def test_the_crop_holds_all_of_the_truth_that_the_camera_sees(clip, out, taco):
    for view, camera in zip(clip.views, clip.cameras, strict=True):
        facts = read_view_record(out, MEASURE.key, CLIP, view.id)
        assert facts.video.size == taco.size
        native = taco.camera(MEASURE.key, view.id)
        for frame in (0, 48):
            points = clip.tracks.world[frame].astype(float)
            there = project(to_camera(points, native.R, native.t), native.K)
            share = (there + 0.5 - facts.box[1::-1]) / facts.box[:1:-1]
            here = project(to_camera(points, camera.R, camera.t), camera.K)
            np.testing.assert_allclose(here, share * SIZE[::-1] - 0.5, atol=1e-3)
            in_picture = ((there > -0.5) & (there < np.array(taco.size[::-1]) - 0.5)).all(axis=1)
            assert ((share >= 0) & (share <= 1)).all(axis=1)[in_picture].all()


def test_a_recipe_is_followed(out):
    wide = read_view_record(out, MEASURE.key, CLIP, TRIO[0])
    first = read_view_record(out, MEASURE.key, FRAME0_REMOVED, TRIO[0])
    assert wide.box != first.box
    video = read_prepared_clip(out, MEASURE.key, FRAME0_REMOVED, TRIO[:1]).video[0]
    assert is_removed(video[0])
    assert is_removed(video[-1])


def test_a_short_recording_repeats_its_last_frame_and_has_valid_frames(out):
    clip = read_prepared_clip(out, SHORT.key, CLIP, TRIO[1:2])
    assert clip.valid_frames == 24
    assert clip.source_views == clip.load_source_videos() == ()
    facts = read_sequence_record(out, SHORT.key)
    assert (facts.frames, facts.valid_frames, facts.source_frames[23:26]) == (90, 24, (86, 89, 89))
    for values in (clip.tracks.world, clip.tracks.visible[0], clip.masks[0]):
        np.testing.assert_array_equal(values[25:], np.broadcast_to(values[24], values[25:].shape))
    assert [frame_code(picture[::8, ::8]) for picture in clip.video[0]] == [
        index % PERIOD for index in facts.source_frames
    ]


def test_the_tracks_of_the_padding_are_those_of_the_recordings_last_frame(out, taco):
    recording = record(taco, SHORT)
    at_once = recording.surfaces_in([0, 89])
    world, part = track_points(choose_points(at_once, 1600), at_once)
    clip = read_prepared_clip(out, SHORT.key, CLIP, TRIO[1:2])
    np.testing.assert_array_equal(clip.tracks.world[[0, 24]], world)
    np.testing.assert_array_equal(clip.tracks.part, part)
