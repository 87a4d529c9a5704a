"""Real confinements of io_uring, for child processes: what container runtimes, administrators and old kernels do.

A process can put each of them on itself and never take it off, hence `run_confined`.
x86-64 and aarch64 give io_uring's system calls the same numbers.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pyuring

IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER = 425, 426, 427
#: (AUDIT_ARCH_*, the number of seccomp(2)) by machine.
MACHINES = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}

PR_CAPBSET_DROP, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 24, 22, 38
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF = 0x00050000, 0x7FFF0000, 0x7FC00000
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
UNAME26 = 0x0020000
CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_SYS_RESOURCE = 14, 21, 24
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def filter_program(action: int) -> tuple[ctypes.Array[ctypes.c_char], bytes]:
    """A BPF program that answers io_uring's three system calls with `action`: (to keep alive, sock_fprog)."""
    arch, _ = MACHINES[platform.machine()]
    load, equal, at_least, more, answer = 0x20, 0x15, 0x35, 0x25, 0x06
    instructions = [
        (load, 0, 0, 4),  # seccomp_data.arch
        (equal, 0, 4, arch),
        (load, 0, 0, 0),  # seccomp_data.nr
        (at_least, 0, 2, IO_URING_SETUP),
        (more, 1, 0, IO_URING_REGISTER),
        (answer, 0, 0, action),
        (answer, 0, 0, SECCOMP_RET_ALLOW),
    ]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    memory = ctypes.create_string_buffer(code)
    return memory, struct.pack("@HP", len(instructions), ctypes.addressof(memory))


def forbid_io_uring(code: int) -> None:
    """Answer io_uring's system calls with `code`, as a container's seccomp profile does."""
    memory, program = filter_program(SECCOMP_RET_ERRNO | code)
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    check(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program), "PR_SET_SECCOMP")
    del memory


def supervise_io_uring(answer: Callable[[int, list[int]], int]) -> None:
    """Have `answer` decide each of io_uring's system calls of this thread, as an older kernel would.

    It runs in another thread of this process, so it can look at (and write) the memory
    that arguments point to. Given the number and the arguments it returns 0 for the call
    to be made, -errno for it to fail, or a positive number for it to return that minus 1.
    """
    listener: list[int] = []
    installed = threading.Event()

    def serve() -> None:
        installed.wait()
        while True:
            notification = ctypes.create_string_buffer(80)
            if libc.ioctl(listener[0], 0xC0502100, notification) != 0:  # SECCOMP_IOCTL_NOTIF_RECV
                continue
            identity, _, _, number, _, _, *arguments = struct.unpack("=QIIiIQ6Q", notification.raw)
            verdict = answer(number, arguments)
            go_on = 1 if verdict == 0 else 0  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
            response = struct.pack("=QqiI", identity, max(verdict - 1, 0), min(verdict, 0), go_on)
            libc.ioctl(listener[0], 0xC0182101, ctypes.create_string_buffer(response))  # SECCOMP_IOCTL_NOTIF_SEND

    threading.Thread(target=serve, daemon=True).start()
    memory, program = filter_program(SECCOMP_RET_USER_NOTIF)
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    set_mode_filter, new_listener = 1, 1 << 3
    _, seccomp = MACHINES[platform.machine()]
    listener.append(check(libc.syscall(seccomp, set_mode_filter, new_listener, program), "seccomp"))
    installed.set()
    del memory


def old_kernel(flags: int, *, lacks: tuple[int, ...] = (), probe: bool = True) -> None:
    """Be a kernel that knows only these setup `flags`, lacks some opcodes, and perhaps cannot be probed."""
    register_probe = 8

    def answer(number: int, arguments: list[int]) -> int:
        if number == IO_URING_SETUP:
            (asked,) = struct.unpack("=I", ctypes.string_at(arguments[1] + 8, 4))
            return -errno.EINVAL if asked & ~flags else 0
        if number == IO_URING_REGISTER and arguments[1] == register_probe:
            if not probe:
                return -errno.EINVAL
            # struct io_uring_probe: last_op, ops_len, 14 bytes; then op, resv, flags, resv2 for each.
            last = 64
            header = struct.pack("=BB14x", last, last + 1)
            rows = (struct.pack("=BBHI", op, 0, op not in lacks, 0) for op in range(last + 1))
            raw = header + b"".join(rows)
            ctypes.memmove(arguments[2], raw, len(raw))
            return 1
        return 0

    supervise_io_uring(answer)


def report_as_linux_2_6() -> None:
    """Have uname(2) tell a release of 2.6, which the kernel offers to programs that expect one."""
    check(libc.personality(UNAME26), "personality")


def show_sysctl(value: int) -> None:
    """Show `value` as the sysctl kernel.io_uring_disabled, in a mount namespace of our own.

    What the kernel does stays as it is: combine it with `forbid_io_uring`.
    """
    own_user = 0 if os.geteuid() == 0 else CLONE_NEWUSER
    check(libc.unshare(CLONE_NEWNS | own_user), "unshare")
    check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate")
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(f"{value}\n")
    target = b"/proc/sys/kernel/io_uring_disabled"
    check(libc.mount(file.name.encode(), target, None, MS_BIND, None), "mount --bind")
    os.unlink(file.name)


def drop_capabilities(*numbers: int) -> None:
    """Give capabilities up, as a service manager or container runtime does."""
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    data = ctypes.create_string_buffer(24)
    check(libc.capget(header, data), "capget")
    sets = list(struct.unpack("=6I", data.raw))
    for number in numbers:
        half, bit = divmod(number, 32)
        for kind in range(3):  # effective, permitted, inheritable
            sets[half * 3 + kind] &= ~(1 << bit)
    check(libc.capset(header, struct.pack("=6I", *sets)), "capset")


def become_nobody() -> None:
    """Be an ordinary user, with an ordinary user's limits.

    One that nobody else is: locked memory is counted by user, and what another test had is
    given back some time after its rings were closed.
    """
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(100_000 + os.getpid())


def run_confined(code: str) -> str:
    """Run `code` in a new process, with this module's names and `pyuring` imported; return what it prints."""
    places = [str(Path(pyuring.__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]
    places += [place for place in [os.environ.get("PYTHONPATH")] if place]
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-X",
            "faulthandler",
            "-c",
            f"from confinement import *\nimport pyuring\n{code}",
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout
