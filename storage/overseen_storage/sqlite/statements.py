"""The SQL of this package: one file an operation in ``queries/``, read once.

A file begins with a comment that says what it does. Numbers that stand for words carry the word
in a comment, ``4 /* pending */``; a test compares them with the lifecycle.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """The text of ``queries/<name>.sql`` without its comments on top."""
    text = files("overseen_storage.sqlite").joinpath("queries", f"{name}.sql").read_text("utf-8")
    lines = text.splitlines()
    while lines and lines[0].startswith("--"):
        del lines[0]
    return "\n".join(lines)


def names() -> list[str]:
    """The names of all statements."""
    folder = files("overseen_storage.sqlite").joinpath("queries")
    return sorted(
        entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql")
    )
