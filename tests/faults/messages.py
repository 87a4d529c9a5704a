"""Messages that come through a multishot and provided buffers, and can be accounted for afterwards."""

from __future__ import annotations

import socket
import threading
from typing import Any

from lifetime.limits import no_longer_than
from provided import check_balance

import pyuring

COUNT = 7
SIZE = 8


class Messages:
    """Numbered messages in a socket, fewer buffers than messages, and what was seen of them.

    Another multishot is in flight all the time, which never ends by itself: without it, a
    wait for something that has come already would not be seen to hang.
    """

    def __init__(self, ring: pyuring.Ring, buffers: int = 2) -> None:
        self.ring = ring
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.idle = socket.socketpair()
        ring.poll_multishot(self.idle[0], user_data="background")
        self.buffers = ring.buffer_ring(buffers, SIZE)
        self.shots: pyuring.Multishot[bytes] | None = None
        #: Results as they were delivered, one way or another.
        self.got: list[Any] = []
        for number in range(COUNT):
            self.theirs.send(b"%d" % number)

    def start(self) -> pyuring.Multishot[bytes]:
        self.shots = self.ring.recv_multishot(self.ours, self.buffers)
        return self.shots

    def handle(self) -> pyuring.Multishot[bytes]:
        """The multishot; if its preparation was interrupted after it was queued, nobody has it."""
        if self.shots is None:
            known = [op for op in self.ring._table if isinstance(op, pyuring.Multishot) and op.user_data is None]
            self.shots = known[0] if known else self.start()
        return self.shots

    def take(self, ops: list[Any]) -> None:
        self.got += ops

    def check(self, place: str) -> None:
        """Each message came once, in order; each buffer is back once."""
        shots = self.handle()
        with no_longer_than(5, f"(after {place})"):
            for shot in self.got:
                if shot.res > 0:
                    self.text_of(shot)
            self.theirs.shutdown(socket.SHUT_WR)
            for shot in shots:
                self.got.append(shot)
                self.text_of(shot)
                del shot
        texts = [self.text_of(shot) for shot in self.got if shot.res > 0]
        while rest := self.ours.recv(SIZE):  # where it was cancelled
            texts.append(rest)
        assert texts == [b"%d" % number for number in range(COUNT)], place
        self.got.clear()
        assert shots.done, place
        assert self.ring.in_flight == 1, place
        try:
            check_balance(self.ring, self.buffers)
        except AssertionError as error:
            error.add_note(f"after {place}")
            raise
        for sock in (self.ours, self.theirs, *self.idle):
            sock.close()

    def check_any_order(self, place: str, count: int) -> None:
        """As `check`, where a handler iterated between two steps of an iteration."""
        shots = self.handle()
        self.theirs.shutdown(socket.SHUT_WR)
        with no_longer_than(5, f"(after {place})"):
            self.got += shots
        texts = [self.text_of(shot) for shot in self.got]
        while rest := self.ours.recv(SIZE):
            texts.append(rest)
        assert sorted(texts) == [b"%d" % number for number in range(count)], place
        self.got.clear()
        check_balance(self.ring, self.buffers)
        for sock in (self.ours, self.theirs, *self.idle):
            sock.close()

    def text_of_thread(self, shot: Any) -> None:
        """The same in another thread."""
        thread = threading.Thread(target=self.text_of, args=(shot,))
        thread.start()
        thread.join()

    def text_of(self, shot: Any) -> bytes:
        """What a result brought; its buffer goes back."""
        if shot.user_data is None:
            if shot._buffers is not None:
                shot.user_data = bytes(shot.buffer)
                shot.buffer.release()
            else:
                shot.user_data = shot.result()
        text: bytes = shot.user_data
        return text
