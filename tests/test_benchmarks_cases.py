from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import coldness, mixed, ranges, write_batch
from benchmarks.case import Case, Cell, Lineup, Setting
from benchmarks.cases import CASES
from benchmarks.contender import Contender, WrongDataError
from benchmarks.filesystem import file_system
from benchmarks.memory import repeated
from benchmarks.peers.host import Peers
from benchmarks.place import READS, Files, MixedPlace, Place, made_files
from benchmarks.race import race
from benchmarks.reading import Contents, Reader, file_turns
from benchmarks.result import Result
from benchmarks.small import LARGEST, SMALLEST, SmallFiles
from benchmarks.transfer import Transfer, transfer_contender


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    with made_files(str(tmp_path), 1 << 20, 1 << 20) as made:
        yield made


def raced(place: Place, open_transfer: Any) -> Result:
    lineup = Lineup([transfer_contender(place, "it", "a test", open_transfer)])
    return race(Cell("mixed"), lineup, repetitions=2, seconds=0.001, progress=lambda fraction, name: None)[0]


# -- which cells ------------------------------------------------------------------


def cells(case: Case, *modes: str, asked: tuple[int, ...] = (), thorough: bool = False) -> list[tuple[str, int, str]]:
    found = case.cells(modes or ("cached", "direct"), asked, (4096,), thorough=thorough)
    return [(cell.mode, cell.size, cell.temperature) for cell in found]


def test_sweeps_are_for_thorough_runs() -> None:
    assert cells(CASES["ranges"]) == [("cached", 4096, ""), ("direct", 4096, "")]
    sizes = [size for mode, size, _ in cells(CASES["ranges"], "direct", thorough=True)]
    assert sizes == [512, 4096, 16384, 65536, 262144, 1048576]
    assert cells(CASES["ranges"], "cached", asked=(512,), thorough=True) == [("cached", 512, "")]


def test_a_case_has_the_modes_sizes_and_temperatures_that_mean_something() -> None:
    assert cells(CASES["small-files"], asked=(512,)) == [("cached", 0, "cold"), ("cached", 0, "warm")]
    assert cells(CASES["small-files"], "direct") == []
    assert cells(CASES["write-batch"], thorough=True) == [("cached", 4096, ""), ("direct", 4096, "")]
    assert cells(CASES["nop"], "direct") == [("", 0, "")]


def test_a_title_says_what_is_special() -> None:
    assert Cell("small-files", "cached", temperature="cold").title == "small-files, cold page cache"
    assert Cell("ranges", "direct", 512).title == "ranges, O_DIRECT, 512 B"


@pytest.mark.parametrize("mode", ["cached", "direct"])
def test_a_thorough_run_has_a_contender_for_each_depth(files: Files, mode: str) -> None:
    setting = Setting(files, Peers(), thorough=True)
    contenders = ranges.CASE.lineup(Cell("ranges", mode, 4096), setting).contenders
    for family in ("read_ranges", "read_ranges, fio's memory", "fio"):
        depths = [each.depth for each in contenders if each.family == family]
        assert depths == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    names = [each.name for each in contenders]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", CASES)
def test_the_contenders_of_a_cell_have_names_of_their_own(files: Files, name: str) -> None:
    for thorough in (False, True):
        setting = Setting(files, Peers(), thorough=thorough, small_files=3)
        for cell in CASES[name].cells(("cached", "direct"), (4096,), (4096,), thorough=thorough):
            names = [each.name for each in CASES[name].lineup(cell, setting).contenders]
            assert len(set(names)) == len(names)


# -- memory -----------------------------------------------------------------------


def test_repeated_memory_is_the_same_bytes_at_many_addresses() -> None:
    memory, views = repeated(2 * mmap.PAGESIZE, 5)
    assert len(memory) == 10 * mmap.PAGESIZE
    views[3][100:103] = b"abc"
    assert [bytes(view[100:103]) for view in views] == [b"abc"] * 5
    assert bytes(memory[100:103]) == b"abc"


def test_repeated_memory_is_of_whole_pages() -> None:
    with pytest.raises(ValueError, match="1000 bytes are not whole pages"):
        repeated(1000, 5)


# -- order ------------------------------------------------------------------------


def test_a_reader_that_mixes_up_its_blocks_is_found(files: Files) -> None:
    place = Place(files.source, size=4096, direct=False, sequential=False, writing=False, slots=64)

    @contextmanager
    def swapping(where: Place) -> Iterator[Transfer]:
        with where.opened() as fd:

            def run(offsets: Sequence[int]) -> None:
                for number, offset in enumerate(offsets):
                    os.preadv(fd, [where.blocks[(number ^ 1) % 64]], offset)

            yield Transfer(run, [*where.blocks], in_order=True)

    failure = raced(place, swapping).failure
    assert failure is not None
    assert (failure.kind, "is from offset" in failure.reason) == ("wrong data", True)


def test_thousands_of_blocks_are_read_before_the_first_turn_ends(files: Files) -> None:
    place = Place(files.source, size=512, direct=False, sequential=False, writing=False, slots=2048)
    batches: list[int] = []

    @contextmanager
    def counting(where: Place) -> Iterator[Transfer]:
        with where.opened() as fd:

            def run(offsets: Sequence[int]) -> None:
                batches.append(len(offsets))
                for block, offset in zip(where.blocks * 9, offsets, strict=False):
                    os.preadv(fd, [block], offset)

            yield Transfer(run, [*where.blocks], at_least=1000, whole=500, in_order=True)

    assert raced(place, counting).failure is None
    assert all(batch >= 1000 and batch % 500 == 0 for batch in batches[1:])


# -- mixed ------------------------------------------------------------------------


@contextmanager
def honest(place: Place, *, writes_to: int = 0, reads: bool = True) -> Iterator[Transfer]:
    boundary = place.boundary or 0
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            for number, offset in enumerate(offsets):
                slot = number % len(place.blocks)
                if offset >= boundary:
                    os.pwrite(fd, place.sources[slot], offset ^ writes_to)
                elif reads:
                    os.preadv(fd, [place.blocks[slot]], offset)

        yield Transfer(run, [*place.blocks], sources=place.sources)


def test_mixed_places_are_read_before_the_middle_and_written_behind_it(files: Files) -> None:
    place = MixedPlace(files.target, size=4096, direct=False)
    offsets = place.course(0, 256)
    assert place.boundary == 1 << 19
    share = sum(offset < place.boundary for offset in offsets) / len(offsets)
    assert abs(share - READS) < 0.1


def test_a_mixed_contender_that_is_honest_passes(files: Files) -> None:
    assert raced(MixedPlace(files.target, size=4096, direct=False), honest).failure is None


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"writes_to": 4096}, "does not hold at offset"),
        ({"reads": False}, "blocks were not read"),
    ],
)
def test_a_mixed_contender_that_cheats_is_found(files: Files, how: dict[str, Any], reason: str) -> None:
    place = MixedPlace(files.target, size=4096, direct=False)
    # No block's neighbour is among those asked for.
    place._offsets = [offset & ~4096 for offset in place._offsets]
    failure = raced(place, lambda where: honest(where, **how)).failure
    assert failure is not None
    assert failure.kind == "wrong data"
    assert reason in failure.reason


def test_the_half_that_is_read_is_restored(files: Files) -> None:
    place = MixedPlace(files.target, size=4096, direct=False)
    with open(files.target, "r+b") as file:
        file.write(bytes(8192))
    assert raced(place, honest).failure is not None
    place.restore()
    assert raced(place, honest).failure is None


@pytest.mark.parametrize("case", [mixed, write_batch])
def test_without_the_ring_these_cases_pass_too(files: Files, case: Any) -> None:
    lineup = case.CASE.lineup(Cell(case.NAME, "cached", 4096), Setting(files, Peers(), thorough=False))
    plain = [each for each in lineup.contenders if each.name.startswith(("os.", "thread", "8 threads"))]
    assert len(plain) >= 2
    results = race(
        Cell(case.NAME, "cached", 4096), Lineup(plain), repetitions=1, seconds=0.001, progress=lambda f, n: None
    )
    assert [result.failure for result in results] == [None] * len(plain)


# -- small files ------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> SmallFiles:
    made = SmallFiles(str(tmp_path / "small"), 50)
    made.make()
    return made


def read_all(paths: Sequence[str]) -> list[bytes]:
    return [Path(path).read_bytes() for path in paths]


def one_byte_off(paths: Sequence[str]) -> list[bytes]:
    contents = read_all(paths)
    contents[7] = contents[7][:-1] + bytes([contents[7][-1] ^ 1])
    return contents


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        pytest.param(lambda paths: read_all(paths)[:-1], "49 contents where 50 files", id="leaves one out"),
        pytest.param(lambda paths: read_all(paths)[::-1], "does not hold what was read", id="in another order"),
        pytest.param(lambda paths: [data[:-1] for data in read_all(paths)], "does not hold", id="not to the end"),
        pytest.param(one_byte_off, "does not hold what was read from it", id="a wrong byte"),
    ],
)
def test_a_reader_of_files_that_cheats_is_found(
    small: SmallFiles, read: Callable[[Sequence[str]], Contents], reason: str
) -> None:
    @contextmanager
    def opener() -> Iterator[Reader]:
        yield read

    with pytest.raises(WrongDataError, match=reason), file_turns(small, opener()):
        pass


def test_a_turn_reads_every_file_once(small: SmallFiles) -> None:
    @contextmanager
    def opener() -> Iterator[Reader]:
        yield read_all

    with file_turns(small, opener()) as turn:
        assert turn(0.001).operations == 50


def test_the_files_are_of_all_sizes_between(small: SmallFiles) -> None:
    sizes = [os.stat(path).st_size for path in small.paths]
    assert min(sizes) >= SMALLEST
    assert max(sizes) <= LARGEST
    assert len(set(sizes)) > 40
    again = SmallFiles(small.home, 50)
    again.make()
    again.check(read_all(again.paths))


def test_cold_turns_start_with_nothing_in_memory(files: Files) -> None:
    turned: list[str] = []
    case = CASES["small-files"]
    for temperature in ("cold", "warm"):
        lineup = case.lineup(Cell("small-files", "cached", 0, temperature), Setting(files, Peers(), False, 5))
        assert isinstance(lineup.contenders[0], Contender)
        lineup.settle()
        turned.append(temperature)
        folder = Path(files.folder) / "small"
        resident = [in_memory(path) for path in folder.rglob("*.bin")]
        assert any(resident) == (temperature == "warm")
        read_all([str(path) for path in folder.rglob("*.bin")])


def in_memory(path: Path) -> bool:
    """Whether the first page of the file is in the page cache."""
    if file_system(str(path)).kind == "tmpfs":
        pytest.skip("all of a tmpfs is in memory, always")
    fd = os.open(path, os.O_RDONLY)
    try:
        os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def test_without_the_switch_each_file_is_dropped_by_itself(
    small: SmallFiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(coldness, "_SWITCH", str(tmp_path / "no such switch"))
    assert "posix_fadvise(DONTNEED)" in coldness.method()
    read_all(small.paths)
    coldness.chill(small.paths[:25])
    assert [in_memory(Path(path)) for path in small.paths] == [False] * 25 + [True] * 25


def test_the_switch_is_used_where_it_opens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    switch.touch()
    monkeypatch.setattr(coldness, "_SWITCH", str(switch))
    assert "sync, then 3 into" in coldness.method()
    coldness.chill(["/nonexistent"])
    assert switch.read_bytes() == b"3\n"
