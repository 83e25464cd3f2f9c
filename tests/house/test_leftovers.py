"""The look for leftovers after each test finds what it should, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LEAKS = {
    "thread": """
        import threading
        halt = threading.Event()
        def test_leaks():
            threading.Thread(target=halt.wait, name="forgotten", daemon=True).start()
    """,
    "file": """
        import os
        def test_leaks(tmp_path):
            os.open(tmp_path / "forgotten", os.O_CREAT | os.O_RDWR)
    """,
    "child process": """
        import subprocess, sys
        kept = []
        def test_leaks():
            kept.append(subprocess.Popen([sys.executable, "-c", ""]))
    """,
    "task": """
        import asyncio
        async def test_leaks():
            asyncio.create_task(asyncio.Event().wait(), name="forgotten")
            await asyncio.sleep(0)
    """,
}

CLEAN = """
    import asyncio, os, subprocess, sys, threading, pytest

    @pytest.fixture
    async def worker():
        task = asyncio.create_task(asyncio.Event().wait())
        yield task
        task.cancel()

    async def test_async_part_is_clean(worker, tmp_path):
        await asyncio.to_thread(os.getpid)
        (tmp_path / "file").write_text("x")

    def test_sync_part_is_clean():
        thread = threading.Thread(target=os.getpid)
        thread.start()
        subprocess.run([sys.executable, "-c", ""], check=True)
"""


def run_pytest(folder: Path, **modules: str) -> subprocess.CompletedProcess[str]:
    """Run test modules beside our conftest.py, in a process of their own."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n", encoding="utf-8")
    for name, body in modules.items():
        (folder / f"test_{name}.py").write_text(textwrap.dedent(body), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def test_a_leaked_thread_file_child_or_task_fails_its_test_and_is_named(tmp_path: Path) -> None:
    """Each kind of leftover is an error of the test that made it, and the message names it."""
    leaks = {kind.replace(" ", "_"): body for kind, body in LEAKS.items()}

    done = run_pytest(tmp_path, **leaks)

    assert f"{len(LEAKS)} errors" in done.stdout, done.stdout
    for kind in LEAKS:
        assert f"\n  {kind} " in done.stdout.replace("\nE ", "\n"), done.stdout
    assert "thread 'forgotten'" in done.stdout
    assert "task 'forgotten'" in done.stdout


def test_a_test_that_cleans_up_passes(tmp_path: Path) -> None:
    """Tasks, executor threads, files and children that have ended are no leftovers."""
    done = run_pytest(tmp_path, clean=CLEAN)

    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
