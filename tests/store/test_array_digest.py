import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from hoibench.store import array_digest

FLOATS = st.floats(-1e6, 1e6, width=32) | st.just(np.nan)
ARRAYS = arrays(np.float32, array_shapes(max_dims=3, max_side=4), elements=FLOATS)


@given(ARRAYS)
def test_a_digest_does_not_depend_on_storage(array):
    digest = array_digest(array)
    assert digest == array_digest(array.astype(np.float64))
    assert digest == array_digest(np.asfortranarray(array))
    assert digest == array_digest(array.astype(">f4"))
    if not np.isnan(array).any():
        assert digest == hashlib.sha256(array.astype("<f4").tobytes()).hexdigest()


@given(ARRAYS, st.data())
def test_a_digest_changes_with_any_value(array, data):
    place = data.draw(st.integers(0, array.size - 1))
    changed = array.copy()
    changed.flat[place] = 1.0 if np.isnan(changed.flat[place]) else changed.flat[place] + 1e6
    assert array_digest(changed) != array_digest(array)


def test_all_nans_have_the_same_digest():
    one = np.array([np.nan], np.float32)
    other = one.copy()
    other.view(np.uint32)[0] ^= 1
    assert one.tobytes() != other.tobytes()
    assert array_digest(one) == array_digest(other)


def test_the_order_of_arrays_counts():
    one, other = np.zeros(2), np.ones(2)
    assert array_digest(one, other) != array_digest(other, one)
    assert array_digest(one, other) == array_digest(np.concatenate([one, other]))
