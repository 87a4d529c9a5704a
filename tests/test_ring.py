from __future__ import annotations

import os

import pytest

import pyuring


def test_a_file_read_through_the_ring_is_the_file(ring: pyuring.Ring, data_file: int) -> None:
    assert ring.read(data_file, 4096, offset=100).result() == os.pread(data_file, 4096, 100)


def test_wait_returns_all_completions_once_with_their_user_data(ring: pyuring.Ring) -> None:
    for number in range(10):
        ring.nop(user_data=number)
    assert ring.submit() == 10
    assert sorted(c.user_data for c in ring.wait(10)) == list(range(10))
    assert ring.completions() == []
    assert ring.in_flight == 0


def test_wait_with_nothing_in_flight_raises_rather_than_hangs(ring: pyuring.Ring) -> None:
    with pytest.raises(RuntimeError, match="nothing is in flight"):
        ring.wait()
    assert ring.wait(1, timeout=0.01) == []
