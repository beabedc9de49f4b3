from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from hoibench.clip import CLUSTERS
from hoibench.datasets.split_files import VersionedSplit
from hoibench.datasets.taco.rig import rig
from splits.taco_cameras import choose_cameras

SPLIT = VersionedSplit("taco-syncmv4d@1")


def test_golden():
    assert choose_cameras("20231002_057") == (("22139911", "22139908", "22139914"), "22070938")
    assert choose_cameras("20231002_058") == (("22139909", "22139916", "22139914"), "22139913")


@given(st.from_regex(r"\A2023[01][0-9][0-3][0-9]_[0-9]{3}\Z"))
def test_one_of_each_cluster_in_order_and_a_source_outside_them(key):
    serials, source = choose_cameras(key)
    assert tuple(rig().cluster(serial) for serial in serials) == CLUSTERS
    assert source in rig().cameras.keys() - set(serials)


@pytest.mark.parametrize("part", ["train", "val", "test_unseen"])
def test_cameras_are_evenly_distributed(part):
    """By a chi-square test that refuses one even draw in a thousand."""
    lines = SPLIT.lines(part)
    for view in range(len(CLUSTERS)):
        counts = Counter(line.entry.camera_ids[view] for line in lines)
        assert len(counts) == 4
        assert chisquare(list(counts.values())).pvalue > 1e-3
    sources = Counter(line.source for line in lines)
    assert len(sources) == 12
    assert chisquare(list(sources.values())).pvalue > 1e-3


def test_clusters_are_drawn_independently():
    trios = Counter(line.entry.camera_ids for line in SPLIT.lines("train"))
    assert len(trios) == 4**3
    assert chisquare(list(trios.values())).pvalue > 1e-3
