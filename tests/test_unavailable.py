"""Where io_uring is refused: pyuring imports, and `Ring()` says which cause it found and what to do.

Nothing is imitated: the child processes are really confined, see confinement.py.
"""

from __future__ import annotations

import errno
import os
import re

import pytest
from confinement import run_confined

#: A word of each cause; a text must have that of its own cause and none of the others.
CAUSES = {
    "seccomp": "seccomp",
    "sysctl": "kernel.io_uring_disabled",
    "memory limit": "RLIMIT_MEMLOCK",
    "descriptors": "RLIMIT_NOFILE",
    "kernel": "CONFIG_IO_URING",
    "old kernel": "too old",
    "security module": "SELinux",
}

ASK = """
import errno
try:
    pyuring.Ring()
except pyuring.UnavailableError as error:
    assert isinstance(error, OSError)
    print(errno.errorcode[error.errno], error.strerror)
else:
    print("a ring was made")
"""


def refusal(confinement: str) -> tuple[str, str]:
    """(errno, text) of the UnavailableError in a process with this confinement."""
    answer = run_confined(confinement + ASK)
    name, _, text = answer.strip().partition(" ")
    return name, text


def assert_names_only(cause: str, text: str) -> None:
    assert [name for name, word in CAUSES.items() if word in text] == [cause], text


@pytest.mark.parametrize("name", ["EPERM", "ENOSYS", "EACCES"])
def test_a_seccomp_filter_is_named_with_the_system_calls_to_allow(name: str) -> None:
    code, text = refusal(f"forbid_io_uring(errno.{name})")
    assert code == name
    assert_names_only("seccomp", text)
    for call in ("io_uring_setup", "io_uring_enter", "io_uring_register"):
        assert call in text


def test_the_sysctl_is_named_with_its_value_and_the_command_that_changes_it() -> None:
    code, text = refusal("show_sysctl(2); forbid_io_uring(errno.EPERM)")
    assert code == "EPERM"
    assert_names_only("sysctl", text)
    assert "kernel.io_uring_disabled is 2" in text
    assert "sysctl kernel.io_uring_disabled=0" in text


def test_the_sysctl_at_1_is_named_with_the_group_for_those_whom_it_stops() -> None:
    code, text = refusal("show_sysctl(1); drop_capabilities(CAP_SYS_ADMIN); forbid_io_uring(errno.EPERM)")
    assert code == "EPERM"
    assert_names_only("sysctl", text)
    assert "kernel.io_uring_disabled is 1" in text
    assert "io_uring_group" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has CAP_SYS_ADMIN")
def test_the_sysctl_at_1_is_not_named_to_those_whom_it_does_not_stop() -> None:
    _, text = refusal("show_sysctl(1); forbid_io_uring(errno.EPERM)")
    assert_names_only("seccomp", text)


def test_the_sysctl_at_0_is_not_named() -> None:
    _, text = refusal("show_sysctl(0); forbid_io_uring(errno.EPERM)")
    assert_names_only("seccomp", text)


def test_an_old_kernel_is_named_with_its_release() -> None:
    code, text = refusal("report_as_linux_2_6(); forbid_io_uring(errno.ENOSYS)")
    assert code == "ENOSYS"
    assert_names_only("old kernel", text)
    assert re.search(r"Linux 2\.6\.\d+", text)
    assert "5.1" in text


def test_no_free_descriptor_is_named() -> None:
    code, text = refusal(
        "import resource\nfree = os.dup(0); os.close(free)\nresource.setrlimit(resource.RLIMIT_NOFILE, (free, free))\n"
        # What the diagnosis itself may need descriptors for is imported by now.
    )
    assert code == "EMFILE"
    assert_names_only("descriptors", text)


WITHOUT_CAPABILITY = ["drop_capabilities(CAP_IPC_LOCK)", "become_nobody()"]


@pytest.mark.parametrize("confinement", WITHOUT_CAPABILITY)
def test_the_limit_of_locked_memory_is_named_with_need_and_limit(confinement: str) -> None:
    code, text = refusal(
        f"import resource\n{confinement}\nresource.setrlimit(resource.RLIMIT_MEMLOCK, (16384, 16384))\n"
    )
    assert code == "ENOMEM"
    assert_names_only("memory limit", text)
    assert "16384" in text
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    # 256 SQEs of 64 bytes and 512 CQEs of 16 are 24576, and a page or so around them.
    assert any(24576 <= number <= 24576 + 3 * 4096 for number in numbers), text


@pytest.mark.parametrize("confinement", WITHOUT_CAPABILITY)
@pytest.mark.parametrize("entries", [1, 256, 4096])
def test_the_memory_that_the_text_says_is_needed_is_enough_and_not_much_less_is(confinement: str, entries: int) -> None:
    answer = run_confined(f"""
import re, resource
{confinement}
def attempt(limit):
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, hard))
    try:
        pyuring.Ring({entries}).close()
    except pyuring.UnavailableError as error:
        assert error.errno == errno.ENOMEM
        return int(re.search(r"about (\\d+) bytes", str(error))[1])
    return 0
_, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
need = attempt(1)
assert need > 0
print(attempt(need), attempt(need - 2 * 4096) > 0 or need <= 2 * 4096)
""")
    assert answer == "0 True\n"


@pytest.mark.parametrize("confinement", WITHOUT_CAPABILITY)
@pytest.mark.parametrize("call", ["register_buffers(count=64, size=4096)", "register_buffers([bytearray(262144)])"])
def test_registered_buffers_over_the_limit_are_a_memoryerror_with_need_and_limit(confinement: str, call: str) -> None:
    answer = run_confined(f"""
import resource
{confinement}
resource.setrlimit(resource.RLIMIT_MEMLOCK, (131072, 131072))
with pyuring.Ring(8) as ring:
    try:
        ring.{call}
    except MemoryError as error:
        print(error)
    assert ring.nop().result() == 0
    print(ring.register_buffers(count=1, size=4096)[0])
""")
    text, buffer = answer.splitlines()
    assert_names_only("memory limit", text)
    assert "131072" in text
    assert "262144" in text
    assert "ulimit -l" in text
    assert "RegisteredBuffer" in buffer


def test_buffers_that_could_not_be_registered_can_be_resized_again() -> None:
    answer = run_confined("""
import resource
drop_capabilities(CAP_IPC_LOCK)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
buffer = bytearray(1 << 20)
with pyuring.Ring(8) as ring:
    try:
        ring.register_buffers([buffer])
    except MemoryError:
        buffer.append(0)
        print(len(buffer))
""")
    assert answer == f"{(1 << 20) + 1}\n"


def test_registered_files_over_the_limit_name_it() -> None:
    answer = run_confined("""
import resource
with pyuring.Ring(8) as ring:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    drop_capabilities(CAP_SYS_RESOURCE)
    try:
        ring.register_files(sparse=65)
    except OSError as error:
        print(errno.errorcode[error.errno], error)
    print(len(ring.register_files(sparse=64)))
""")
    assert answer.startswith("EMFILE")
    assert "RLIMIT_NOFILE" in answer
    assert "65 " in answer
    assert answer.endswith("\n64\n")


@pytest.mark.parametrize("name", ["EPERM", "ENOSYS"])
def test_everything_but_a_ring_works_where_io_uring_is_forbidden(name: str) -> None:
    answer = run_confined(f"""
forbid_io_uring(errno.{name})
import importlib, sys
for module in [name for name in sys.modules if name.startswith("pyuring")]:
    del sys.modules[module]
pyuring = importlib.import_module("pyuring")
print(pyuring.lib.IORING_OP_READ, pyuring.SqeFlags.ASYNC.value, bool(pyuring.liburing_version))
before = os.listdir("/proc/self/fd")
for _ in range(3):
    try:
        pyuring.Ring()
    except pyuring.UnavailableError as error:
        print(type(error).__name__)
assert os.listdir("/proc/self/fd") == before
ring = pyuring.ffi.new("struct io_uring *")
print(errno.errorcode[-pyuring.lib.io_uring_queue_init(8, ring, 0)])
""")
    assert answer.split() == ["22", "16", "True", *["UnavailableError"] * 3, name]


def test_a_ring_that_could_not_be_made_is_collected_in_silence() -> None:
    answer = run_confined("""
import gc, sys
sys.unraisablehook = lambda unraisable: print("unraisable", unraisable.exc_value)
forbid_io_uring(errno.EPERM)
for make in (lambda: pyuring.Ring(), lambda: pyuring.Ring(0), lambda: pyuring.Ring("x")):
    try:
        make()
    except (OSError, ValueError, TypeError) as error:
        print(type(error).__name__)
    gc.collect()
""")
    assert answer.split() == ["UnavailableError", "ValueError", "TypeError"]


def test_the_same_errno_is_on_the_exception() -> None:
    answer = run_confined("""
forbid_io_uring(errno.EPERM)
try:
    pyuring.Ring()
except OSError as error:
    print(error.errno, type(error) is pyuring.UnavailableError, isinstance(error, PermissionError))
""")
    assert answer.split() == [str(errno.EPERM), "True", "False"]


# -- older kernels -----------------------------------------------------------------------

SETUP_FLAGS = {
    "5.1": 0b111,
    "5.6": 0b1111111,
    "5.18": 0xFF,
    "5.19": 0xFFF,
    "6.0": 0x1FFF,
    "6.1": 0x3FFF,
}
EXPECTED = {
    "5.1": "plain",
    "5.6": "plain",
    "5.18": "SUBMIT_ALL",
    "5.19": "SUBMIT_ALL|COOP_TASKRUN|TASKRUN_FLAG",
    "6.0": "SUBMIT_ALL|COOP_TASKRUN|TASKRUN_FLAG|SINGLE_ISSUER",
    "6.1": "SUBMIT_ALL|TASKRUN_FLAG|SINGLE_ISSUER|DEFER_TASKRUN",
}


@pytest.mark.parametrize("release", SETUP_FLAGS)
def test_a_ring_gets_the_best_setup_that_the_kernel_takes_and_works_with_it(release: str) -> None:
    answer = run_confined(f"""
old_kernel({SETUP_FLAGS[release]})
with pyuring.Ring(8) as ring:
    print(ring.setup.name or "plain")
    reader, writer = os.pipe()
    read = ring.read(reader, 5, timeout=30)
    with ring.link():
        ring.write(writer, b"hello")
        last = ring.nop()
    assert last.result() == 0
    print(read.result().decode())
    assert repr(ring).endswith("setup=" + (ring.setup.name or "plain") + ">")
    blocked = ring.read(reader, 5)
    ring.submit()
print(blocked.res)
""")
    assert answer.split() == [EXPECTED[release], "hello", str(-errno.ECANCELED)]


def test_a_setup_flag_newer_than_the_kernel_is_unsupported_and_says_since_when() -> None:
    answer = run_confined("""
report_as_linux_2_6()
old_kernel(0)
for flag in (pyuring.SetupFlags.DEFER_TASKRUN | pyuring.SetupFlags.SINGLE_ISSUER, pyuring.SetupFlags.SUBMIT_ALL):
    try:
        pyuring.Ring(8, setup=flag)
    except pyuring.UnsupportedError as error:
        print(errno.errorcode[error.errno], error)
""")
    first, second = answer.splitlines()
    assert re.search(r"EINVAL.*(SINGLE_ISSUER needs Linux 6\.0|DEFER_TASKRUN needs Linux 6\.1).*2\.6", first)
    assert re.search(r"EINVAL.*SUBMIT_ALL needs Linux 5\.18.*2\.6", second)


def test_an_operation_newer_than_the_kernel_is_unsupported_and_says_since_when() -> None:
    answer = run_confined("""
report_as_linux_2_6()
old_kernel(0, lacks=(55,))
with pyuring.Ring(8) as ring:
    print(ring.supports("ftruncate"), ring.supports(55), ring.supports("read"))
    op = ring.ftruncate(os.pipe()[1], 5)  # EINVAL, as an unknown opcode gives
    try:
        op.result()
    except pyuring.UnsupportedError as error:
        print(errno.errorcode[error.errno], error, error.__notes__)
    try:
        ring.fsync(os.pipe()[1]).result()
    except OSError as error:
        print(type(error).__name__)
""")
    supports, unsupported, other = answer.splitlines()
    assert supports == "False False True"
    assert re.search(r"EINVAL.*ftruncate needs Linux 6\.9.*2\.6", unsupported)
    assert other == "OSError", "an EINVAL of an operation that the kernel has is an EINVAL"


def test_pieces_of_a_registered_buffer_say_which_kernel_takes_them() -> None:
    answer = run_confined("""
report_as_linux_2_6()
old_kernel(0, lacks=(60,))
with pyuring.Ring(8) as ring:
    pool = ring.register_buffers(count=2, size=1)
    for operation in (ring.readv(os.eventfd(1), [pool[0]]), ring.readv(os.eventfd(1), [bytearray(1)])):
        try:
            operation.result()  # an eventfd has 8 bytes or EINVAL
        except OSError as error:
            print(errno.errorcode[error.errno], error.__notes__)
""")
    fixed, plain = answer.splitlines()
    assert re.search(r"EINVAL.*pieces of a registered buffer.*Linux 6\.15", fixed)
    assert "EINVAL" in plain
    assert "6.15" not in plain


def test_a_kernel_that_cannot_be_probed_has_rings_that_work_and_close() -> None:
    answer = run_confined("""
old_kernel(7, probe=False)
ring = pyuring.Ring(8)
print(ring.nop().result(), ring.supports("nop"), ring.supports("frobnicate"), ring.supports(10**6))
reader, _ = os.pipe()
blocked = ring.poll(reader)
ring.submit()
ring.close()
print(ring.closed, blocked.res)
""")
    assert answer.splitlines()[1] == f"True {-errno.ECANCELED}"
    assert answer.splitlines()[0] == "0 True False False"
