import numpy as np
import pytest
from depth_and_part import render_depth_and_part

from hoibench.datasets.numpy_ray_caster import NumpyCaster
from hoibench.datasets.ray_casting import pixel_rays
from hoibench.datasets.surfaces import BACKGROUND, FrameMesh, build_frame_mesh
from hoibench.datasets.synthetic import render
from hoibench.datasets.synthetic.cameras import TRIO, build_camera
from hoibench.datasets.synthetic.materials import build_textured_surfaces
from hoibench.datasets.synthetic.render import SAMPLES, RenderScene, RenderView
from hoibench.datasets.synthetic.texture import albedo

SIZE = (24, 36)


@pytest.fixture(scope="module")
def surfaces(written):
    return build_textured_surfaces(written.scene, written.seed)


def plain_picture(surfaces, frame, camera):
    """Render an image in one pass over all surfaces with the plain caster."""
    mesh = build_frame_mesh([textured.surface for textured in surfaces], frame)
    plain = NumpyCaster(mesh.corners)
    origin, directions = pixel_rays(camera, SAMPLES)
    hits = plain.cast(origin, directions)
    colours = np.full((len(directions), 3), 0.5)
    cells = np.concatenate([textured.material.cells(textured.rest)[textured.surface.faces] for textured in surfaces])
    palettes = np.stack([textured.material.palette for textured in surfaces])
    thresholds = np.array([textured.material.threshold for textured in surfaces])
    for ray in np.flatnonzero(hits.is_hit):
        face = hits.face[ray]
        normal = mesh.normals[face] * -np.sign(mesh.normals[face] @ directions[ray])
        start = origin + directions[ray] * hits.depth[ray] + 5e-4 * normal
        light = 0.5 + 0.5 * max(0.0, normal @ render.LIGHT) * _lit(start, mesh)
        surface = mesh.surface[face, None]
        colours[ray] = (
            light * albedo((hits.weights[ray] @ cells[face])[None], palettes[surface], thresholds[surface])[0]
        )
    height, width = camera.size
    image = colours.reshape(height, SAMPLES, width, SAMPLES, 3).mean(axis=(1, 3))
    return np.rint(255.0 * np.clip(image, 0.0, 1.0)).astype(np.uint8)


def _lit(start, mesh):
    """Return True where no triangle is between a point and the light, by Moeller and Trumbore's test on all triangles."""
    a, b, c = mesh.corners.swapaxes(0, 1)
    light = render.LIGHT
    p = np.cross(light, c - a)
    determinant = np.einsum("fi,fi->f", b - a, p)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.einsum("fi,fi->f", start - a, p) / determinant
        q = np.cross(start - a, b - a)
        v = q @ light / determinant
        t = np.einsum("fi,fi->f", c - a, q) / determinant
    return not ((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)).any()


def test_the_image_equals_that_of_the_plain_renderer(surfaces):
    frame, camera = 4, build_camera(TRIO[2], SIZE)
    scene = RenderScene(surfaces)
    fast = RenderView(scene, camera).render(scene.mesh(frame)).astype(int)
    plain = plain_picture(surfaces, frame, camera).astype(int)
    assert (np.abs(fast - plain).max(axis=-1) <= 1).mean() >= 0.999


def test_the_same_scene_gives_the_same_image(written):
    camera = build_camera(TRIO[1], SIZE)
    scenes = [RenderScene(build_textured_surfaces(written.scene, written.seed)) for _ in range(2)]
    one, two = (RenderView(scene, camera).render(scene.mesh(1)) for scene in scenes)
    np.testing.assert_array_equal(one, two)


def test_frames_are_independent(surfaces):
    scene = RenderScene(surfaces)
    view, fresh = (RenderView(scene, build_camera(TRIO[1], SIZE)) for _ in range(2))
    for frame in (3, 1, 4):
        view.render(scene.mesh(frame))
    np.testing.assert_array_equal(view.render(scene.mesh(0)), fresh.render(scene.mesh(0)))


def test_hands_and_objects_cast_shadows_on_the_table(surfaces):
    scene, camera = RenderScene(surfaces), build_camera(TRIO[1], SIZE)
    view, mesh = RenderView(scene, camera), scene.mesh(0)
    with_shadow = view.render(mesh).astype(int)
    far_away = FrameMesh(mesh.corners + np.array([50.0, 0.0, 0.0]), mesh.surface, mesh.part)
    empty = view.render(far_away).astype(int)
    table = render_depth_and_part(mesh, camera)[1] == BACKGROUND
    darker = table & (with_shadow.sum(axis=-1) < 0.8 * empty.sum(axis=-1))
    assert darker.sum() > 5
    # The light only ever gets less.
    outline = np.abs(with_shadow - empty).max(axis=-1) > 0
    assert (with_shadow <= empty)[table & ~outline].all()


def test_an_object_looks_the_same_in_every_clip_and_rooms_differ(written):
    one, two = (build_textured_surfaces(written.scene, seed) for seed in (1, 2))
    np.testing.assert_array_equal(one[2].material.palette, two[2].material.palette)
    np.testing.assert_array_equal(one[2].material.lattice, two[2].material.lattice)
    assert np.abs(one[4].material.palette - two[4].material.palette).max() > 0.01
