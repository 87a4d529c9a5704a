"""How the pages look: on a screen, by day and by night, on a telephone and on paper."""

from __future__ import annotations

__all__ = ["STYLE"]

#: Blue and grey differ in lightness too, and no meaning is in colour alone: names are bold, bars hollow, lines
#: dashed, verdicts written.
STYLE = """
:root { color-scheme: light dark;
  --page: #ffffff; --card: #ffffff; --text: #1b1f24; --quiet: #59636e; --rule: #d5dae0; --grid: #e6e9ed;
  --ours: #0a5ca8; --other: #9aa4af; --edge: #59636e; --whisker: #1b1f24; --bad: #a33a00; --good: #0a5ca8;
  --band: #e6e9ed;
  --a0: #0a5ca8; --a1: #2f93e0; --a2: #063059; --a3: #5a79c9;
  --g0: #6b7682; --g1: #3d4650; --g2: #98a2ad; --g3: #7d6f63; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161b; --card: #171c22; --text: #e4e8ec; --quiet: #a0abb6; --rule: #39424c; --grid: #2a323a;
  --ours: #58aef5; --other: #66717c; --edge: #a0abb6; --whisker: #e4e8ec; --bad: #ff9d5c; --good: #58aef5;
  --band: #2a323a;
  --a0: #58aef5; --a1: #a8d6ff; --a2: #2f86d6; --a3: #92a8ff;
  --g0: #97a2ad; --g1: #c5ccd4; --g2: #6f7a86; --g3: #b3a394; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 66rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 .2rem; padding-top: .8rem; border-top: 2px solid var(--text); }
h3 { font-size: 1.08rem; margin: 2.2rem 0 .2rem; }
p { margin: .3rem 0 .8rem; max-width: 46rem; }
a { color: var(--ours); }
.quiet, figcaption, caption { color: var(--quiet); font-size: .88rem; }
nav ul { columns: 17rem; padding-left: 1.1rem; margin: .4rem 0; font-size: .92rem; }
nav li { break-inside: avoid; }
figure { margin: .8rem 0 1rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(21rem, 100%), 1fr)); gap: .8rem 1.6rem; }
.pair > svg { display: block; width: 100%; height: auto; }
.scroll { overflow-x: auto; margin: .6rem 0 1rem; }
.scroll:focus-visible { outline: 2px solid var(--ours); }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .85rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .2rem 0 .4rem; }
caption span { display: inline-block; position: sticky; left: 0; max-width: min(46rem, calc(100vw - 2rem)); }
th, td { text-align: right; padding: .22rem .55rem; border-bottom: 1px solid var(--rule); vertical-align: top;
  white-space: nowrap; }
thead th { border-bottom: 2px solid var(--quiet); vertical-align: bottom; }
th { font-weight: 600; }
th[scope=row], .words { text-align: left; font-weight: 400; }
td.words, .facts td, .facts th { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
.targets th[scope=row], .targets td { white-space: normal; min-width: 4.5rem; }
.targets td:first-child { white-space: nowrap; } td.quiet { font-size: inherit; }
.targets th[scope=row], .targets td.remark { min-width: 13rem; }
.facts th[scope=row] { color: var(--quiet); min-width: 7rem; width: 9rem; }
.facts td { text-align: left; }
tbody th[scope=row] { white-space: normal; min-width: 10rem; }
tr.ours th[scope=row] { font-weight: 700; color: var(--ours); }
tr.base th[scope=row] { font-style: italic; }
.bad, tr .bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); font-weight: 600; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; padding: 0; margin: .3rem 0;
  font-size: .88rem; }
.legend li { display: flex; align-items: center; gap: .4rem; } .legend svg { flex: none; }
svg text { font: 12px system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; fill: var(--text);
  font-variant-numeric: tabular-nums; }
svg text.h { font-size: 14px; font-weight: 700; } svg text.m { font-size: 11.5px; fill: var(--quiet); }
svg text.n, svg text.v, svg text.bad { font-size: 12.5px; } svg text.n.ours { font-weight: 700; fill: var(--ours); }
svg text.n.base { font-style: italic; } svg text.bad { fill: var(--bad); }
.halo { paint-order: stroke; stroke: var(--page); stroke-width: 4px; stroke-linejoin: round; }
.back { fill: var(--page); }
.grid { stroke: var(--grid); stroke-width: 1; } .axis { stroke: var(--quiet); stroke-width: 1; }
.ref { stroke: var(--quiet); stroke-width: 1.2; stroke-dasharray: 5 4; fill: none; }
.bar.ours { fill: var(--ours); } .bar.other { fill: var(--other); }
.bar.base { fill: var(--page); stroke: var(--edge); stroke-width: 1.6; }
.whisker { fill: none; stroke: var(--whisker); stroke-width: 1.3; }
.band { fill: var(--band); } .dot { stroke-width: 2; }
.dot.ours { stroke: var(--ours); fill: var(--ours); } .dot.other { stroke: var(--edge); fill: var(--edge); }
.dot.in { fill: var(--page); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .spread { fill: none; stroke-width: 1; opacity: .75; }
.mark { stroke-width: 1.6; } .fail { fill: none; stroke: var(--bad); stroke-width: 2; }
.a0 { stroke: var(--a0); } .a1 { stroke: var(--a1); } .a2 { stroke: var(--a2); } .a3 { stroke: var(--a3); }
.g0 { stroke: var(--g0); } .g1 { stroke: var(--g1); } .g2 { stroke: var(--g2); } .g3 { stroke: var(--g3); }
.mark.a0 { fill: var(--a0); } .mark.a1 { fill: var(--a1); } .mark.a2 { fill: var(--a2); } .mark.a3 { fill: var(--a3); }
.mark.g0, .mark.g1, .mark.g2, .mark.g3 { fill: var(--page); }
@media (max-width: 40rem) {
  body { padding: 1rem .8rem 3rem; } h1 { font-size: 1.45rem; } h2 { font-size: 1.2rem; }
  th, td { padding: .2rem .4rem; } table { font-size: .8rem; }
  .scroll th[scope=row]:first-child { position: sticky; left: 0; background: var(--page); max-width: 11rem;
    white-space: normal; }
  .facts th[scope=row] { position: static; min-width: 5rem; width: 6rem; } .facts td { min-width: 0; }
}
@media print {
  @page { size: A4; margin: 14mm 12mm; }
  :root { color-scheme: light;
    --page: #ffffff; --card: #ffffff; --text: #000000; --quiet: #444c55; --rule: #b8c0c8; --grid: #dde1e6;
    --ours: #0a5ca8; --other: #9aa4af; --edge: #444c55; --whisker: #000000; --bad: #8a3000; --good: #0a5ca8;
    --band: #e2e5e9;
    --a0: #0a5ca8; --a1: #2f93e0; --a2: #063059; --a3: #5a79c9;
  --g0: #6b7682; --g1: #3d4650; --g2: #98a2ad; --g3: #7d6f63; }
  html { font-size: 9.5pt; } html, body { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  body { max-width: none; padding: 0; font-size: 10pt; } a { color: inherit; text-decoration: none; }
  section.case { break-before: page; } section.case > h2 { margin-top: 0; }
  h2, h3, h4, h3 + p, caption, thead { break-after: avoid; } figure, tr, .legend { break-inside: avoid; }
  .pair { grid-template-columns: 1fr 1fr; gap: 2mm 5mm; }
  .scroll { overflow: visible; }
  table { font-size: 7.6pt; } thead { display: table-header-group; }
  th, td { padding: .5mm 1.2mm; } td.words { min-width: 22mm; } tbody th[scope=row] { min-width: 30mm; }
  caption span { max-width: none; }
  p { orphans: 3; widows: 3; max-width: none; }
}
"""
