"""Why no ring can be made here: kernel, sysctl, seccomp or memory limit."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

from pyuring.errors import UnavailableError
from pyuring.kernel import is_older

__all__ = ["memlock_shortage", "unavailable"]

SYSCTL = Path("/proc/sys/kernel/io_uring_disabled")
STATUS = Path("/proc/self/status")
FIRST_KERNEL = "5.1"
CAP_IPC_LOCK = 14
CAP_SYS_ADMIN = 21
PAGE = os.sysconf("SC_PAGESIZE")


def unavailable(code: int, entries: int, cq_entries: int | None) -> UnavailableError:
    """The exception for `io_uring_setup(2)` having failed with `code`."""
    if code == errno.ENOSYS:
        why = _no_system_call()
    elif code in (errno.EPERM, errno.EACCES):
        why = _not_permitted()
    elif code == errno.ENOMEM:
        need = ring_bytes(entries, cq_entries)
        why = memlock_shortage(need) or "the kernel has no memory for it: free some, or ask for fewer entries"
    elif code in (errno.EMFILE, errno.ENFILE):
        why = "no descriptor is free: close some, or raise RLIMIT_NOFILE (ulimit -n)"
    else:
        why = "io_uring_setup(2) explains the code"
    return UnavailableError(code, f"io_uring is not available ({os.strerror(code)}): {why}")


def _status() -> dict[str, str]:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _has_capability(number: int) -> bool:
    return bool(int(_status().get("CapEff", "0"), 16) >> number & 1)


def _under_seccomp() -> bool:
    return _status().get("Seccomp") == "2"


def _no_system_call() -> str:
    release = os.uname().release
    if is_older(FIRST_KERNEL):
        return f"Linux {release} is too old, io_uring came with 5.1: use a newer kernel"
    if _under_seccomp():
        return (
            "a seccomp filter hides the system calls, as container runtimes do: "
            "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile"
        )
    return f"Linux {release} was built without it: use a kernel with CONFIG_IO_URING=y"


def _sysctl() -> int:
    try:
        return int(SYSCTL.read_text())
    except (OSError, ValueError):
        return 0


def _not_permitted() -> str:
    disabled = _sysctl()
    if disabled >= 2:
        return "the sysctl kernel.io_uring_disabled is 2: an administrator can run sysctl kernel.io_uring_disabled=0"
    if disabled == 1 and not _has_capability(CAP_SYS_ADMIN):
        return (
            "the sysctl kernel.io_uring_disabled is 1, which leaves it to the group in kernel.io_uring_group: "
            "join that group, or an administrator can run sysctl kernel.io_uring_disabled=0"
        )
    if _under_seccomp():
        return (
            "a seccomp filter forbids it, as container runtimes do: "
            "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile"
        )
    return "a security module (SELinux, AppArmor, ...) forbids it: its log says which rule"


def ring_bytes(entries: int, cq_entries: int | None) -> int:
    """About how much memory the kernel charges for a ring: 64 bytes an SQE, 16 a CQE."""
    size = 1 << (entries - 1).bit_length()
    completions = 1 << ((cq_entries or 2 * size) - 1).bit_length()
    rings = (completions * 16 + size * 4 + 512 + PAGE - 1) // PAGE * PAGE
    return rings + (size * 64 + PAGE - 1) // PAGE * PAGE


def memlock_shortage(need: int) -> str | None:
    """What to say if RLIMIT_MEMLOCK can be why `need` bytes were refused."""
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limit == resource.RLIM_INFINITY or _has_capability(CAP_IPC_LOCK):
        return None
    return (
        f"it needs about {need} bytes of locked memory, and RLIMIT_MEMLOCK allows this user {limit} "
        "for all rings and registered buffers together: raise it (ulimit -l, LimitMEMLOCK=), or use less"
    )
