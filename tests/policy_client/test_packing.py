"""What is packed comes back, and anything else is refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from policy_client.packing import bools, floats, packed

SHAPES = array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)


@given(arrays(np.float32, SHAPES))
def test_numbers_come_back_to_the_bit(table: npt.NDArray[np.float32]) -> None:
    assert floats(packed(table), table.shape).tobytes() == table.tobytes()


@given(arrays(np.bool_, SHAPES))
def test_what_is_filled_comes_back(table: npt.NDArray[np.bool_]) -> None:
    assert np.array_equal(bools(packed(table), table.shape), table)


@given(st.text() | st.none() | st.lists(st.floats()) | st.integers())
def test_anything_else_than_so_many_numbers_is_refused(said: object) -> None:
    with pytest.raises(ValueError, match="A table"):
        floats(said, (64, 63))
