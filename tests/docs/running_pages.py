"""Runs the Python blocks of a page, as a reader would who types them in one after the other.

All blocks of a page share one namespace and one folder. `await` may stand outside of functions, as
in ``python -m asyncio``. A block with ``asyncio.run`` is a program of its own and runs as one.
What is printed has to be what the comments `# -> ...` say, in order.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overseen import Supervisor

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = os.pathsep.join(str(ROOT / root) for root in ("supervisor", "actors", "storage"))
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SAID = re.compile(r"# -> (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of code, and where it stands."""

    page: Path
    line: int
    text: str

    @property
    def is_program(self) -> bool:
        """Whether it runs a loop of its own."""
        return "asyncio.run(" in self.text

    @property
    def said(self) -> list[str]:
        """What it says that it prints."""
        return _SAID.findall(self.text)

    @property
    def source(self) -> str:
        """The code, on the lines that it has in its page, so that a traceback leads there."""
        return "\n" * (self.line - 1) + self.text


def blocks_of(page: Path) -> Iterator[Block]:
    """The Python blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield Block(page, text.count("\n", 0, found.start(1)) + 1, found[1])


async def run_here(block: Block, namespace: dict[str, Any]) -> None:
    """Run a block on the loop that runs, in the namespace of its page."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(block.source, str(block.page), "exec", flags=flags, dont_inherit=True)
    answer: object = eval(code, namespace)
    if inspect.isawaitable(answer):
        await answer


async def stop_all(namespace: dict[str, Any]) -> None:
    """Stop what a page has started and, having failed in the middle, not stopped."""
    for value in namespace.values():
        if isinstance(value, Supervisor):
            await value.stop()


def run_as_program(block: Block, folder: Path) -> str:
    """Run a block in a process of its own; returns what it prints."""
    program = folder / f"{block.page.stem}.py"
    program.write_text(block.source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", program.name],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SOURCE_ROOTS},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
