"""The clips of synthetic-reach@1: in each, a hand reaches for its object and grasps it, or releases it and withdraws."""

import numpy as np
import pytest

from hoibench.clip import PARTS
from hoibench.datasets.split_files import VersionedSplit
from hoibench.datasets.synthetic.catalogue import make_object
from hoibench.datasets.synthetic.collision import sample_surface
from hoibench.datasets.synthetic.dataset import POINTS, build_line_scene
from hoibench.datasets.synthetic.materials import build_textured_surfaces
from hoibench.datasets.synthetic.reach import STARTING_SECONDS, Reach, action_times
from hoibench.datasets.synthetic.scene import build_scene
from hoibench.datasets.synthetic.world_frames import WorldFrame
from hoibench.datasets.synthetic.writer import write_annotations, zoomed_cameras
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.tracks import build_tracks
from hoibench.metrics.contact import contact_accuracy
from hoibench.metrics.hand_distance import CONTACT

SPLIT = VersionedSplit("synthetic-reach@1")
DEMO = {line.entry.id for line in SPLIT.lines("demo")}
T = np.arange(25) / 8.0
HELD_BY = {"right": "tool", "left": "target"}
RIG_FRAME = WorldFrame(np.eye(3), np.zeros(3))


def _item(line, scene, role):
    """Return an object of the scene and its solid."""
    item = getattr(scene, role)
    return item, make_object(item.category, line.recipe[f"{role}_instance"]).solid


def _distances(line, scene, role, world):
    """Return signed distances (N, P) of points (N, P, 3) to an object."""
    item, solid = _item(line, scene, role)
    local = (world - item.poses[:, None, :3, 3]) @ item.poses[:, :3, :3]
    return solid.distance(local.reshape(-1, 3)).reshape(local.shape[:2])


def _surface(line, scene, role):
    item, solid = _item(line, scene, role)
    return sample_surface(solid) @ item.poses[:, :3, :3].swapaxes(1, 2) + item.poses[:, None, :3, 3]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(line, id=line.entry.id, marks=() if line.entry.id in DEMO else pytest.mark.slow)
        for line in SPLIT.lines("test")
    ],
)
def built(request):
    """A clip's line, its scene, the skin of each hand (N, 778, 3), and the least distance (N,) of each hand and object."""
    line = request.param
    scene = build_line_scene(line)
    skin = {side: proxy_hand.vertices(side, h.theta, h.trans, h.betas) for side, h in scene.hands.items()}
    gaps = {
        (side, role): _distances(line, scene, role, skin[side]).min(axis=1)
        for side in HELD_BY
        for role in HELD_BY.values()
    }
    return line, scene, skin, gaps


def _held(line):
    return Reach(line.recipe["hands"], line.recipe["change"], line.recipe["time"]).held_seconds(T)


def test_hands_touch_their_objects_while_they_hold_them_and_not_before(built):
    line, _, _, gaps = built
    held = _held(line)
    for side, role in HELD_BY.items():
        reaches = side in line.recipe["hands"]
        gap = gaps[side, role]
        assert (gap[held >= 0.0] < 0.003).all()
        assert gap[held.argmin()] > 0.05 if reaches else (gap < 0.003).all()


def _tracks(folder, line, scene):
    """Return the tracks of a clip as it is loaded, without rendering its videos."""
    surfaces = build_textured_surfaces(scene, line.recipe["seed"])
    cameras = zoomed_cameras(surfaces, line.entry.camera_ids)
    write_annotations(folder, line.entry.id, scene, cameras, RIG_FRAME, cropped=True)
    download = TacoDownload(folder)
    return build_tracks(Recording(download, download.sequence(line.entry.id)).surfaces, list(cameras.values()), POINTS)


def test_a_frozen_first_frame_is_clearly_wrong(built, tmp_path):
    """Of all frames and pairs, true contacts and the others are 10 % or more, and a pair changes its contact; so say the points that metrics see."""
    line, scene, _, _ = built
    tracks = _tracks(tmp_path, line, scene)
    truth = np.stack(
        [
            _distances(line, scene, role, tracks.world[:, tracks.part == PARTS.index(f"{side} hand")]).min(axis=1)
            for side in HELD_BY
            for role in HELD_BY.values()
        ],
        axis=1,
    )
    contact = truth[1:] <= CONTACT
    assert 0.1 <= contact.mean() <= 0.9
    held = _held(line)[1:] >= 0.0
    for side, own in (("right", contact[:, 0]), ("left", contact[:, 3])):  # HELD_BY
        assert own[held].all()
        assert own.all() != (side in line.recipe["hands"])
    mask = np.ones((1, *truth.shape), dtype=bool)
    mask[:, 0] = False
    assert contact_accuracy(truth[None], truth, mask) == 1.0
    assert contact_accuracy(np.repeat(truth[:1], len(truth), axis=0)[None], truth, mask) < 0.9


def test_nothing_intersects(built):
    line, scene, skin, gaps = built
    assert min(gap.min() for gap in gaps.values()) > -0.003
    assert _distances(line, scene, "target", _surface(line, scene, "tool")).min() > -0.001
    assert _distances(line, scene, "tool", _surface(line, scene, "target")).min() > -0.001
    for points in (*skin.values(), _surface(line, scene, "tool"), _surface(line, scene, "target")):
        assert points[..., 2].min() > scene.table_height - 1e-6


def test_hands_do_not_intersect(built, mesh_distance, capped):
    _, _, skin, _ = built
    for n in range(0, 25, 6):
        assert mesh_distance(skin["right"][n], skin["left"][n], capped("left"), near=0.0).min() > -0.003


def test_objects_rest_until_they_are_held_and_then_move_with_the_hand(built):
    line, scene, skin, _ = built
    held = _held(line)
    for side, role in HELD_BY.items():
        item, _ = _item(line, scene, role)
        resting, holding = item.poses[held <= 0.0], held >= 0.0
        assert np.abs(resting - resting[0]).max() < 1e-9
        local = (skin[side] - item.poses[:, None, :3, 3]) @ item.poses[:, :3, :3]
        assert np.ptp(local[holding], axis=0).max() < 1e-9
    moved = scene.tool.poses[held > 0.0]
    assert np.abs(moved - scene.tool.poses[held.argmin()]).max() > 0.01


def test_a_tool_that_no_hand_holds_lies_on_the_table_or_its_target(built):
    line, scene, _, _ = built
    if "right" in line.recipe["hands"]:
        n, surface = _held(line).argmin(), _surface(line, scene, "tool")
        above_target = _distances(line, scene, "target", surface)[n].min()
        assert (
            min(above_target, surface[n, :, 2].min() - scene.table_height) < 0.002
        )  # of sampled points, not of the lowest one


def test_the_hand_moves_without_jumps(built):
    """A wrist moves by under 5 cm from frame to frame while the hand comes or goes."""
    line, scene, _, _ = built
    away = _held(line) <= 0.0
    for side in line.recipe["hands"]:
        steps = np.linalg.norm(np.diff(scene.hands[side].trans[away], axis=0), axis=1)
        assert 0.005 < steps.max() < 0.05


def test_the_action_waits_and_then_speeds_up_to_its_own_speed():
    held = np.linspace(-1.0, 2.0, 3001)
    times = action_times(held)
    speed = np.diff(times) / np.diff(held)
    assert (times[held <= 0.0] == 0.0).all()
    assert np.abs(np.diff(speed)).max() < 0.005  # no jump of the speed
    assert speed[held[1:] > STARTING_SECONDS + 0.01] == pytest.approx(1.0)


def test_a_release_is_a_grasp_in_reverse():
    grasp, release = (
        build_scene(("kettle", "pour in some", "cup"), 3, 4, 5, reach=Reach(("left", "right"), change, time))
        for change, time in (("grasp", 1.25), ("release", 1.75))
    )
    np.testing.assert_allclose(grasp.tool.poses, release.tool.poses[::-1], atol=1e-9)
    for side in HELD_BY:
        np.testing.assert_allclose(grasp.hands[side].trans, release.hands[side].trans[::-1], atol=1e-9)
