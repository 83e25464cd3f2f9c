"""Markdown from docstrings and rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from textwrap import dedent


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; line ends and bars inside cells are taken care of."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def code(text: str) -> str:
    """Code within a line; nothing for nothing."""
    return f"`{text}`" if text else ""


def block(text: str, language: str = "text") -> str:
    """Code in lines of its own."""
    return f"```{language}\n{text.rstrip()}\n```"


def inline(doc: str) -> str:
    """A docstring in one line, with Markdown's backticks."""
    return _ticks(" ".join(doc.split()))


def prose(doc: str) -> str:
    """A docstring as paragraphs and blocks of code."""
    parts: list[str] = []
    for part in re.split(r"\n\s*\n", doc.strip()):
        if part.lstrip().startswith(">>>"):
            parts.append(block(dedent(part), "pycon"))
        elif part.startswith("    "):
            parts.append(block(dedent(part), "python"))
        elif part.strip() != "::":
            parts.append(_ticks(re.sub(r"::$", ":", part)))
    return "\n\n".join(parts)


def sections(parts: Iterable[str]) -> str:
    """Parts of a page, one empty line apart."""
    return "\n\n".join(part.strip() for part in parts if part.strip())


def _ticks(text: str) -> str:
    return text.replace("``", "`")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
