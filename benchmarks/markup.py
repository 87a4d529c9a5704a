"""HTML and SVG from Python values, escaped, and well-formed as XML too."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import TypeAlias

__all__ = ["Child", "Markup", "element", "escape", "join"]

#: HTML elements that have no end tag.
_VOID = frozenset({"meta", "col"})
#: What neither XML nor UTF-8 can carry: control characters and halves of surrogate pairs.
_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010fffd]")


class Markup(str):
    """Text that is written as it is, since what it was made of has been escaped."""

    __slots__ = ()


Child: TypeAlias = "str | Markup | Iterable[Child] | None"


def escape(text: str) -> Markup:
    return text if isinstance(text, Markup) else Markup(html.escape(_UNWRITABLE.sub("\ufffd", text)))


def join(parts: Child) -> Markup:
    """Parts, one behind the other; what is None is left out."""
    if parts is None:
        return Markup()
    if isinstance(parts, str):
        return escape(parts)
    return Markup("".join(join(part) for part in parts))


def element(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """One element.

    Args:
        name: of the element.
        children: what is inside; plain strings are escaped.
        attributes: `class_` is class, `stroke_width` is stroke-width; None leaves one out.
    """
    opened = name + "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{opened}/>" if name in _VOID else f"<{opened}>{join(children)}</{name}>")


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
