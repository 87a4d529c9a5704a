"""The public surface, and the rules of the house that a program can check."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest
from specs import SPECS

import pyuring
from pyuring import Completion, Ring
from pyuring.kernel import SINCE
from pyuring.operations import Operations

PACKAGE = Path(pyuring.__file__).resolve().parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "benchmarks" not in path.parts)
NATIVE = sorted(PACKAGE.rglob("*.h"))

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60

PUBLIC = {
    "Alignment", "AlignmentError", "DirectFile", "aligned_buffer", "alignment_of", "open_direct",
    "BadDescriptorError", "BufferRing", "Completion", "EpollOp", "Features", "KernelItem", "Multishot", "NapiSettings",
    "Probe", "ProvidedBuffer", "RegisteredBuffer", "RegisteredBuffers", "RegisteredFile", "RegisteredFiles",
    "RenameFlags", "ResolveFlags", "Restrictions", "Ring", "RwFlags", "SetupFlags", "SqeFlags", "StatxAttributes",
    "StatxFlags", "StatxMask", "StatxResult", "SyncFileRangeFlags", "UnavailableError", "UnsupportedError", "ffi",
    "lib", "probe", "send_message", "__version__", "liburing_version",
    "BatchAlignmentError", "BatchError", "read_ranges", "write_ranges", "read_files", "iter_files",
    "write_files",
}  # fmt: skip

#: From the manual and the kernel's history: (page, first kernel).
OPERATIONS = {
    "nop": ("io_uring_prep_nop(3)", "5.1"),
    "read": ("io_uring_prep_read(3)", "5.6"),
    "readinto": ("io_uring_prep_read(3)", "5.6"),
    "write": ("io_uring_prep_write(3)", "5.6"),
    "readv": ("io_uring_prep_readv(3)", "5.1"),
    "writev": ("io_uring_prep_writev(3)", "5.1"),
    "fsync": ("io_uring_prep_fsync(3)", "5.1"),
    "fdatasync": ("io_uring_prep_fsync(3)", "5.1"),
    "fallocate": ("io_uring_prep_fallocate(3)", "5.6"),
    "ftruncate": ("io_uring_prep_ftruncate(3)", "6.9"),
    "open": ("io_uring_prep_openat(3)", "5.6"),
    "close_fd": ("io_uring_prep_close(3)", "5.6"),
    "statx": ("io_uring_prep_statx(3)", "5.6"),
    "unlink": ("io_uring_prep_unlinkat(3)", "5.11"),
    "rename": ("io_uring_prep_renameat(3)", "5.11"),
    "mkdir": ("io_uring_prep_mkdirat(3)", "5.15"),
    "poll": ("io_uring_prep_poll_add(3)", "5.1"),
    "timeout": ("io_uring_prep_timeout(3)", "5.4"),
    "cancel": ("io_uring_prep_cancel(3)", "5.5"),
    "socket": ("io_uring_prep_socket(3)", "5.19"),
    "accept": ("io_uring_prep_accept(3)", "5.5"),
    "connect": ("io_uring_prep_connect(3)", "5.5"),
    "send": ("io_uring_prep_send(3)", "5.6"),
    "recv": ("io_uring_prep_recv(3)", "5.6"),
    "recv_into": ("io_uring_prep_recv(3)", "5.6"),
    "shutdown": ("io_uring_prep_shutdown(3)", "5.11"),
}

OPERATIONS |= {spec.name: (spec.page, spec.kernel) for spec in SPECS}


def public_names_of(thing: type | ModuleType) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


# -- names ------------------------------------------------------------------------------


def test_the_public_names_are_these() -> None:
    submodules = {path.stem for path in MODULES if path.parent == PACKAGE} | {"batching", "operations", "benchmarks"}
    names = {name for name in vars(pyuring) if not name.startswith("_")} - submodules
    assert names == PUBLIC - {"__version__"}
    assert set(pyuring.__all__) <= PUBLIC


def test_a_star_import_brings_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from pyuring import *", names)
    assert set(names) - {"__builtins__"} == set(pyuring.__all__)


def test_the_contract_of_a_ring_is_there() -> None:
    expected = {
        "submit", "submit_and_wait", "wait", "completions", "close", "fileno", "in_flight", "closed", "entries",
        "cq_entries", "setup", "features", "supports", "stats", "link", "register_buffers", "register_files",
        "buffer_ring", "expects_messages", "clone_buffers",
        "register_eventfd", "unregister_eventfd", "eventfd_enabled", "register_personality", "unregister_personality",
        "personality", "register_ring_fd", "unregister_ring_fd", "sync_cancel", "min_wait", "iowait", "register_clock",
        "register_napi", "unregister_napi", "iowq_affinity", "iowq_max_workers", "resize", "enable", "enabled",
        "read_ranges", "write_ranges", "read_files", "iter_files", "write_files",
    }  # fmt: skip
    assert set(public_names_of(Ring)) == expected | OPERATIONS.keys()


def test_the_contract_of_a_completion_is_there() -> None:
    expected = {"user_data", "res", "flags", "done", "result", "cancel", "operation", "extra", "buffer"}
    assert set(public_names_of(Completion)) == expected


def test_the_versions_are_told() -> None:
    assert isinstance(pyuring.__version__, str)
    assert re.fullmatch(r"\d+\.\d+", pyuring.liburing_version)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            Ring.__init__,
            "(self, entries=256, *, cq_entries=None, setup=None, sq_thread_idle=None, sq_thread_cpu=None, "
            "attach_wq=None, restrictions=None, registered_waits=False)",
        ),
        (Ring.submit, "(self)"),
        (Ring.wait, "(self, n=1, timeout=None)"),
        (Ring.submit_and_wait, "(self, n=1, timeout=None)"),
        (Ring.completions, "(self)"),
        (Ring.link, "(self, *, hard=False)"),
        (Completion.result, "(self, timeout=None)"),
        (Completion.cancel, "(self)"),
    ],
)
def test_the_contract_has_these_signatures(call: object, expected: str) -> None:
    assert callable(call)
    signature = inspect.signature(call)
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    assert str(inspect.Signature(bare)) == expected


# -- documentation -------------------------------------------------------------------------


def documented_things() -> list[tuple[str, object]]:
    things: list[tuple[str, object]] = [("pyuring", pyuring)]
    for name in sorted(PUBLIC):
        thing = getattr(pyuring, name)
        if not isinstance(thing, type):
            continue
        things.append((name, thing))
        things += [
            (f"{name}.{member}", inspect.getattr_static(thing, member))
            for member in public_names_of(thing)
            if callable(inspect.getattr_static(thing, member, None))
            or isinstance(inspect.getattr_static(thing, member, None), property)
        ]
    return things


BUILTIN_MEMBERS = {member for base in (int, tuple, OSError, str) for member in dir(base)} | {"index", "count"}


@pytest.mark.parametrize(
    ("name", "thing"), documented_things(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_everything_public_has_a_docstring(name: str, thing: object) -> None:
    if name.partition(".")[2] in BUILTIN_MEMBERS:
        return
    text = inspect.getdoc(thing)
    assert text, name
    assert len(text) > 15, name
    first = text.splitlines()[0]
    assert first.endswith((".", ":")) or text.splitlines()[1:2] not in ([""], []), f"{name}: one sentence first"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_names_its_manual_page_and_first_kernel(name: str) -> None:
    page, kernel = OPERATIONS[name]
    text = inspect.getdoc(getattr(Ring, name))
    assert text is not None
    assert f"`{page}`, kernel {kernel}" in re.sub(r"\s+", " ", text)
    assert SINCE[name] == kernel


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_documents_its_own_arguments(name: str) -> None:
    common = {"self", "user_data", "flags", "sqe_flags", "drain", "timeout"}
    method = getattr(Ring, name)
    text = inspect.getdoc(method) or ""
    own = [parameter for parameter in inspect.signature(method).parameters if parameter not in common or name == "open"]
    described = re.findall(r"^ {4}(\w+): ", text, re.MULTILINE)
    if "Args:" in text:
        missing = set(own) - set(described) - common
        # dir_fd is explained once, in PathOperations.
        assert missing <= {"dir_fd", "src_dir_fd", "dst_dir_fd"}, missing


def test_the_members_of_flags_are_documented_underneath() -> None:
    tree = ast.parse((PACKAGE / "constants.py").read_text())
    for enum in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        members = [i for i, node in enumerate(enum.body) if isinstance(node, ast.Assign)]
        for i in members:
            after = enum.body[i + 1] if i + 1 < len(enum.body) else None
            target = enum.body[i].targets[0]  # type: ignore[attr-defined]
            assert isinstance(after, ast.Expr), f"{enum.name}.{target.id} has no text"
            assert isinstance(after.value, ast.Constant), f"{enum.name}.{target.id} has no text"


def test_the_keywords_that_all_operations_have_are_explained_once() -> None:
    text = inspect.getdoc(Operations) or ""
    for keyword in ("user_data", "flags", "drain", "timeout"):
        assert re.search(rf"^\s*{keyword}: ", text, re.MULTILINE), keyword


# -- the house ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", NATIVE, ids=lambda path: path.name)
def test_no_c_header_is_too_long_to_read(path: Path) -> None:
    if path.name == "level0.h":
        return  # a list of declarations, as liburing has it
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_function_is_longer_than_a_screen(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node) is not None:  # which is read elsewhere, and as a page
                assert node.body[0].end_lineno is not None
                length -= node.body[0].end_lineno - node.body[0].lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


def imports_of(path: Path, *, typing: bool = False) -> set[str]:
    """The modules of pyuring that `path` imports when it runs; with `typing`, also for type checkers."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()

    def visit(nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                if typing:
                    visit(node.body)
            elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pyuring":
                submodules = [f"{node.module}.{alias.name}" for alias in node.names]
                found.update(name if is_module(name) else str(node.module) for name in submodules)
            elif isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names if alias.name.split(".")[0] == "pyuring")
            elif isinstance(node, ast.If | ast.Try):
                visit(node.body)

    visit(tree.body)
    return found


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists() or name == "pyuring._liburing"


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


IMPORTS = {name_of(path): imports_of(path) for path in MODULES}


def rank_of(name: str, seen: tuple[str, ...] = ()) -> int:
    """How many layers of pyuring are below a module."""
    assert name not in seen, f"an import cycle: {' -> '.join((*seen, name))}"
    below = [rank_of(other, (*seen, name)) for other in IMPORTS.get(name, ()) if other != "pyuring"]
    return 1 + max(below, default=0)


@pytest.mark.parametrize("name", IMPORTS)
def test_there_is_no_import_cycle(name: str) -> None:
    assert rank_of(name) < 20


LAYERS = [
    {"_ffi"},
    {"constants", "history", "errors", "kernel", "stat", "buffers", "addresses", "ancillary", "timing", "version",
     "batch_arrays", "aligned"},
    {"completion", "diagnosis", "inflight", "preparing", "creation", "mixed", "async_wait"},
    {
        "registrations", "tuning", "restrictions", "resizing", "registered_memory", "tags",
        "registered_buffers", "registered_files", "provided_buffers", "direct", "links", "closing", "multishot",
        "pathnames", "alignment", "direct_file",
        "operations", "operations.commands", "operations.control", "operations.descriptors",
        "operations.files", "operations.legacy_buffers", "operations.memory", "operations.multishots",
        "operations.paths", "operations.pieces", "operations.pipes", "operations.readiness", "operations.ring_messages",
        "operations.sockets", "operations.synchronisation", "operations.targets", "operations.timers",
        "operations.transfers", "operations.vectors", "operations.xattrs",
        "operations.socket_transfers", "operations.messages", "operations.zero_copy", "operations.socket_options",
    },
    {
        "batching", "batching.blocks", "batching.engine", "batching.files", "batching.integers", "batching.methods",
        "batching.outcome", "batching.ranges", "batching.request", "batching.single",
        "batching.paths", "batching.read_files", "batching.file_iterator", "batching.write_files",
        "batching.file_methods",
    },
    {"ring"},
    {"survey", "thread_ring", "workers", "batch", "file_batch"},
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in IMPORTS if name != "pyuring"])
def test_imports_go_one_way_down_the_layers(name: str) -> None:
    layer_of = {f"pyuring.{module}": number for number, layer in enumerate(LAYERS) for module in layer}
    assert name in layer_of, "a new module belongs to a layer: name it here"
    for other in IMPORTS[name]:
        if other != "pyuring._liburing":
            assert layer_of[other] <= layer_of[name], f"{name} is below {other}"


def test_only_one_module_imports_the_extension() -> None:
    doors = [name_of(path) for path in MODULES if "pyuring._liburing" in imports_of(path, typing=True)]
    assert doors == ["pyuring._ffi"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_function_imports(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [line for line in ast.walk(node) if isinstance(line, ast.Import | ast.ImportFrom)]
            assert not inner, f"{node.name} imports inside"


def test_every_module_says_what_it_is() -> None:
    for path in MODULES:
        assert ast.get_docstring(ast.parse(path.read_text())), path.name
    for path in NATIVE:
        assert path.read_text().startswith("/*"), path.name


def test_nothing_is_caught_and_dropped() -> None:
    """Rule 11: no bare except, and no handler that only passes."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{path.name}:{node.lineno}"
                assert not all(isinstance(line, ast.Pass) for line in node.body), f"{path.name}:{node.lineno}"
