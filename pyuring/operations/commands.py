"""Commands to drivers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyuring._ffi import NULL, lib
from pyuring.buffers import export, release
from pyuring.completion import Completion
from pyuring.inflight import InFlight
from pyuring.registered_buffers import RegisteredBuffer
from pyuring.registered_files import descriptor

__all__ = ["CommandOperations"]

_command = lib.pyuring_prep_uring_cmd


class CommandOperations(InFlight):
    """Commands to drivers."""

    def uring_cmd(
        self,
        file: Any,
        cmd_op: int,
        data: Any = b"",
        *,
        addr: int = 0,
        length: int = 0,
        file_index: int = 0,
        buffer: RegisteredBuffer | None = None,
        holds: Iterable[Any] = (),
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Give a command to what is behind a file, as ``fcntl.ioctl``: raw, as its driver defines it.

        A command that holds an address is for people who know what it does with it: name
        the memory in `holds`. Wrong addresses are written to all the same.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            cmd_op: the command's number.
            data: its own bytes in the SQE, up to 16; up to 80 on a ring with
                ``setup=SetupFlags.SQE128``, as NVMe passthrough needs.
            addr: the SQE's field of that name (for sockets: level, and option << 32).
            length: the SQE's field ``len``.
            file_index: the SQE's field of that name (for sockets: the length of the option).
            buffer: a registered buffer for the command to use (IORING_URING_CMD_FIXED). Kernel 6.1.
            holds: what `data` has addresses of: buffers, which cannot be resized until the
                command is done, and other objects, which stay alive.

        Returns:
            The command's own result.

        Raises, from ``result()``:
            OSError: with EOPNOTSUPP, the file knows no commands, or not this one.

        See `io_uring_prep_uring_cmd(3)`, kernel 5.19.
        """
        target = file if isinstance(file, int) else descriptor(file)
        command = data if data.__class__ is bytes else bytes(memoryview(data))
        hold = held_for(file, buffer, holds) if holds or buffer is not None else file
        op: Completion[int] = Completion()
        registered = NULL if buffer is None else buffer._c
        try:
            tag = self._enlist(op, "uring_cmd", hold, user_data, flags, drain, timeout)
            while (
                code := _command(
                    self._c, tag, target, cmd_op, command, len(command), addr, length, file_index, registered
                )
            ) < 0:
                self._refused(code, (target,))
        except BaseException as error:
            self._withdraw(op, hold, error)
            raise
        return op


def held_for(file: Any, buffer: RegisteredBuffer | None, things: Iterable[Any]) -> list[Any]:
    """What a command holds: exports of buffers, and other objects as they are."""
    hold = [file]
    if buffer is not None:
        if not isinstance(buffer, RegisteredBuffer):
            raise TypeError(f"buffer is a registered one, not {type(buffer).__name__}")
        hold.append(buffer._memory.pin)
    try:
        for thing in things:
            try:
                hold.append(export(thing, writable=False))
            except TypeError:
                hold.append(thing)
    except BaseException:
        release(hold)
        raise
    return hold
