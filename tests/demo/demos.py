"""The demo in processes of its own, as somebody at a terminal runs it: for the tests beside it."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [str(ROOT / name) for name in ("supervisor", "actors", "storage")]
ENDED = "'completed', 'failed', 'cancelled'"


class Demo:
    """One demo: its corpus, its database, and how to run it."""

    def __init__(self, folder: Path) -> None:
        self.corpus = folder / "corpus"
        self.database = folder / "demo.db"
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(SOURCES),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "COLUMNS": "100",
        }

    def write_corpus(self, files: int) -> None:
        """Write good files, each long enough to take a moment."""
        body = "".join(f"def function_{n}(a, b):\n    return a if b else {n}\n" for n in range(120))
        self.corpus.mkdir()
        for number in range(files):
            (self.corpus / f"good_{number}.py").write_text(body)

    def command(self, *options: str) -> list[str]:
        named = ["--database", str(self.database), *options]
        return [sys.executable, "-m", "overseen", "demo", str(self.corpus), *named]

    def run(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {**self.environment, **environment}
        return subprocess.run(
            self.command(*options), capture_output=True, text=True, check=False, env=known
        )

    @contextmanager
    def started(self, *options: str) -> Generator[subprocess.Popen[str]]:
        """Run it and look at it while it runs."""
        command = self.command(*options)
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, env=self.environment
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def ask(self, question: str) -> int:
        """One number from the database."""
        with closing(sqlite3.connect(self.database)) as database:
            return int(database.execute(question).fetchone()[0])

    def told(self, done: subprocess.CompletedProcess[str], *patterns: str) -> list[str]:
        """What its output says, one text for each pattern."""
        found = [re.search(pattern, done.stdout) for pattern in patterns]
        assert all(found), done.stdout
        return [match[1] for match in found if match]

    def jobs(self, where: str = "1") -> int:
        return self.ask(f"select count(*) from job_view where {where}")


def wait_for_tenth(process: subprocess.Popen[str]) -> None:
    """Read what it says until some of its jobs have an outcome."""
    wait_for(process, r"[#.]+ [1-9]\d* % ")


def wait_for(process: subprocess.Popen[str], pattern: str) -> None:
    """Read what it says until a line begins so."""
    assert process.stderr is not None
    for line in process.stderr:
        if re.match(pattern, line):
            return
    pytest.fail(f"it never came so far; it said on stdout: {process.communicate()}")
