from __future__ import annotations

import copy
import html.parser
import json
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from benchmark_runs import cell, entry, run_of

from benchmarks import cli
from benchmarks.bars import bar_figures
from benchmarks.lines import styles
from benchmarks.markup import Markup, element, escape
from benchmarks.page import report_page
from benchmarks.record import parse
from benchmarks.style import STYLE
from benchmarks.svg import WIDTH, Linear, Logarithmic, fitted, y_scale
from benchmarks.sweeps import depth_figure, shown_as_bars, size_figures
from benchmarks.wording import change, figure, multiple, short

SVG = "{http://www.w3.org/2000/svg}"
DEPTHS = (1, 4, 16, 64, 256)
HOSTILE = "<script>alert('&\"')</script><!-- \x00\x1b\ud800 ]]>"


def swept(size: int, seed: int = 1) -> list[dict[str, Any]]:
    """A cell with two families over the depth, one of which fails at the deepest."""
    found = cell({"os.preadv": 20_000.0, "mmap": 30_000.0}, seed=seed, size=size)
    for family, gain in (("pyuring.read_ranges", 1.0), ("uring-api", 0.8)):
        for depth in DEPTHS:
            rate = 20_000.0 * gain * min(depth, 6)
            more: dict[str, Any] = {"family": family, "depth": depth, "unit": "range", "size": size, "ratio": 1.5}
            if (family, depth) == ("uring-api", 256):
                more["failure"] = {"kind": "failed", "reason": "OSError: [Errno 12] Cannot allocate memory"}
            found.append(entry(f"{family}, depth {depth}", [rate * 0.9, rate, rate * 1.1], cpu=3e-6, **more))
    return found


@pytest.fixture
def run() -> dict[str, Any]:
    """A run with all that there can be."""
    made = run_of(
        swept(4096),
        swept(65536, seed=2),
        [
            *cell({"open().read": 5e3, "pyuring.read_files": 3e4}, seed=3, case="files", mode="cached", size=None),
            entry(
                HOSTILE, [1.0], case="files", mode="cached", size=None,
                failure={"kind": "not installed", "reason": f"no {HOSTILE}"},
            ),
        ],
        cold_cache="drop_caches before each turn",
    )  # fmt: skip
    for one in made["results"]:
        if one["case"] == "files":
            one["temperature"] = "cold"
    made["questions"] = {"files": "How fast are files read?", "random-read": f"Why {HOSTILE}?"}
    made["targets"] = [
        {"name": "first target", "goal": "at least 2x", "measured": "3.00x", "met": True, "remark": ""},
        {
            "name": "second target",
            "goal": "at least 9x",
            "measured": "5.00x",
            "met": False,
            "remark": "the disk's limit",
        },
        {"name": "third target", "goal": "at least 1x", "measured": "-", "met": None, "remark": HOSTILE},
    ]
    return made


def page_of(run: dict[str, Any]) -> str:
    return report_page(parse(run))


def tree(page: str) -> ET.Element:
    return ET.fromstring(page.partition("\n")[2])


def words(of: ET.Element) -> str:
    return " ".join(" ".join(of.itertext()).split())


def drawings(page: str) -> list[ET.Element]:
    """The plots, without the swatches of the legends."""
    return [each for each in tree(page).iter(f"{SVG}svg") if each.get("role") == "img"]


def bars_of(drawing: ET.Element) -> list[ET.Element]:
    return [bar for bar in drawing.iter(f"{SVG}rect") if "bar" in bar.get("class", "").split()]


# -- the page is sound ------------------------------------------------------------


class Checker(html.parser.HTMLParser):
    """As a browser reads it: every element is closed by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]
        if tag not in ("meta", "col"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("meta", "col"), f"<{tag}/> stays open in HTML"
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_but_itself(run: dict[str, Any]) -> None:
    page = page_of(run)
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(checker.seen)
    assert all(link.startswith("#") for link in checker.links)
    targets = {each.get("id") for each in tree(page).iter()}
    assert {link[1:] for link in checker.links} <= targets
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)
    page.encode()


def test_every_plot_says_in_words_what_it_shows(run: dict[str, Any]) -> None:
    found = drawings(page_of(run))
    # Two for the bars of each cell, two for its depths where it has them, four for the sizes.
    assert len(found) == 2 * 3 + 2 * 2 + 4
    titles = []
    for drawing in found:
        title, description = drawing[0], drawing[1]
        assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
        assert drawing.get("aria-label") == title.text
        assert any(name in words(description) for name in ("os.preadv", "open().read"))
        titles.append(title.text)
    assert len(set(titles)) == len(titles)


def test_nothing_is_drawn_outside_of_its_plot(run: dict[str, Any]) -> None:
    run["results"][0]["contender"] = "a name that is " + "very " * 40 + "long"
    for drawing in drawings(page_of(run)):
        _, _, width, height = map(float, drawing.get("viewBox", "").split())
        for text in drawing.iter(f"{SVG}text"):
            length = float(text.get("textLength", len(text.text or "") * 6.5))
            x = float(text.get("x", "nan"))
            left = x - {"end": length, "middle": length / 2}.get(text.get("text-anchor", ""), 0)
            assert left >= -8, text.text
            assert left + length <= width + 16, text.text
            assert 0 < float(text.get("y", "nan")) < height
        for bar in drawing.iter(f"{SVG}rect"):
            assert float(bar.get("x", "nan")) >= 0
            assert float(bar.get("x", "nan")) + float(bar.get("width", "nan")) <= width
            assert float(bar.get("y", "nan")) + float(bar.get("height", "nan")) <= height
        for path in drawing.iter(f"{SVG}path"):
            for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d", "")):
                assert 0 <= float(x) <= width
                assert 0 <= float(y) <= height
            assert all(0 <= float(x) <= width for x in re.findall(r"H(-?[\d.]+)", path.get("d", "")))


def test_hostile_names_stay_text(run: dict[str, Any]) -> None:
    page = page_of(run)
    assert "<script" not in page
    shown = "<script>alert('&\"')</script><!-- \ufffd\ufffd\ufffd ]]>"
    assert any(words(head) == shown for head in tree(page).iter("th"))
    assert f"Why {shown}?" in words(tree(page))


def test_it_is_made_for_paper_the_night_and_telephones(run: dict[str, Any]) -> None:
    page = page_of(run)
    assert STYLE in page
    assert 'name="viewport" content="width=device-width' in page
    for rule in ("@media print", "@media (prefers-color-scheme: dark)", "@media (max-width: 40rem)"):
        assert page.count(rule) == 1
    paper = STYLE.partition("@media print")[2]
    for rule in ("break-before: page", "break-inside: avoid", "print-color-adjust: exact", "overflow: visible"):
        assert rule in paper
    assert STYLE.count("{") == STYLE.count("}")
    used = set(re.findall(r"var\((--\w+)\)", STYLE))
    for part in (STYLE.partition("@media")[0], STYLE.split("@media")[1], paper):
        assert used <= set(re.findall(r"(--\w+):", part)), "a colour that is not there"


def test_every_class_that_is_drawn_has_a_style(run: dict[str, Any]) -> None:
    used = {name for each in drawings(page_of(run)) for part in each.iter() for name in part.get("class", "").split()}
    unstyled = {name for name in used if not re.search(rf"\.{name}\b", STYLE)}
    assert unstyled == set()


# -- the figures ------------------------------------------------------------------


def test_the_figures_in_the_tables_are_those_of_the_file(run: dict[str, Any]) -> None:
    rows: dict[str, list[list[str]]] = {}
    for row in tree(page_of(run)).iterfind(".//tbody/tr"):
        rows.setdefault(words(row[0]).removesuffix(" (baseline)"), []).append([words(each) for each in row[1:]])
    for one in run["results"]:
        if "failure" in one:
            continue
        rates = [sample["operations"] / sample["seconds"] for sample in one["samples"]]
        assert [
            figure(one["operations_per_second"]),
            f"{figure(min(rates))} to {figure(max(rates))}",
            figure(one["megabytes_per_second"]) if one["size"] else "-",
            figure(one["microseconds"]),
            figure(one["cpu_microseconds"]),
            multiple(one["ratio"]),
            "a test",
        ] in rows[one["contender"]]


def test_bars_are_as_long_as_the_figures_are_large(run: dict[str, Any]) -> None:
    record = parse(run)
    shown = [one for one in record.cells[0].entries if not one.failure]
    throughput, cpu = (ET.fromstring(part) for part in bar_figures(record.cells[0], shown)[0])
    for drawing, values in (
        (throughput, [one.rate for one in shown]),
        (cpu, [one.cpu_microseconds for one in shown]),
    ):
        bars = bars_of(drawing)
        widths = [float(bar.get("width", "nan")) / value for bar, value in zip(bars, values, strict=True)]
        assert widths == pytest.approx([widths[0]] * len(widths), rel=0.01)
        kinds = [bar.get("class") for bar in bars]
        assert kinds[0] == "bar base"
        assert [kind == "bar ours" for kind in kinds] == [one.contender.startswith("pyuring") for one in shown]
    whiskers = [mark.get("d", "") for mark in throughput.iter(f"{SVG}path") if mark.get("class") == "whisker"]
    scale = float(bars_of(throughput)[0].get("width", "nan")) / shown[0].rate
    for path, one in zip(whiskers, shown, strict=True):
        low, high = (float(x) for x in re.findall(r"M([\d.]+) [\d.]+H([\d.]+)", path)[0])
        assert high - low == pytest.approx((one.rates[1] - one.rates[0]) * scale, abs=0.2)


def test_the_baseline_is_marked(run: dict[str, Any]) -> None:
    page = page_of(run)
    assert "Baseline: os.preadv." in page
    for drawing in drawings(page)[:2]:
        assert [text.text for text in drawing.iter(f"{SVG}text") if "base" in text.get("class", "")] == [
            "os.preadv (baseline)"
        ]
        assert len([line for line in drawing.iter(f"{SVG}line") if line.get("class") == "ref"]) == 1


def test_a_contender_that_failed_is_shown_with_its_reason_everywhere(run: dict[str, Any]) -> None:
    page = tree(page_of(run))
    failures = page.find(".//h2[@id='failures']/..")
    assert failures is not None
    assert "uring-api, depth 256 failed OSError: [Errno 12] Cannot allocate memory random-read" in words(failures)
    rows = [words(row) for row in page.iterfind(".//tbody/tr")]
    assert sum("failed: OSError: [Errno 12] Cannot allocate memory" in row for row in rows) == 2
    crosses = [mark for mark in page.iter(f"{SVG}path") if mark.get("class") == "fail" and "depth 256" in words(mark)]
    assert len(crosses) == 2 * 2
    texts = [text.text or "" for text in page.iter(f"{SVG}text")]
    assert texts.count("not installed") == 2
    assert sum(text.startswith("no <script>") for text in texts) == 2


def test_targets_environment_and_how_the_cache_was_made_cold_are_told(run: dict[str, Any]) -> None:
    page = tree(page_of(run))
    rows = [words(row) for row in page.iterfind(".//tbody/tr")]
    assert "✓ met first target 3.00x at least 2x" in rows
    assert "✗ not met second target 5.00x at least 9x the disk's limit" in rows
    assert any(row.startswith("- not measured third target") for row in rows)
    assert "1 met, 1 not met, 1 not measured" in words(page)
    assert "kernel Linux 6.18 x86_64" in rows
    assert "cold cache drop_caches before each turn" in rows
    assert "Cold cache: drop_caches before each turn" in words(page)
    assert "turns 5 of each contender, of 0.1 s" in rows


def test_depths_that_failed_alike_are_one_line_of_the_list(run: dict[str, Any]) -> None:
    failure = {"kind": "failed", "reason": "alike"}
    for number, one in enumerate(run["results"]):
        if one.get("family") == "uring-api":
            more = {"family": "uring-api", "depth": one["depth"], "size": one["size"]}
            run["results"][number] = entry(one["contender"], [1.0], failure=failure, **more)
    failures = tree(page_of(run)).find(".//h2[@id='failures']/..")
    assert failures is not None
    rows = [words(row) for row in failures.iterfind(".//tbody/tr")]
    assert rows[0] == "uring-api, depths 1, 4, 16, 64, 256 failed alike random-read: O_DIRECT, 4 KiB; O_DIRECT, 64 KiB"
    assert len(rows) == 2


# -- lines ------------------------------------------------------------------------


def test_depths_become_lines_with_a_point_for_each(run: dict[str, Any]) -> None:
    found = depth_figure(parse(run).cells[0])
    assert found is not None
    for drawing in map(ET.fromstring, found.drawings):
        marks = [mark for mark in drawing.iter(f"{SVG}path") if "mark" in mark.get("class", "").split()]
        assert len(marks) == 2 * len(DEPTHS) - 1
        places = [float(re.findall(r"M([\d.]+)", mark.get("d", ""))[0]) for mark in marks[: len(DEPTHS)]]
        steps = [after - before for before, after in pairwise(places)]
        assert steps == pytest.approx([steps[0]] * len(steps), abs=0.2), "depths by fours are no equal steps"
        assert "os.preadv, baseline" in words(drawing)
    assert "pyuring.read_ranges, depth 1" not in found.legend
    assert "failed at 1" in found.legend


def test_of_many_depths_the_fastest_has_the_bar(run: dict[str, Any]) -> None:
    first = parse(run).cells[0]
    shown, reduced = shown_as_bars(first)
    assert reduced
    assert [one.contender for one in shown][:2] == ["os.preadv", "mmap"]
    assert {one.family for one in shown} == {"os.preadv", "mmap", "pyuring.read_ranges", "uring-api"}
    fastest = max((one for one in first.measured if one.is_ours), key=lambda one: one.rate)
    assert fastest in shown


def test_sizes_become_lines_at_the_deepest_depth_that_worked(run: dict[str, Any]) -> None:
    (found,) = size_figures(parse(run).cells)
    assert [ET.fromstring(drawing)[0].text for drawing in found.drawings] == [
        "Throughput, MB/s, random-read, O_DIRECT",
        "Throughput, op/s, random-read, O_DIRECT",
        "CPU per operation, µs, random-read, O_DIRECT",
        "Ratio to the baseline, random-read, O_DIRECT",
    ]
    names = re.findall(r"<span>([^<]+)</span>", found.legend)
    assert set(names) == {
        "os.preadv (baseline)",
        "mmap",
        "pyuring.read_ranges, depth 256",
        "uring-api, depth 64",
    }


def test_more_lines_than_can_be_told_apart_are_split_with_the_baseline_in_each_part() -> None:
    names = ["os.preadv", *(f"pyuring {number}" for number in range(5)), *(f"other {number}" for number in range(9))]
    rates = {name: 1000.0 + number for number, name in enumerate(names)}
    run = run_of(cell(rates, seed=1), cell(rates, seed=2, size=65536))
    found = size_figures(parse(run).cells)
    legends = [re.findall(r"<span>([^<]+)</span>", each.legend) for each in found]
    assert all("os.preadv (baseline)" in legend and len(legend) <= 9 for legend in legends)
    assert {name for legend in legends for name in legend} == {*names[1:], "os.preadv (baseline)"}
    # What is in more than one part looks the same in each.
    swatches = {
        re.search(r'class="line (\w+)"', item.partition("os.preadv (baseline)")[0].rpartition("<li>")[2]).group(1)  # type: ignore[union-attr]
        for item in (each.legend for each in found)
    }
    assert len(swatches) == 1


def test_lines_differ_by_more_than_their_colour() -> None:
    found = styles([(f"{number}", number % 2 == 0) for number in range(18)])
    assert len({(style.marker, style.dash) for name, style in found.items() if int(name) % 2 == 0}) == 9
    assert len({(style.marker, style.dash) for name, style in found.items() if int(name) % 2 == 1}) == 9


# -- old files and odd ones -------------------------------------------------------


def test_a_file_from_before_there_were_depths_is_shown() -> None:
    run = run_of(cell({"os.preadv": 20_000.0, "pyuring, depth 1": 19_000.0, "pyuring, depth 128": 1e5}, seed=1))
    del run["environment"], run["settings"], run["targets"]
    page = page_of(run)
    assert len(drawings(page)) == 2
    assert "Over the depth" not in page


def test_a_run_in_which_all_failed_is_shown() -> None:
    failure = {"kind": "failed", "reason": "there was a reason"}
    run = run_of([entry("os.preadv", [1.0], failure=failure), entry("pyuring", [1.0], failure=failure, depth=4)])
    page = page_of(run)
    assert "which has no figures (failed)" in page
    assert len(drawings(page)) == 2


def test_a_baseline_that_failed_leaves_the_others_without_a_ratio(run: dict[str, Any]) -> None:
    for one in run["results"]:
        one["ratio"] = None
    for number in (0, 12):
        old = run["results"][number]
        more = {"kind": "failed", "reason": "so it did"}
        run["results"][number] = entry(old["contender"], [1.0], size=old["size"], failure=more)
    page = page_of(run)
    assert "Ratio to the baseline, random-read" not in page
    tree(page)


def test_many_contenders_are_drawn_in_parts_that_fit_on_paper() -> None:
    rates = {f"operation {number}": 1000.0 * (number + 1) for number in range(70)}
    record = parse(run_of(cell(rates, seed=1, case="preparation", mode=None, size=None)))
    parts = bar_figures(record.cells[0], record.cells[0].entries)
    assert len(parts) == 5
    assert all(float(ET.fromstring(each).get("viewBox", "").split()[3]) < 640 for part in parts for each in part)
    assert sum(len(bars_of(ET.fromstring(part[0]))) for part in parts) == 70


# -- the parts --------------------------------------------------------------------


def test_markup_is_escaped_once() -> None:
    assert escape("a<b&\"c'") == "a&lt;b&amp;&quot;c&#x27;"
    assert element("p", "1 < 2", element("b", "x"), None, ["y", ["z"]], class_="<>", data_x=1.50, skip=None) == (
        '<p class="&lt;&gt;" data-x="1.5">1 &lt; 2<b>x</b>yz</p>'
    )
    assert isinstance(element("meta", charset="utf-8"), Markup)
    assert element("meta", charset="utf-8") == '<meta charset="utf-8"/>'


@pytest.mark.parametrize(
    ("contender", "ours"),
    [
        ("pyuring, depth 128", True),
        ("pyuring registered, depth 1", True),
        ("read_ranges, 2 workers, depth 128", True),
        ("write_ranges", True),
        ("read_files", True),
        ("kangtegong's pyuring, depth 128", False),
        ("os.preadv", False),
        ("fio, depth 128", False),
    ],
)
def test_what_is_pyuring_is_told_by_its_name(contender: str, ours: bool) -> None:
    record = parse(run_of(cell({"os.pread": 1.0, contender: 1.0}, seed=1)))
    assert record.cells[0].entries[1].is_ours is ours


@pytest.mark.parametrize("most", [0.0, 1e-9, 0.07, 1, 3, 9.99, 10, 123_456, 1.2e9])
def test_a_linear_scale_starts_at_0_and_holds_the_most(most: float) -> None:
    scale = Linear(most, 10, 110)
    values = [value for value, _ in scale.ticks]
    assert values[0] == 0
    assert values[-1] >= most * 0.999
    assert 3 <= len(values) <= 8
    assert (scale(0), scale(values[-1])) == pytest.approx((10, 110))
    assert len({label for _, label in scale.ticks}) == len(values)


@pytest.mark.parametrize(("least", "most"), [(1, 256), (0.3, 90), (5, 5), (1e-3, 1e6), (19_000, 1_100_000)])
def test_a_logarithmic_scale_holds_both_ends(least: float, most: float) -> None:
    scale = y_scale([least, most], 200, 20)
    assert 20 - 0.01 <= scale(most) <= scale(least) <= 200.01
    assert len(scale.ticks) >= 2


def test_equal_ends_are_in_the_middle() -> None:
    assert Logarithmic(5, 5, 0, 100)(5) == 50
    assert isinstance(y_scale([0.0, 1e6], 0, 1), Linear)
    assert isinstance(y_scale([], 0, 1), Linear)


def test_figures_are_worded_for_people() -> None:
    assert [figure(value) for value in (0.0, 1.234, 12.34, 123.4, 1234567.8)] == [
        "0.00", "1.23", "12.3", "123", "1,234,568",
    ]  # fmt: skip
    assert [short(value) for value in (0, 0.5, 20, 1500, 20_000, 1.5e6, 2e9)] == [
        "0", "0.5", "20", "1.5k", "20k", "1.5M", "2G",
    ]  # fmt: skip
    assert [multiple(value) for value in (None, 0.0213, 1.0, 12.345)] == ["-", "0.021x", "1.00x", "12.35x"]
    assert [change(value) for value in (0.85, 1.0, 0.99999, 1.5)] == ["-15.0%", "+0.0%", "+0.0%", "+50.0%"]
    assert fitted("pyuring registered, depth 128", 100, 12.5).count("…") == 1
    assert fitted("short", 100, 12.5) == "short"
    assert WIDTH > 0


# -- the command line -------------------------------------------------------------


def test_the_page_of_a_run_is_that_of_its_file(tmp_path: Path) -> None:
    short_run = ["--repetitions", "2", "--seconds", "0.002", "--file-size", "1", "--size", "4096", "--case", "nop"]
    report, page = tmp_path / "report.json", tmp_path / "new" / "pages"
    arguments = ["--dir", str(tmp_path), "--json", str(report), "--report", str(page), *short_run]
    assert cli.main(arguments) == 0
    assert cli.main(["--report", str(tmp_path / "again"), "--from", str(report)]) == 0
    made = (page / "index.html").read_text()
    assert made == (tmp_path / "again" / "index.html").read_text()
    assert "What does a round trip through the ring cost" in made
    rates = [one["operations_per_second"] for one in json.loads(report.read_text())["results"] if "failure" not in one]
    assert rates
    assert all(figure(rate) in made for rate in rates)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--from", "x.json"], "--from goes with --report"),
        (["--from", "x.json", "--report", "d", "--compare", "a", "b"], "--from goes with --report"),
        (["--compare", "a"], "expected 2 arguments"),
        (["--from", "/nonexistent.json", "--report", "d"], "No such file or directory"),
        (["--report", "/proc/nowhere"], "/proc/nowhere"),
        (["--report", "/dev/null"], "/dev/null"),
    ],
)
def test_a_wrong_argument_is_named(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert complaint in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_run_makes_no_page(
    run: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = copy.deepcopy(run)
    broken["results"][3]["cpu_microseconds"] = None
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    with pytest.raises(SystemExit) as stop:
        cli.main(["--from", str(tmp_path / "broken.json"), "--report", str(tmp_path / "page")])
    assert stop.value.code == 2
    assert "broken.json: results[3]: cpu_microseconds is no number" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()
