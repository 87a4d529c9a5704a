"""Operations that wait for processes, and for words of memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from pyuring._ffi import CHARS, ffi, from_buffer, lib, new
from pyuring.buffers import export, refusal, release
from pyuring.completion import Completion, NoneCompletion
from pyuring.errors import misuse
from pyuring.inflight import InFlight

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["SynchronisationOperations", "Waiter"]

#: A word to wait on, and the value it has: (buffer, value) or (buffer, value, offset).
Waiter: TypeAlias = "tuple[Any, int] | tuple[Any, int, int]"

#: FUTEX_WAITV_MAX of the kernel.
MAX_WAITERS = 128
#: FUTEX_BITSET_MATCH_ANY.
MATCH_ANY = 0xFFFFFFFF

_futex_wait = lib.pyuring_prep_futex_wait
_futex_wake = lib.pyuring_prep_futex_wake
_waitid = lib.pyuring_prep_waitid
_futex_waitv = lib.pyuring_prep_futex_waitv

_SIGINFO = ffi.typeof("siginfo_t *")
_SIGINFO_SIZE = ffi.sizeof("siginfo_t")
_WAITERS = ffi.typeof("struct pyuring_waiter[]")


class ChildCompletion(Completion["os.waitid_result | None"]):
    """The child that changed, in memory that the kernel has written."""

    __slots__ = ("_info",)

    #: Nobody else sees it before that is over.
    _info: bytes

    def _value(self, res: int) -> os.waitid_result | None:
        info: CData = ffi.cast(_SIGINFO, from_buffer(self._info))
        if info.si_pid == 0:
            return None
        return os.waitid_result((info.si_pid, info.si_uid, info.si_signo, info.si_status, info.si_code))


class SynchronisationOperations(InFlight):
    """Operations that wait for processes, and for words of memory.

    A futex is a word of 32 bits at an address that can be divided by 4; here, four bytes
    of a writable buffer, from `offset` on. In memory that processes share, such as
    ``mmap.mmap(-1, ...)`` before a fork or a mapped file, they wake each other.
    """

    def waitid(
        self,
        idtype: int,
        id: int,  # noqa: A002  as in os
        options: int,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[os.waitid_result | None]:
        """Wait for a child process, as ``os.waitid``.

        Args:
            idtype: os.P_PID, P_PGID, P_PIDFD or P_ALL.
            id: the process, the group, or the descriptor.
            options: os.WEXITED, WSTOPPED or WCONTINUED, at least; with WNOHANG it waits for
                nothing, with WNOWAIT the child can be waited for again.

        Returns:
            What became of it, as ``os.waitid`` tells; None with WNOHANG, if nothing did.

        Raises, from ``result()``:
            ChildProcessError: there is no such child.

        See `io_uring_prep_waitid(3)`, kernel 6.7.
        """
        op = ChildCompletion()
        info = op._info = bytes(_SIGINFO_SIZE)  # see TransferOperations.read
        return self._start(
            op, "waitid", info, user_data, flags, drain, timeout,
            _waitid, idtype, id, info, options,
        )  # fmt: skip

    def futex_wait(
        self,
        buffer: Any,
        value: int,
        offset: int = 0,
        *,
        mask: int = MATCH_ANY,
        private: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Wait until somebody wakes those who wait for a word.

        Args:
            buffer: a writable buffer, which cannot be resized meanwhile.
            value: what the word is now, 32 bits without a sign, in the machine's order.
            offset: bytes from the start of the buffer to the word.
            mask: a `futex_wake` wakes it whose mask has a bit in common.
            private: only this process uses the word, which is faster; who wakes says the same.

        Raises, from ``result()``:
            BlockingIOError: the word is not `value` (any more).

        See `io_uring_prep_futex_wait(3)`, kernel 6.7.
        """
        if not mask:
            raise ValueError("mask must have a bit set: nobody could wake it")
        try:
            held = from_buffer(CHARS, buffer, True)
        except (TypeError, BufferError, ValueError) as error:
            raise refusal(buffer, error, writable=True) from None
        op = NoneCompletion()
        try:
            tag = self._enlist(op, "futex_wait", held, user_data, flags, drain, timeout)
            while (code := _futex_wait(self._c, tag, held, len(held), offset, value, mask, private)) < 0:
                self._refused(code)
        except BaseException as error:
            self._withdraw(op, held, error)
            raise
        return op

    def futex_wake(
        self,
        buffer: Any,
        count: int = 1,
        offset: int = 0,
        *,
        mask: int = MATCH_ANY,
        private: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Wake those who wait for a word, which is to be changed before.

        Args:
            buffer: a writable buffer, which cannot be resized meanwhile.
            count: how many to wake at the most.
            offset: bytes from the start of the buffer to the word.
            mask: those whose mask has a bit in common.
            private: as it was said to those who wait.

        Returns:
            How many were woken.

        See `io_uring_prep_futex_wake(3)`, kernel 6.7.
        """
        if not mask:
            raise ValueError("mask must have a bit set: it would wake nobody")
        if not 0 <= count < 2**31:
            raise ValueError(f"count must be between 0 and 2**31-1, not {count}")
        try:
            held = from_buffer(CHARS, buffer, True)
        except (TypeError, BufferError, ValueError) as error:
            raise refusal(buffer, error, writable=True) from None
        op: Completion[int] = Completion()
        try:
            tag = self._enlist(op, "futex_wake", held, user_data, flags, drain, timeout)
            while (code := _futex_wake(self._c, tag, held, len(held), offset, count, mask, private)) < 0:
                self._refused(code)
        except BaseException as error:
            self._withdraw(op, held, error)
            raise
        return op

    def futex_waitv(
        self,
        waiters: Iterable[Waiter],
        *,
        private: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Wait until somebody wakes those who wait for one of several words.

        Args:
            waiters: up to 128 words, each as ``(buffer, value)`` or ``(buffer, value,
                offset)``: see `futex_wait`.
            private: only this process uses the words.

        Returns:
            The index of a word that was woken; it need not be the only one.

        Raises, from ``result()``:
            BlockingIOError: one of the words is not what was given.

        See `io_uring_prep_futex_waitv(3)`, kernel 6.7.
        """
        waiters = list(waiters)
        if not 0 < len(waiters) <= MAX_WAITERS:
            raise ValueError(f"futex_waitv takes between 1 and {MAX_WAITERS} words, not {len(waiters)}")
        array = new(_WAITERS, len(waiters))
        hold: list[Any] = [array]
        try:
            for number, (buffer, value, *rest) in enumerate(waiters):
                (offset,) = rest or (0,)
                held = export(buffer, writable=True)
                hold.append(held)
                code = lib.pyuring_set_waiter(array, number, held, len(held), offset, value, private)
                if code < 0:
                    raise misuse(code)
        except BaseException:
            release(hold)
            raise
        op: Completion[int] = Completion()
        return self._start(
            op, "futex_waitv", hold, user_data, flags, drain, timeout,
            _futex_waitv, array, len(waiters),
        )  # fmt: skip
