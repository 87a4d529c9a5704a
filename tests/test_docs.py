"""The documentation is true: its code runs, its commands and links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import IS_CHECKOUT, ROOT

import pyuring
from pyuring.kernel import SINCE

if not IS_CHECKOUT:
    pytest.skip("needs a checkout", allow_module_level=True)

RUNNABLE = ["README.md", "docs/level0.md", "docs/design.md"]
PAGES = [*RUNNABLE, "CONTRIBUTING.md", "CHANGELOG.md"]

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(page: str, language: str) -> list[str]:
    return [code for name, code in BLOCK.findall((ROOT / page).read_text()) if name == language]


def script_of(page: str) -> str:
    """The Python blocks of a page as one program, each on the lines it has in the page."""
    lines: list[str] = []
    inside = False
    for line in (ROOT / page).read_text().splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            lines.append("")
        else:
            lines.append(line if inside else "")
    return "\n".join(lines)


def run(arguments: list[str], folder: Path, **more: str) -> str:
    before = os.environ.get("PYTHONPATH")
    here = str(Path(pyuring.__file__).resolve().parent.parent)
    places = {"PYTHONPATH": f"{here}{os.pathsep}{before}" if before else here}
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=os.environ | places | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("page", [page for page in RUNNABLE if blocks_of(page, "python")])
def test_the_python_of_a_page_runs_from_top_to_bottom(page: str, tmp_path: Path) -> None:
    script = tmp_path / Path(page).name
    script.write_text(script_of(page))
    run([str(script)], tmp_path)


def test_the_first_example_of_the_readme_is_five_lines_and_runs_by_itself(tmp_path: Path) -> None:
    code = blocks_of("README.md", "python")[0]
    body = [line for line in code.splitlines() if line.strip()]
    assert len(body) == 5
    (tmp_path / "example.py").write_text(code)
    assert "Hello, io_uring!" in run(["example.py"], tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_its_language_and_is_closed(page: str) -> None:
    text = (ROOT / page).read_text()
    assert text.count("\n```") % 2 == 0
    for language, _ in BLOCK.findall(text):
        assert language in ("python", "sh", "c"), language


@pytest.mark.parametrize("page", PAGES)
def test_the_links_between_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
        if not target.startswith("https://"):
            assert (ROOT / page).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_the_files_that_a_page_names_are_there(page: str) -> None:
    for name in re.findall(r"`((?:\.ci|pyuring|tests|docs|examples|benchmarks)/[\w./]*)`", (ROOT / page).read_text()):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize(
    "command", sorted({name for page in PAGES for name in re.findall(r"\.ci/\w+\b(?!\.)", (ROOT / page).read_text())})
)
def test_the_commands_of_the_pages_are_there_and_can_be_run(command: str) -> None:
    assert os.access(ROOT / command, os.X_OK)


def test_the_example_in_contributing_is_the_code() -> None:
    """It shows an operation that exists, so that it cannot fall behind."""
    (row,) = blocks_of("CONTRIBUTING.md", "c")
    assert row in (ROOT / "pyuring/_native/rows/files.h").read_text()
    (method,) = blocks_of("CONTRIBUTING.md", "python")
    indented = "".join(f"    {line}".rstrip() + "\n" for line in method.splitlines())
    assert indented in (ROOT / "pyuring/operations/files.py").read_text()


def test_the_limits_in_contributing_are_those_that_the_tests_enforce() -> None:
    text = re.sub(r"\s+", " ", (ROOT / "CONTRIBUTING.md").read_text())
    enforced = (ROOT / "tests/test_public.py").read_text()
    module, function = (re.search(rf"{name} = (\d+)", enforced) for name in ("LONGEST_MODULE", "LONGEST_FUNCTION"))
    assert module
    assert function
    assert f"no module has more than {module[1]} lines and no function more than {function[1]}" in text


def test_the_changelog_has_an_entry_for_this_version() -> None:
    assert f"## [{pyuring.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_readme_and_the_changelog_name_every_operation_there_is() -> None:
    domains = [domain for domain in pyuring.Ring.__mro__ if domain.__module__.startswith("pyuring.operations.")]
    names = {name for domain in domains for name in vars(domain) if not name.startswith("_")}
    listed = set(re.findall(r"`(\w+)`", (ROOT / "CHANGELOG.md").read_text()))
    assert names <= listed


def test_the_readme_names_the_kernels_that_the_operations_need() -> None:
    text = (ROOT / "README.md").read_text()
    since = {name: tuple(map(int, release.split("."))) for name, release in SINCE.items()}
    assert f"{'.'.join(map(str, max(since.values())))}" in text
    basic = {"read", "write", "open", "close_fd", "accept", "connect", "send", "recv"}
    assert all(since[name] <= (5, 6) for name in basic), "the README says that 5.6 has these"


@pytest.mark.parametrize("page", PAGES)
def test_no_page_has_a_path_of_one_machine(page: str) -> None:
    text = (ROOT / page).read_text()
    assert not re.search(r"(?<![\w.])/(work|home|root|tmp)/", text)
