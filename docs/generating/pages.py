"""Which pages are generated, and comparing them with what is on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Final

from docs.generating import (
    errors_page,
    events_page,
    lifecycle_page,
    options_page,
    requirements_page,
    schema_page,
    settings_page,
)

PAGES: Final = MappingProxyType[str, Callable[[], str]](
    {
        "docs/lifecycle.md": lifecycle_page.render,
        "docs/requirements.md": requirements_page.render,
        "docs/reference/settings.md": settings_page.render,
        "docs/reference/job_options.md": options_page.render,
        "docs/reference/events.md": events_page.render,
        "docs/reference/errors.md": errors_page.render,
        "docs/reference/schema.md": schema_page.render,
    }
)

HEAD: Final = (
    "<!-- Generated from the code by docs/generate.py: change the code, not this page. -->"
)


def pages() -> list[str]:
    """The names of the generated pages, from the root of the checkout."""
    return list(PAGES)


def text_of(name: str) -> str:
    """What the page has to hold."""
    return f"{HEAD}\n\n{PAGES[name]().strip()}\n"


def write(root: Path) -> list[str]:
    """Write the pages that differ; return their names."""
    names = stale(root)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text_of(name), encoding="utf-8")
    return names


def stale(root: Path) -> list[str]:
    """The names of the pages that are missing or differ."""
    return [name for name in pages() if _read(root / name) != text_of(name)]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
