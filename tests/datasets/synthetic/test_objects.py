import itertools

import numpy as np
import pytest

from hoibench.datasets.synthetic.catalogue import INSTANCES, catalogue, make_object

CATEGORIES = catalogue().categories


def test_triplets_and_categories_are_those_of_taco():
    known = catalogue()
    assert len(known.categories) == 20
    assert len({action for _, action, _ in known.triplets}) == 15
    assert len({tool for tool, _, _ in known.triplets}) == 17
    assert {target for _, _, target in known.triplets} == {
        "plate",
        "pan",
        "bowl",
        "kettle",
        "box",
        "cup",
        "teapot",
        "toy",
        "helmet",
    }
    assert list(known.triplets) == sorted(set(known.triplets))
    assert {tool for tool, action, _ in known.triplets if action == "hit"} == {"hammer"}
    assert {tool for tool, action, _ in known.triplets if action == "measure"} == {"ruler"}


def test_ids_are_three_digits():
    known = catalogue()
    ids = [known.object_id(c, i) for c, i in itertools.product(known.categories, range(INSTANCES))]
    assert ids == [f"{n:03d}" for n in range(1, 201)]


def test_unknown_category_and_instance_are_refused():
    with pytest.raises(ValueError, match="nearest: spoon"):
        catalogue().object_id("spon", 0)
    with pytest.raises(ValueError, match="give 0 to 9"):
        catalogue().object_id("spoon", 10)


@pytest.mark.parametrize("category", CATEGORIES)
def test_meshes_are_watertight_light_and_face_outwards(category):
    for instance in range(INSTANCES):
        solid = make_object(category, instance).solid
        assert 30 <= len(solid.faces) <= 2000
        assert solid.faces.dtype == np.int32
        assert solid.vertices.dtype == np.float64
        directed = solid.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        there, back = ({tuple(e) for e in d.tolist()} for d in (directed, directed[:, ::-1]))
        assert len(there) == len(directed)
        assert there == back
        a, b, c = (solid.vertices[solid.faces[:, k]] for k in range(3))
        assert (a * np.cross(b, c)).sum() / 6.0 > 1e-6
        assert np.ptp(solid.vertices, axis=0).max() < 0.30


@pytest.mark.parametrize("category", CATEGORIES)
def test_instances_differ_visibly(category):
    extents = np.array([np.ptp(make_object(category, i).solid.vertices, axis=0) for i in range(INSTANCES)])
    assert np.ptp(extents, axis=0).max() > 0.008
    shapes = [make_object(category, i).solid.vertices for i in range(INSTANCES)]
    for (a, wide), (b, other) in itertools.combinations(zip(shapes, extents, strict=True), 2):
        moved = np.abs(a - b).max() if a.shape == b.shape else np.abs(wide - other).max()
        assert moved > 0.001


def test_every_role_has_a_grip_and_targets_stand_on_the_table():
    for tool, _, target in catalogue().triplets:
        assert make_object(tool, 0).use is not None
        assert make_object(target, 0).steady is not None
        assert make_object(target, 0).solid.vertices[:, 2].min() == pytest.approx(0.0, abs=1e-12)


def test_objects_are_reproducible():
    first = make_object("kettle", 4).solid.vertices.tobytes()
    make_object.cache_clear()
    assert make_object("kettle", 4).solid.vertices.tobytes() == first
