"""A signal handler raises while a ring is made, registers something, or is closed."""

from __future__ import annotations

import gc
import os
import weakref

import pytest
from lifetime.limits import no_longer_than

import pyuring

from .steps import Interrupted, Step, each_step, interrupt


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_a_ring_that_is_not_made_leaves_no_descriptor_wherever_a_handler_raises() -> None:
    before = descriptors()
    for step in each_step(interrupt, at_least=5):
        with step:
            ring = pyuring.Ring(4)
        if not step.reached:
            ring.close()
        assert descriptors() == before, step.place


def test_close_can_be_called_again_wherever_a_handler_raises(pipe: tuple[int, int]) -> None:
    before = descriptors()
    for step in each_step(interrupt, at_least=30):
        ring = pyuring.Ring(4)
        registered, buffer = bytearray(4096), bytearray(10)
        ring.register_buffers([registered])
        handles = [
            ring.readinto(pipe[0], buffer),
            ring.poll(pipe[0], timeout=60),
            ring.nop(),
        ]
        ring.submit()
        handles += [ring.nop()]
        with step:
            ring.close()
        with no_longer_than(5, step.place):
            ring.close()
        assert ring.closed, step.place
        assert all(handle.done for handle in handles), step.place
        assert handles[2].res == 0, step.place
        registered.append(1)
        buffer.append(1)
        assert descriptors() == before, step.place


def test_buffers_are_registered_or_not_wherever_a_handler_raises() -> None:
    for step in each_step(interrupt, at_least=5):
        with pyuring.Ring(4) as ring:
            buffer = bytearray(4096)
            with step:
                ring.register_buffers([buffer])
            if step.reached:
                buffer.append(1)  # it was not registered, nobody holds it
                ring.register_buffers([buffer])
            with pytest.raises(BufferError):
                buffer.append(1)


def test_files_are_registered_or_not_wherever_a_handler_raises(data_file: int) -> None:
    for step in each_step(interrupt, at_least=5):
        with pyuring.Ring(4) as ring:
            files = None  # else the last ring ends in the step
            with step:
                files = ring.register_files([data_file])
            if step.reached:
                files = ring.register_files([data_file])
            assert files is not None
            assert len(ring.read(files[0], 10, offset=0).result()) == 10, step.place


def test_unregistering_can_be_repeated_wherever_a_handler_raises(data_file: int) -> None:
    for step in each_step(interrupt, at_least=5):
        with pyuring.Ring(4) as ring:
            buffer = bytearray(4096)
            buffers, files = ring.register_buffers([buffer]), ring.register_files([data_file])
            with step:
                buffers.unregister()
                files.unregister()
            buffers.unregister()
            files.unregister()
            buffer.append(1)
            ring.register_buffers([buffer])
            ring.register_files([data_file])


class Buffer(bytearray):
    """One that can be referred to weakly."""


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_losing_a_ring_frees_no_memory_in_flight_wherever_a_handler_raises(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda event: caught.append(event.exc_type))

    def lose(step: Step) -> weakref.ref[Buffer]:
        ring = pyuring.Ring(4)
        buffer = Buffer(10)
        ring.readinto(pipe[0], buffer)
        ring.submit()
        gc.collect()
        with step:
            del ring
            gc.collect()  # what is in flight refers to the ring
        return weakref.ref(buffer)

    reached = 0
    gc.freeze()  # collecting takes in what comes from here on, and is quick
    for step in each_step(interrupt, at_least=20):
        before = descriptors()
        with no_longer_than(5, step.place):
            buffer = lose(step)
        reached += step.reached
        if descriptors() != before:
            assert buffer() is not None, f"open, and the memory is gone, after {step.place}"
    gc.unfreeze()
    # Nothing is swallowed: each one was reported.
    assert caught == [Interrupted] * reached
