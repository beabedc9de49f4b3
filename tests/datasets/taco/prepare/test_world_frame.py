"""World frames differ between recording dates: prepared clips do not depend on them."""

import numpy as np
import pytest
from taco_prepare import prepare_views, read_view_record
from taco_tree import SHORT, TRIO, TWELVE, released_camera

from hoibench.datasets.synthetic.world_frames import world_frame
from hoibench.datasets.synthetic.writer import write_annotations
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.prepare.reader import read_prepared_clip
from hoibench.datasets.taco.protocol import Recipe
from hoibench.datasets.taco.recording import Recording

KEY = SHORT.key
RECIPE = Recipe("clip", "raw")


@pytest.fixture
def moved(taco_copy):
    """The tree with SHORT's records in the frame of another date."""
    cameras = {serial: released_camera(serial, taco_copy.size) for serial in TWELVE}
    other = world_frame("20231002")
    write_annotations(taco_copy.root, KEY, taco_copy.written[KEY].scene, cameras, other)
    return taco_copy, other


def test_a_clip_does_not_depend_on_the_world_frame(taco, moved, tmp_path):
    tree, other = moved
    home = world_frame(SHORT.world)
    for where, out in ((taco, tmp_path / "here"), (tree, tmp_path / "there")):
        recording = Recording(where.download, where.download.sequence(KEY), ProxyHand())
        prepare_views(recording, out, TRIO[:1], RECIPE)
    here, there = (read_prepared_clip(tmp_path / name, KEY, RECIPE, TRIO[:1]) for name in ("here", "there"))
    boxes = [
        [read_view_record(tmp_path / name, KEY, RECIPE, serial).box for serial in TRIO[:1]]
        for name in ("here", "there")
    ]
    assert boxes[0] == boxes[1]
    ours, theirs = ((clip.tracks.world - frame.t) @ frame.R for clip, frame in ((here, home), (there, other)))
    assert np.abs(here.tracks.world - there.tracks.world).max() > 0.5
    off = np.linalg.norm(ours - theirs, axis=-1)
    assert off.max() < 1e-6
    np.testing.assert_array_equal(here.tracks.part, there.tracks.part)
    assert (here.tracks.visible != there.tracks.visible).mean() < 0.001
    assert (here.masks != there.masks).mean() < 0.001
    np.testing.assert_array_equal(here.video, there.video)
