"""The page of a run: what `--report` writes, from what `--json` writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .bars import bar_figures, kind_of
from .document import data_table, document, facts
from .markup import Child, Markup, element
from .sweeps import Figure, depth_figure, shown_as_bars, size_figures
from .wording import figure, multiple

if TYPE_CHECKING:
    from .record import CellRecord, Entry, Key, Record

__all__ = ["environment_facts", "report_page"]

_LABELS = {"file_system": "file system", "o_direct": "O_DIRECT", "cold_cache": "cold cache", "ring": "ring setup"}

_VERDICTS = {
    True: ("✓", "met", "good"),
    False: ("✗", "not met", "bad"),
    None: ("-", "not measured", "quiet"),
}

_READING = (
    "Bars and points are medians of all turns; whiskers go from the slowest turn to the fastest, or from the least CPU "
    "to the most. Contenders take turns in each repetition, so that what else happens on the machine meets all alike.",
    "Ratio: how many times as fast as the baseline, compared within each repetition, the median. The baseline is the "
    "hollow bar, the name in italics, and the dashed line. pyuring's contenders are bold and blue, solid where they "
    "are bars; the others are grey.",
    "CPU per operation: user and system time of all threads; of fio's own thread only, without the kernel's workers. "
    "Time per operation is no latency where more than one operation is in flight. MB: 1,000,000 bytes.",
)


def report_page(record: Record) -> str:
    """Make the page."""
    environment = record.environment
    told = [environment.get("date"), environment.get("kernel"), f"commit {environment.get('commit', 'unknown')}"]
    return document(
        "pyuring benchmarks",
        element("p", " · ".join(part for part in told if part), class_="quiet"),
        _contents(record),
        _targets(record),
        _failures(record),
        element(
            "section",
            element("h2", "Where this was measured", id="environment"),
            facts("Machine and versions", environment_facts(record)),
            element("h3", "How to read the plots"),
            [element("p", paragraph) for paragraph in _READING],
        ),
        [_case(number, name, cells, record) for number, (name, cells) in enumerate(record.cases.items())],
    )


def environment_facts(record: Record) -> list[tuple[str, Child]]:
    """The environment and the settings, by the names that people know."""
    found: list[tuple[str, Child]] = [(_LABELS.get(name, name), value) for name, value in record.environment.items()]
    settings = record.settings
    if "repetitions" in settings:
        found.append(("turns", f"{settings['repetitions']} of each contender, of {settings.get('seconds', '?')} s"))
    if "small_files" in settings:
        found.append(("small files", str(settings["small_files"])))
    refusals = settings.get("refusals") or []
    if isinstance(refusals, list) and refusals:
        found.append(("left out", element("span", "; ".join(map(str, refusals)), class_="bad")))
    return found


def _contents(record: Record) -> Markup:
    items = [
        element("li", element("a", name, href=f"#case-{number}"), f", {len(cells)} cells" if len(cells) > 1 else None)
        for number, (name, cells) in enumerate(record.cases.items())
    ]
    return element("nav", element("ul", items), aria_label="Cases")


def _targets(record: Record) -> Markup | None:
    if not record.targets:
        return None
    rows = []
    for target in record.targets:
        met = target.get("met")
        mark, word, class_ = _VERDICTS[met if isinstance(met, bool) else None]
        rows.append(
            element(
                "tr",
                element("td", f"{mark} {word}", class_=f"words {class_}"),
                element("th", str(target.get("name", "?")), scope="row", class_="words"),
                element("td", str(target.get("measured", "-"))),
                element("td", str(target.get("goal", "?"))),
                element("td", str(target.get("remark") or ""), class_="words remark"),
            )
        )
    verdicts = [target.get("met") for target in record.targets]
    told = f"{verdicts.count(True)} met, {verdicts.count(False)} not met, {verdicts.count(None)} not measured"
    columns = [("verdict", True), ("target", True), ("measured", False), ("to be", False), ("remark", True)]
    return element(
        "section",
        element("h2", "Targets", id="targets"),
        data_table(f"What pyuring is to reach, from this run: {told}.", columns, rows, class_="targets"),
    )


def _failures(record: Record) -> Markup | None:
    """Who has no figures, by reason: the same reason in many cells is one thing to know."""
    found: dict[tuple[str, str, str], dict[str, Entry]] = {}
    places: dict[tuple[str, str, str], dict[Key, CellRecord]] = {}
    for cell in record.cells:
        for entry in cell.failed:
            if entry.failure:
                known = (entry.family, *entry.failure)
                found.setdefault(known, {}).setdefault(entry.contender, entry)
                places.setdefault(known, {})[cell.key] = cell
    if not found:
        return None
    rows = [
        element(
            "tr",
            element("th", _names(family, list(entries.values())), scope="row", class_="words"),
            element("td", kind, class_="words bad"),
            element("td", reason, class_="words"),
            element("td", _places(list(places[family, kind, reason].values()), record), class_="words"),
        )
        for (family, kind, reason), entries in found.items()
    ]
    columns = [("contender", True), ("what", True), ("reason", True), ("where", True)]
    return element(
        "section",
        element("h2", "Without figures", id="failures"),
        data_table("Contenders that failed, are not installed, or cannot do it.", columns, rows),
    )


def _names(family: str, entries: Sequence[Entry]) -> str:
    """The contender's, or the family's with the depths."""
    depths = sorted({entry.depth for entry in entries if entry.depth})
    return f"{family}, depths {', '.join(map(str, depths))}" if len(depths) > 1 else entries[0].contender


def _places(cells: Sequence[CellRecord], record: Record) -> str:
    """Where it was, by case."""
    titles: dict[str, list[str]] = {}
    for cell in cells:
        titles.setdefault(cell.key.case, []).append(cell.key.title)
    told = []
    for case, places in titles.items():
        everywhere = len(places) == len(record.cases[case])
        where = f"all {len(places)} cells" if everywhere and len(places) > 2 else "; ".join(filter(None, places))
        told.append(f"{case}: {where}" if where else case)
    return ". ".join(told)


def _case(number: int, name: str, cells: Sequence[CellRecord], record: Record) -> Markup:
    question = record.questions.get(name)
    cold = record.environment.get("cold_cache")
    return element(
        "section",
        element("h2", name, id=f"case-{number}"),
        element("p", question) if question else None,
        element("p", f"Cold cache: {cold}", class_="quiet")
        if cold and any(cell.key.temperature == "cold" for cell in cells)
        else None,
        [_cell(cell) for cell in cells],
        [_sweep(each) for each in size_figures(cells)],
        class_="case",
    )


def _cell(cell: CellRecord) -> list[Child]:
    shown, reduced = shown_as_bars(cell)
    base = cell.baseline
    ranked = sorted(shown, key=lambda entry: (entry is not base, bool(entry.failure), -entry.rate))
    unit = base.unit
    told = f"Baseline: {base.contender}" + (f", which has no figures ({base.failure[0]})" if base.failure else "")
    turns = max((len(entry.samples) for entry in cell.entries), default=0)
    told += f". {turns} turns each." + (f" One operation: one {unit}." if unit != "operation" else "")
    if reduced:
        told += " Of a contender with many depths, the bar is the fastest one; lines and table have all."
    sweep = depth_figure(cell)
    return [
        element("h3", cell.key.title) if cell.key.title else None,
        element("p", told, class_="quiet"),
        [element("figure", element("div", pair, class_="pair")) for pair in bar_figures(cell, ranked)],
        _sweep(sweep, heading="h4") if sweep else None,
        _table(cell),
    ]


def _sweep(sweep: Figure, heading: str = "h3") -> Markup:
    return element(
        "figure",
        element("figcaption", element(heading, sweep.title), sweep.note or None),
        element("div", sweep.drawings, class_="pair"),
        sweep.legend,
    )


_COLUMNS = [
    ("contender", True), ("op/s", False), ("slowest to fastest", False), ("MB/s", False), ("µs/op", False),
    ("CPU µs/op", False), ("ratio", False), ("uses", True),
]  # fmt: skip


def _table(cell: CellRecord) -> Markup:
    caption = f"{cell.key.full_title}: the figures. Medians; ratio to {cell.baseline.contender}."
    return data_table(caption, _COLUMNS, [_row(entry, cell.baseline) for entry in cell.entries])


def _row(entry: Entry, base: Entry) -> Markup:
    name = entry.contender + (" (baseline)" if entry is base else "")
    first = element("th", name, scope="row")
    if entry.failure:
        kind, reason = entry.failure
        rest = element(
            "td", element("span", f"{kind}: ", class_="bad"), reason, colspan=len(_COLUMNS) - 2, class_="words"
        )
        return element("tr", first, rest, element("td", entry.backend, class_="words"), class_=kind_of(entry, base))
    low, high = entry.rates
    cells = [
        figure(entry.rate),
        f"{figure(low)} to {figure(high)}",
        "-" if entry.megabytes is None else figure(entry.megabytes),
        figure(entry.microseconds),
        figure(entry.cpu_microseconds),
        multiple(entry.ratio),
    ]
    return element(
        "tr",
        first,
        [element("td", each) for each in cells],
        element("td", entry.backend, class_="words"),
        class_=kind_of(entry, base),
    )
