"""The README is true: its program runs, its commands are there, its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
LINES_MAXIMUM = 90
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")
LINES_OF_THE_PROGRAM_MAXIMUM = 25
# A bare checkout runs its tests uninstalled.
SOURCE_ROOTS = os.pathsep.join(str(ROOT / root) for root in ("supervisor", "actors", "storage"))


def readme() -> str:
    return README.read_text(encoding="utf-8")


def test_the_readme_fits_on_one_screen() -> None:
    """A stranger reads the whole page, so it stays short."""
    assert len(readme().splitlines()) <= LINES_MAXIMUM


def test_the_program_in_the_readme_runs_and_prints_what_it_says(tmp_path: Path) -> None:
    """The only Python block is a whole program that prints what its `# ->` comments say."""
    (program,) = PYTHON_BLOCK.findall(readme())
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": SOURCE_ROOTS}

    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == re.findall(r"# -> (.+)$", program, re.MULTILINE)
    assert done.stderr == ""
    assert len(program.splitlines()) <= LINES_OF_THE_PROGRAM_MAXIMUM


def test_the_two_commands_are_there() -> None:
    """Seeing it work and testing it are one command each."""
    commands = re.findall(r"^python3 dev\.py (\w+)$", readme(), re.MULTILINE)

    assert commands == ["demo", "test"]


def test_links_between_our_pages_lead_somewhere() -> None:
    """Every relative link in a page of ours names a file or folder that is there."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    pages += [
        ROOT / part / "README.md" for part in ("supervisor", "actors", "storage", "benchmarks")
    ]

    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert broken == []
