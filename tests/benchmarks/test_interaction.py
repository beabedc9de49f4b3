"""The metrics of the interaction on one prediction at the protocol's size (3 views, 49 frames, 1600 points), compared with chamfer."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from hoibench.clip import Tracks
from hoibench.datasets.synthetic.dataset import SyntheticDataset
from hoibench.datasets.synthetic.load import load_clip
from hoibench.datasets.taco.download import TacoDownload
from hoibench.evaluation.reference_predictions import build_reference
from hoibench.metric_card import all_cards
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.rigid_object import RigidObject

FRAMES, POINTS, FACES = 49, 1600, 5000
GROUPS = {
    "interaction": [card for card in all_cards().values() if card.group == "interaction"],
    "chamfer": [all_cards()["chamfer@2"]],
}


def refine(rigid, index):
    """The object with at least ``FACES`` triangles, as many as a decimated mesh of TACO, and the poses of frames ``index``."""
    vertices, faces = rigid.vertices, rigid.faces
    while len(faces) < FACES:
        vertices, faces = trimesh.remesh.subdivide(vertices, faces)
    return RigidObject(rigid.part, vertices, faces, rigid.R[index], rigid.t[index])


@pytest.fixture(scope="module")
def case(demo_root):
    """The reference row gt_noise_1cm of a clip of the split demo with 1600 points, its frames repeated to 49; points are paired and aligned."""
    dataset = SyntheticDataset.open(demo_root)
    entry = dataset.manifest("demo").entries[0]
    clip = load_clip(
        TacoDownload(dataset.generate(entry)), entry.id, entry.camera_ids, points=POINTS, truth="synthetic"
    )
    index = np.linspace(0, clip.frames - 1, FRAMES).round().astype(int)
    tracks = Tracks(clip.tracks.world[index], clip.tracks.visible[:, index], clip.tracks.part)
    objects = tuple(refine(rigid, index) for rigid in clip.objects)
    no_video = np.zeros((len(clip.views), FRAMES, 2, 2, 3), np.uint8)
    clip = replace(
        clip, frames=FRAMES, tracks=tracks, load_objects=lambda: objects, load_video=lambda: no_video, load_masks=None
    )
    case = Case(build_reference("gt_noise_1cm", clip, seed=0), clip)
    align_motion(case)
    return case


@pytest.mark.benchmark(group="interaction: 3 views, 49 frames, 1600 points, objects of 5,000 triangles or more")
@pytest.mark.parametrize("group", GROUPS)
def test_group(benchmark, case, group):
    def measure():
        fresh = replace(case, case_memo=dict(case.case_memo), clip_memo=dict(case.clip_memo))
        return [list(card.load()(fresh))[-1] for card in GROUPS[group]]

    found = benchmark.pedantic(measure, rounds=3)
    assert all(row.value is not None for row in found)
