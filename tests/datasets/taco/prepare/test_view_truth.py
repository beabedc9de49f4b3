import numpy as np

from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.masks import build_masks
from hoibench.datasets.taco.prepare.view_truth import render_truth
from hoibench.datasets.taco.tracks import build_tracks


def test_views_rendered_together_equal_views_rendered_separately(written, clip):
    surfaces, tracks = written.recording.surfaces, clip.tracks
    sights = render_truth(surfaces, tracks.world, np.ones(tracks.world.shape[:2], dtype=bool), clip.cameras)
    for view, (sight, camera) in enumerate(zip(sights, clip.cameras, strict=True)):
        np.testing.assert_array_equal(sight.visible, tracks.visible[view])
        np.testing.assert_array_equal(sight.depth_edge, tracks.depth_edge[view])
        np.testing.assert_array_equal(sight.mask, build_masks(surfaces, [camera])[0])


def test_unrecorded_parts_are_invisible_and_occlude_nothing(written, clip):
    surfaces, cameras = written.recording.surfaces, clip.cameras
    gone = 2
    *hands, tool, target = surfaces
    vertices = tool.vertices.copy()
    vertices[gone, 0] = np.nan
    broken = [*hands, Surface(tool.part, vertices, tool.faces), target]
    tracks = build_tracks(broken, cameras, 128)
    sights = render_truth(broken, tracks.world, tracks.recorded, cameras)
    alone = render_truth([*hands, target], tracks.world, tracks.recorded, cameras)
    for view, sight in enumerate(sights):
        np.testing.assert_array_equal(sight.visible, tracks.visible[view])
        assert not sight.visible[gone, tracks.part == tool.part].any()
        np.testing.assert_array_equal(sight.mask[gone], alone[view].mask[gone])
        assert (sight.mask[0] != alone[view].mask[0]).any()


def test_a_frame_without_recorded_parts_is_empty(written, clip):
    nothing = [Surface(s.part, np.full_like(s.vertices, np.nan), s.faces) for s in written.recording.surfaces]
    assert not build_masks(nothing, clip.cameras).any()
