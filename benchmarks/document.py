"""A page: what is around its sections, and tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from .markup import Child, Markup, element, join
from .style import STYLE

__all__ = ["Column", "data_table", "document", "facts", "page_path", "write_page"]

#: A heading, and whether words stand under it rather than figures.
Column = tuple[str, bool]


def document(title: str, *body: Child) -> str:
    """A page that needs nothing but itself: no network, no script."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        # What is inside is ours, and a style sheet is not escaped.
        element("style", Markup(STYLE)),
    )
    page = element("html", head, element("body", element("main", element("h1", title), body)), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def data_table(caption: str, columns: Sequence[Column], rows: Iterable[Child], *, class_: str | None = None) -> Markup:
    """A table that scrolls by itself where the page is narrow, also from the keyboard."""
    names = [element("th", name, scope="col", class_="words" if words else None) for name, words in columns]
    inside = element(
        "table",
        # What is inside stays in sight while the table scrolls under it.
        element("caption", element("span", caption)),
        element("thead", element("tr", names)),
        element("tbody", rows),
        class_=class_,
    )
    return element("div", inside, class_="scroll", role="region", tabindex=0, aria_label=caption)


def facts(caption: str, pairs: Iterable[tuple[str, Child]]) -> Markup:
    """Names and what they are."""
    rows = [
        element("tr", element("th", name, scope="row", class_="words"), element("td", value)) for name, value in pairs
    ]
    return element("table", element("caption", caption), element("tbody", join(rows)), class_="facts")


def page_path(directory: str) -> str:
    """Where the page goes; made sure of before a run of minutes, which is not to end without it.

    Raises:
        OSError: it cannot be written there.
    """
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "index.html")
    with open(path, "a"):
        return path


def write_page(path: str, page: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
