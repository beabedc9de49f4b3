"""Regions: masks of a case, and frames painted grey outside them."""

import numpy as np
import pytest

from hoibench.metrics.regions import RegionFrame, frame_pair, region_masks

VIDEO = np.arange(2 * 3 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 3, 4, 6, 3)
OWN = np.zeros((2, 3, 4, 6), bool)
OWN[..., 2] = True
TRUE = ~OWN


def test_pixels_outside_the_mask_are_grey():
    frame = RegionFrame.from_image(VIDEO[0, 1], OWN[0, 1])
    assert np.array_equal(frame.image[:, 2], VIDEO[0, 1][:, 2])
    assert (np.delete(frame.image, 2, axis=1) == 127).all()
    assert frame.size == (4, 6)


def test_a_pair_of_frames_is_grey_outside_the_union_of_their_masks():
    masks = np.zeros((3, 4, 6), bool)
    masks[0, :, 1] = masks[2, :, 4] = True
    pair = frame_pair(VIDEO[0], masks, 0, 2)
    for n, frame in zip((0, 2), pair, strict=True):
        assert np.array_equal(frame.mask, masks[n])
        assert np.array_equal(frame.image[:, [1, 4]], VIDEO[0, n][:, [1, 4]])
        assert (np.delete(frame.image, [1, 4], axis=1) == 127).all()
    assert [frame.mask for frame in frame_pair(VIDEO[0], None, 0, 2)] == [None, None]


def test_the_full_frame_is_unchanged():
    assert np.array_equal(RegionFrame.from_image(VIDEO[0, 0]).image, VIDEO[0, 0])


def test_equal_frames_share_a_digest_and_others_do_not():
    image, mask = VIDEO[0, 0], OWN[0, 0]
    grey = np.full((4, 6, 3), 127, np.uint8)
    same = RegionFrame.from_image(image.copy(), mask.copy()).digest
    assert RegionFrame.from_image(image, mask).digest == same
    others = [
        RegionFrame.from_image(image),
        RegionFrame.from_image(image, ~mask),
        RegionFrame.from_image(VIDEO[0, 1], mask),
        RegionFrame.from_image(image.reshape(6, 4, 3)),
        RegionFrame.from_image(grey, mask),  # the painted images of these two are equal, the masks are not
        RegionFrame.from_image(grey, ~mask),
        RegionFrame.from_image(grey),
    ]
    assert len({same, *(frame.digest for frame in others)}) == 8


def test_the_methods_own_masks_are_preferred(build_case):
    for own, true, wanted in ((OWN, TRUE, OWN), (None, TRUE, TRUE), (OWN, None, OWN)):
        found = dict(region_masks(build_case(VIDEO, masks=own, truth_masks=true)))
        assert list(found) == ["full", "fg"]
        assert found["full"] is None
        assert np.array_equal(found["fg"], wanted)


def test_a_mask_of_everything_is_replaced_by_the_true_masks(build_case):
    everything = np.ones_like(OWN)
    assert np.array_equal(dict(region_masks(build_case(VIDEO, masks=everything, truth_masks=OWN)))["fg"], OWN)
    assert np.array_equal(dict(region_masks(build_case(VIDEO, masks=everything)))["fg"], everything)


def test_without_masks_there_is_only_the_full_frame(build_case):
    assert dict(region_masks(build_case(VIDEO))) == {"full": None}


@pytest.mark.parametrize(("more", "own"), [(0, True), (1, False)])
def test_own_masks_may_cover_at_most_twice_the_area_of_the_true_masks(build_case, more, own):
    truth = np.zeros((2, 3, 4, 6), bool)
    truth[..., :2, 2] = True
    wide = np.zeros((2, 3, 4, 6), bool)
    wide[..., :4, 2] = True
    wide[0, 0, 0, 3 : 3 + more] = True
    _, (region, masks) = region_masks(build_case(VIDEO, masks=wide, truth_masks=truth))
    assert region == "fg" and np.array_equal(masks, wide if own else truth)
