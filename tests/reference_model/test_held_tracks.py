"""Filling the gaps of tracks."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.generation.held_tracks import hold_last_found


def plain_hold(track, found):
    """The places of one point (N, 3), frame by frame."""
    places = [place for place, is_found in zip(track, found, strict=True) if is_found]
    if not places:
        return None
    last, held = places[0], []
    for place, is_found in zip(track, found, strict=True):
        last = place if is_found else last
        held.append(last)
    return torch.stack(held)


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=6))
def test_a_point_keeps_its_last_found_place(found):
    found = torch.tensor(found).T[None, None]
    tracks = torch.randn(*found.shape, 3, generator=torch.Generator().manual_seed(0))
    held, is_known = hold_last_found(tracks, found)
    for point in range(found.shape[-1]):
        expected = plain_hold(tracks[0, 0, :, point], found[0, 0, :, point])
        assert is_known[0, 0, :, point].all() if expected is not None else not is_known[0, 0, :, point].any()
        if expected is not None:
            assert torch.equal(held[0, 0, :, point], expected)
