"""The guide is true: its code runs, and prints what it says."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from tests.docs.running_pages import ROOT, blocks_of, run_as_program, run_here, stop_all

PAGES = sorted((ROOT / "docs" / "guide").glob("*.md"))
LINES_MAXIMUM = 250


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_the_code_of_a_page_does_what_the_page_says(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A reader who types the blocks of a page in, one after the other, sees what it promises."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}

    try:
        for block in blocks_of(page):
            if block.is_program:
                printed = run_as_program(block, tmp_path)
            else:
                await run_here(block, namespace)
                printed = capsys.readouterr().out
            assert printed.splitlines() == block.said, f"{page.name}, line {block.line}"
    finally:
        await stop_all(namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_short(page: Path) -> None:
    """A page is one subject, and is read in one sitting."""
    assert len(page.read_text(encoding="utf-8").splitlines()) <= LINES_MAXIMUM


def test_the_index_leads_to_every_page() -> None:
    """Whoever opens docs/ finds a line about each page below it."""
    docs = ROOT / "docs"
    linked = set(re.findall(r"\]\(([^)#]+\.md)\)", (docs / "README.md").read_text("utf-8")))
    folders = chain(
        docs.glob("*.md"), *((docs / one).glob("*.md") for one in ("guide", "reference"))
    )

    assert {str(page.relative_to(docs)) for page in folders} - linked == {"README.md"}


def test_links_into_a_page_meet_a_heading() -> None:
    """A link with `#...` leads to a heading of the page it names."""
    broken: list[str] = []
    for page in (ROOT / "docs").rglob("*.md"):
        for name, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)\s]+)\)", page.read_text("utf-8")):
            target = (page.parent / name) if name else page
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            if anchor not in [slug(heading) for heading in headings]:
                broken.append(f"{page.relative_to(ROOT)} -> {name}#{anchor}")

    assert broken == []


def slug(heading: str) -> str:
    """The anchor that code hosts make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_decisions_are_numbered_and_have_the_three_parts() -> None:
    """Each decision has its own number and tells context, decision and consequences."""
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]

    assert len(set(numbers)) == len(numbers)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
        assert re.findall(r"^\*\*(\w+)", text, re.M) == ["Context", "Decision", "Consequences"]
