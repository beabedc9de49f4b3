"""The scene frame: its position, its equivariance to the cameras, and its precision."""

import pytest
import torch
from tiny_loop import SIZE, TARGET, looking_at, rotation

from hoibench.datasets.synthetic.cameras import build_camera
from hoibench.datasets.taco.rig import rig
from hoibench.geometry import optical_centre, to_camera
from reference_model.config import CycleConfig
from reference_model.cycle.scene_frame import Cameras, SceneFrame, build_scene_frame

UNIT, DEPTH = 0.2, 1.3
MILLIMETRE = 1e-3


def points(seed=0):
    return TARGET + 0.3 * torch.randn(1, 3, 5, 7, 3, generator=torch.Generator().manual_seed(seed))


def moved(cameras, turn, shift):
    """The cameras after the world is moved, x to turn x + shift."""
    R = cameras.R @ turn.T
    return cameras._replace(R=R, t=cameras.t - (R @ shift))


@pytest.mark.parametrize("distance", [0.4, 0.9, 2.0])
@pytest.mark.parametrize("degrees", [(-60, 0, 60), (-90, 10, 80), (-10, 0, 10), (-3, 0, 3), (0, 120)])
def test_the_centre_is_the_point_that_all_cameras_face(degrees, distance):
    scene_frame = build_scene_frame(looking_at(TARGET, *degrees, distance=distance), UNIT, DEPTH)
    assert (scene_frame.centre[0] - TARGET).norm() < MILLIMETRE
    assert (scene_frame.from_world(TARGET.expand(1, 1, 3)).norm() * UNIT) < MILLIMETRE


def test_rays_go_through_the_middle_of_a_crop_and_not_along_the_optical_axes():
    cameras = looking_at(TARGET, -40, 0, 40)
    turn = rotation(torch.tensor([0.5, 1.0, 0.0]), 8.0)  # the axes now pass the target, but the crops are cut around it
    R, t = turn @ cameras.R, cameras.t @ turn.T
    target, middle = to_camera(TARGET.expand(1, 3, 1, 3), R, t)[:, :, 0], (torch.tensor([SIZE[1], SIZE[0]]) - 1) / 2
    K = cameras.K.clone()
    K[..., :2, 2] = middle - K.diagonal(dim1=-2, dim2=-1)[..., :2] * target[..., :2] / target[..., 2:]
    crops = Cameras(K, R, t, SIZE)
    assert (build_scene_frame(crops, UNIT, DEPTH).centre[0] - TARGET).norm() < MILLIMETRE
    assert (build_scene_frame(crops._replace(K=cameras.K), UNIT, DEPTH).centre[0] - TARGET).norm() > 30 * MILLIMETRE


def test_coordinates_and_world_are_inverse():
    scene_frame, world = build_scene_frame(looking_at(TARGET, -60, 5, 60), UNIT, DEPTH), points()
    assert torch.allclose(scene_frame.to_world(scene_frame.from_world(world)), world, atol=1e-6)
    assert torch.allclose(scene_frame.from_world(scene_frame.to_world(world)), world, atol=1e-5)


def test_axes_are_the_centre_views_and_units_are_metres_over_the_unit():
    cameras = looking_at(TARGET, -60, 5, 60)
    scene_frame, other = build_scene_frame(cameras, UNIT, DEPTH), build_scene_frame(cameras, 1.0, DEPTH)
    assert torch.equal(scene_frame.basis, cameras.R[:, 1])
    ahead = optical_centre(cameras.R, cameras.t)[0, 1]
    x, y, z = scene_frame.from_world(ahead.expand(1, 1, 3))[0, 0]
    assert z * UNIT == pytest.approx(-0.9, abs=1e-4)  # the camera is 0.9 m before the centre, along its own axis
    assert max(abs(x), abs(y)) * UNIT < MILLIMETRE
    assert torch.allclose(scene_frame.from_world(points()) * UNIT, other.from_world(points()), atol=1e-6)


def test_cameras_and_points_that_move_together_have_the_same_coordinates():
    """Why it exists: a world frame is one recording date's."""
    cameras, world = looking_at(TARGET, -50, 0, 70), points()
    turn, shift = rotation(torch.tensor([1.0, -2.0, 0.5]), 130.0), torch.tensor([1.5, -0.4, 0.8])
    here = build_scene_frame(cameras, UNIT, DEPTH).from_world(world)
    turned = build_scene_frame(moved(cameras, turn, shift), UNIT, DEPTH).from_world(world @ turn.T + shift)
    assert torch.allclose(here, turned, atol=2e-5)
    assert not torch.allclose(
        here, build_scene_frame(cameras, UNIT, DEPTH).from_world(world @ turn.T + shift), atol=0.1
    )


def test_each_sample_has_its_own_frame():
    one, two = looking_at(TARGET, -50, 0, 70), looking_at(-TARGET, -20, 10, 30)
    both = Cameras(*(torch.cat(each) for each in zip(one[:3], two[:3], strict=True)), SIZE)
    world = torch.cat([points(1), points(2)])
    together = build_scene_frame(both, UNIT, DEPTH).from_world(world)
    for sample, cameras in enumerate((one, two)):
        alone = build_scene_frame(cameras, UNIT, DEPTH).from_world(world[sample : sample + 1])
        assert torch.allclose(together[sample], alone[0], atol=1e-5)


def test_a_single_view_and_parallel_views_have_a_centre_in_front():
    K, R, t, _ = looking_at(TARGET, 20)
    ahead = torch.tensor([0.0, 0.0, DEPTH])
    single = build_scene_frame(Cameras(K, R, t, SIZE), UNIT, DEPTH)
    assert torch.allclose(to_camera(single.centre, R[0, 0], t[0, 0])[0], ahead, atol=1e-4)
    offsets = torch.tensor([[-0.1, 0.0, 0.0], [0.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    parallel = build_scene_frame(Cameras(K.expand(1, 3, 3, 3), R.expand(1, 3, 3, 3), t + offsets, SIZE), UNIT, DEPTH)
    assert torch.allclose(to_camera(parallel.centre, R[0, 0], t[0, 0])[0], ahead, atol=1e-4)


def test_a_single_camera_of_taco_or_a_synthetic_clip_has_its_centre_near_the_point_that_it_faces():
    faced = torch.tensor(rig().look_at)
    for serial in rig().cameras:
        camera = build_camera(serial)
        K, R, t = (torch.from_numpy(each).float()[None, None] for each in (camera.K, camera.R, camera.t))
        scene_frame = build_scene_frame(Cameras(K, R, t, camera.size), UNIT, CycleConfig().prior_depth)
        assert (scene_frame.centre[0] - faced).norm() < 0.4


def test_mixed_precision_leaves_coordinates_in_full():
    cameras, world = looking_at(TARGET, -50, 0, 70), points()
    scene_frame = build_scene_frame(cameras, UNIT, DEPTH)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = build_scene_frame(cameras, UNIT, DEPTH)
        assert torch.equal(mixed.centre, scene_frame.centre)
        assert torch.equal(mixed.from_world(world), scene_frame.from_world(world))
        assert torch.equal(mixed.to_world(world), scene_frame.to_world(world))


def test_gradients_pass_to_points():
    scene_frame = SceneFrame(TARGET[None], torch.eye(3)[None], UNIT)
    world = points().requires_grad_()
    scene_frame.from_world(world).sum().backward()
    assert torch.allclose(world.grad, torch.full_like(world, 1 / UNIT))
