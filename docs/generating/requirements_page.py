"""docs/requirements.md: every requirement, and the tests whose docstrings say that they show it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docs.generating.markdown import sections, table
from docs.generating.requirements import INCIDENTS, Requirement, chapters

ROOT: Final = Path(__file__).resolve().parents[2]
NUMBERS: Final = re.compile(r"\((R\d+(?:,\s*R\d+)*)\)")
INCIDENT: Final = re.compile(r"\(incident:\s+([^)]+)\)")
SHOWN_MAX: Final = 6

INTRODUCTION = """
# Requirements and their tests

What users of other job systems suffer from, turned into promises, and the tests that show that they
are kept. A test names its requirements at the end of its docstring: `(R3)`, `(R3, R47)`,
`(incident: Crawl jobs)`.
"""


@dataclass(frozen=True, slots=True, order=True)
class Shown:
    """A test function."""

    file: str
    """From the root of the checkout."""
    name: str

    @property
    def link(self) -> str:
        """For a page in docs/."""
        return f"[{self.name.removeprefix('test_').replace('_', ' ')}](../{self.file})"


def shown_by(root: Path) -> Mapping[str, list[Shown]]:
    """Tests by what their docstrings name: a requirement (``R3``) or an incident."""
    found: dict[str, list[Shown]] = defaultdict(list)
    for path in sorted((root / "tests").rglob("test_*.py")):
        for test, doc in _tests(root, path):
            for tag in tags(doc):
                found[tag].append(test)
    return found


def tags(doc: str) -> list[str]:
    """The requirements and incidents that a docstring names, each once, in order."""
    text = " ".join(doc.split())
    numbers = [number.strip() for group in NUMBERS.findall(text) for number in group.split(",")]
    return list(dict.fromkeys([*numbers, *INCIDENT.findall(text)]))


def requirements() -> Iterator[Requirement]:
    """All of them, in order."""
    for chapter in chapters():
        yield from chapter.requirements


def render() -> str:
    """The page."""
    found = shown_by(ROOT)
    incidents = [(name, what, _links(found[name])) for name, what in INCIDENTS.items()]
    parts = [
        INTRODUCTION,
        "## Incidents",
        table(("incident", "what went wrong", "tests"), incidents),
    ]
    for chapter in chapters():
        rows = [
            (f"R{one.number}", one.promise, _cell(one, found[f"R{one.number}"]))
            for one in chapter.requirements
        ]
        parts += [f"## {chapter.title}", table(("", "promise", "tests"), rows)]
    return sections(parts)


def _cell(requirement: Requirement, tests: list[Shown]) -> str:
    return _links(tests) or f"*{requirement.later or 'none yet'}*"


def _links(tests: list[Shown]) -> str:
    links = [test.link for test in tests[:SHOWN_MAX]]
    more = len(tests) - len(links)
    return " · ".join([*links, f"and {more} more"] if more else links)


def _tests(root: Path, path: Path) -> Iterator[tuple[Shown, str]]:
    """The test functions of a file, in order, with their docstrings."""
    file = path.relative_to(root).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("test_"):
            yield Shown(file, node.name), ast.get_docstring(node) or ""
