"""Multishots and provided buffers, with something happening between any two steps."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from lifetime.limits import no_longer_than

import pyuring

from .messages import COUNT, Messages
from .steps import each_step, interrupt

Scenario = Callable[[Messages], None]


def iterate(work: Messages) -> None:
    for shot in work.start():
        work.got.append(shot)
        shot.result()
        if len(work.got) >= COUNT - 1:
            break


def lend(work: Messages) -> None:
    for shot in work.start():
        work.got.append(shot)
        shot.user_data = bytes(shot.buffer)  # type: ignore[arg-type]
        with shot.buffer as view:  # type: ignore[union-attr]
            assert view == shot.user_data
        if len(work.got) >= COUNT - 1:
            break


def starve_and_go_on(work: Messages) -> None:
    shots = work.start()
    for _ in range(2):
        first = next(shots, None)
        second = next(shots, None)
        work.got += [first, second]
        assert work.ring.wait(0) == []  # the kernel ends it
        for shot in (second, first):
            shot.user_data = bytes(shot.buffer)  # type: ignore[arg-type, union-attr]
            shot.buffer.release()  # type: ignore[union-attr]
        del first, second, shot


def wait(work: Messages) -> None:
    work.start()
    for _ in range(3):
        work.got += work.ring.wait(1)
        for shot in work.got:
            shot.user_data = shot.user_data or bytes(shot.buffer)
            shot.buffer.release()
    work.got += work.ring.completions()


def switch(work: Messages) -> None:
    shots = work.start()
    work.got += work.ring.wait(2)
    for shot in work.got:
        shot.user_data = shot.user_data or shot.result()
    work.ring.nop(user_data="not a message").result()
    while len(work.got) < COUNT - 1:
        shot = next(shots)
        work.got.append(shot)
        shot.result()


def cancel(work: Messages) -> None:
    shots = work.start()
    for shot in shots:
        work.got.append(shot)
        shot.result()
        break
    shots.cancel()
    for shot in shots:
        work.got.append(shot)
        shot.result()


def drop(work: Messages) -> None:
    """Results that are dropped give their buffers back; what they brought is known here."""
    for shot in work.start():
        work.got.append(shot)
        shot.result()
        shot.user_data = shot.result()
        del shot
        if len(work.got) >= 3:
            break


SCENARIOS = pytest.mark.parametrize(
    "scenario", [iterate, lend, wait, switch, cancel, drop], ids=lambda function: function.__name__
)


@SCENARIOS
@pytest.mark.parametrize("entries", [1, 8])
def test_nothing_is_lost_wherever_a_handler_raises(scenario: Scenario, entries: int) -> None:
    for step in each_step(interrupt, at_least=30):
        with pyuring.Ring(entries, cq_entries=16) as ring:
            work = Messages(ring)
            with step, no_longer_than(5, step.place):
                scenario(work)
            work.check(step.place)


@SCENARIOS
def test_nothing_is_lost_whatever_a_handler_reaps(scenario: Scenario) -> None:
    works: list[Messages] = []

    def handler() -> None:
        works[-1].ring.nop(user_data="not a message").result()

    for step in each_step(handler, at_least=30):
        with pyuring.Ring(8) as ring:
            works.append(Messages(ring))
            with step, no_longer_than(5, step.place):
                scenario(works[-1])
            works[-1].check(step.place)


def test_an_iteration_gives_all_there_was_if_a_handler_reaps_its_end() -> None:
    works: list[Messages] = []

    def handler() -> None:
        works[-1].ring.nop(user_data="not a message").result()

    for step in each_step(handler, at_least=30):
        with pyuring.Ring(8) as ring:
            works.append(Messages(ring, buffers=16))
            works[-1].theirs.shutdown(socket.SHUT_WR)
            with step, no_longer_than(5, step.place):
                works[-1].got += works[-1].start()
            assert len(works[-1].got) == COUNT, step.place
            works[-1].check(step.place)


@pytest.mark.parametrize("scenario", [iterate, lend, cancel], ids=lambda function: function.__name__)
def test_nothing_is_lost_if_a_handler_iterates_too(scenario: Scenario) -> None:
    works: list[Messages] = []

    def handler() -> None:
        work = works[-1]
        for _ in range(2):
            shot = None if work.shots is None else next(work.shots, None)
            if shot is not None:
                work.got.append(shot)
                shot.user_data = shot.result()

    for step in each_step(handler, at_least=30):
        with pyuring.Ring(8) as ring:
            works.append(Messages(ring, buffers=16))
            works[-1].theirs.send(b"7")
            works[-1].theirs.send(b"8")
            with step, no_longer_than(5, step.place):
                scenario(works[-1])
            works[-1].check_any_order(step.place, COUNT + 2)


@pytest.mark.parametrize("scenario", [iterate, lend, wait], ids=lambda function: function.__name__)
def test_every_lease_is_given_back_once_if_a_handler_gives_all_back(scenario: Scenario) -> None:
    works: list[Messages] = []

    def handler() -> None:
        for shot in works[-1].got:
            works[-1].text_of(shot)

    for step in each_step(handler, at_least=30):
        with pyuring.Ring(8) as ring:
            works.append(Messages(ring))
            with step, no_longer_than(5, step.place):
                try:
                    scenario(works[-1])
                except ValueError as error:
                    assert "given back" in str(error) or "released" in str(error), step.place
            works[-1].check(step.place)


@SCENARIOS
def test_a_handler_may_close_the_ring(scenario: Scenario) -> None:
    works: list[Messages] = []

    def handler() -> None:
        works[-1].ring.close()

    for step in each_step(handler, at_least=30):
        with pyuring.Ring(8) as ring:
            work = Messages(ring)
            works.append(work)
            with step, no_longer_than(5, step.place):
                try:
                    scenario(work)
                except RuntimeError as error:
                    assert "closed" in str(error), step.place
                except ValueError as error:
                    assert "unregistered" in str(error), step.place
                except (OSError, AttributeError, StopIteration):
                    # What was cancelled has neither result nor buffer.
                    assert ring.closed, step.place
            if step.reached:
                assert ring.closed, step.place
                assert work.shots is None or work.shots.done, step.place
            for sock in (work.ours, work.theirs, *work.idle):
                sock.close()


def test_providing_buffers_is_done_or_not_wherever_a_handler_raises() -> None:
    for step in each_step(interrupt, at_least=10):
        with pyuring.Ring(4) as ring:
            made: list[Any] = []
            with step:
                made.append(ring.buffer_ring(4, 64, group=5))
                made[0].unregister()
            for buffers in made:
                buffers.unregister()
            again = ring.buffer_ring(4, 64, group=5)
            assert again.available == 4, step.place
            again.unregister()
            assert len(ring._kept) == 3, step.place


def test_what_another_thread_gave_back_goes_back_once_wherever_a_handler_raises() -> None:
    for step in each_step(interrupt, at_least=8):
        with pyuring.Ring(8) as ring:
            work = Messages(ring)
            shots = work.start()
            held: list[Any] = [next(shots), next(shots)]
            for shot in held:
                work.text_of_thread(shot)
            work.got += held
            del shot, held
            with step:
                ring.wait(0)
                ring.wait(0)
            work.check(step.place)


def test_a_preparation_that_waits_for_room_does_not_where_a_handler_made_some(pipe: tuple[int, int]) -> None:
    rings: list[pyuring.Ring] = []

    def handler() -> None:
        rings[-1].completions()

    for step in each_step(handler, at_least=5):
        with pyuring.Ring(1) as ring:
            rings.append(ring)
            ring.poll(pipe[0])  # never ends
            ring.nop()
            ring.submit()
            assert ring.in_flight == ring.cq_entries
            with step, no_longer_than(5, step.place):
                ring.nop()
