"""The command `overseen`: what it answers, and with which exit code."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from overseen.__main__ import main

ROOTS = [
    str(Path(__file__).resolve().parents[2] / name) for name in ("supervisor", "actors", "storage")
]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m overseen`` in a process of its own."""
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS), **environment}
    command = [sys.executable, "-m", "overseen", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=known)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`version` prints one line, as JSON with what a bug report needs."""
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("overseen ")

    assert main(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sqlite"] == sqlite3.sqlite_version


def test_help_names_the_commands_and_the_exit_codes() -> None:
    """Without arguments, and with --help, one sees what there is; that is no error."""
    for arguments in ([], ["--help"]):
        done = run(*arguments)
        assert done.returncode == 0
        assert "demo" in done.stdout
        assert "130 interrupted" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["demo", "--jobs", "0"], ["demo", "--jobs", "many"], ["version", "--wrong"]],
)
def test_wrong_use_is_exit_code_2_and_a_message(arguments: list[str]) -> None:
    """What cannot be understood is said on stderr, in a line or two."""
    done = run(*arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "error:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_path_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    """The demo does not start over nothing."""
    done = run("demo", str(tmp_path / "nowhere"))

    assert done.returncode == 2
    assert "nowhere" in done.stderr


def test_version_and_demo_work_without_any_extra() -> None:
    """The command, and the demo, import nothing that an extra brings."""
    check = (
        "import sys; from overseen.__main__ import main; main(['version']);"
        "import overseen.demo.run;"
        "print([name for name in ('rich', 'cyclopts', 'fastapi') if name in sys.modules])"
    )
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS)}
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, env=known
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_output_that_nobody_reads_is_no_traceback() -> None:
    """`overseen ... | head -0` ends quietly."""
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS)}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "overseen", "version"]
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, env=known
    )
    os.close(writing)

    assert done.stderr == ""
    assert done.returncode == 1
