"""Every example runs as its first lines say, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [str(ROOT / name) for name in ("supervisor", "actors", "storage")]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(example: str, folder: Path) -> str:
    """Run an example as a stranger would; returns what it printed. It must leave nothing."""
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES), "TMPDIR": str(folder)}
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / example)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=known, cwd=folder
    )
    assert (done.returncode, done.stderr, list(folder.iterdir())) == (0, "", [])
    return done.stdout


def test_hello_shows_progress_and_the_result(tmp_path: Path) -> None:
    """The shortest program submits a job, follows its events and prints what it returned."""
    lines = run("hello.py", tmp_path).splitlines()

    types = [line.split()[1] for line in lines[:-1]]
    assert types[:2] == ["snapshot", "submitted"]
    assert types[-2:] == ["progress", "completed"]
    assert lines[-1] == "{'to': 2, 'be': 2, 'or': 1, 'not': 1}"


def test_hello_is_short() -> None:
    """What a newcomer reads first has less than forty lines."""
    assert len((ROOT / "examples" / "hello.py").read_text(encoding="utf-8").splitlines()) < 40


def test_embed_fastapi_completes_uploads_from_both_kinds_of_endpoint(tmp_path: Path) -> None:
    """A real server on a real port answers; async and plain endpoints submit alike."""
    lines = run("embed_fastapi.py", tmp_path).splitlines()

    assert len(lines) == 2
    assert "POST /uploads: job 1 completed" in lines[0]
    assert "POST /uploads/in-thread: job 2 completed" in lines[1]


def test_crawl_no_completed_job_is_ever_marked_otherwise(tmp_path: Path) -> None:
    """The incident "Crawl jobs": fast jobs finish while sweeps run; each has exactly one end."""
    said = run("crawl.py", tmp_path)

    assert "300 pages: 300 completed, 43 after a retry" in said
    assert "300 of 300 jobs have exactly one end" in said
    assert "0 ended jobs were changed, 0 rows differ from the ledger" in said


def test_progress_page_tells_whoever_joins_everything_to_the_end(tmp_path: Path) -> None:
    """The incident "Progress page": at once, after the end, and from where a connection broke."""
    lines = run("progress_page.py", tmp_path).splitlines()

    assert [line.partition(",")[0] for line in lines[:2]] == ["after event 0: snapshot"] * 2
    assert len(lines) == 3
    assert all('"status": "completed", "total": 50, "completed": 50' in line for line in lines)


def test_uploads_each_log_is_one_completed_job(tmp_path: Path) -> None:
    """The incident "Upload jobs": slow uploads, idle workers; each file is one job, completed after
    its last stage, and the client that went away left nothing. (incident: Upload jobs)"""
    lines = run("uploads.py", tmp_path).splitlines()

    names = ["web-1", "web-2", "api-1", "api-2", "mail-1", "lost"]
    assert [line.split()[0] for line in lines[:6]] == names
    assert all("summarise: 600 lines" in line and "ERROR" in line for line in lines[:5])
    assert "is cancelled (draft_discarded): the client went away" in lines[5]
    assert lines[6].startswith("0 jobs started before their file was there")
    assert "{'cancelled': 1, 'completed': 5}" in lines[6]
    assert lines[7:] == ["5 files are kept for 5 completed jobs; 0 private words left"]


def test_batch_folder_ends_though_idle_or_killed(tmp_path: Path) -> None:
    """The incident "Batches": the end comes with nothing more to pull, and after a kill -9."""
    said = run("batch_folder.py", tmp_path)

    idle, killed = said.split("the process is killed")
    assert "the process ended with -9" in killed
    assert "40 of 40 documents have ended" in killed
    for part in (idle, killed):
        assert "  batch_finalized " in part
        assert "completed_with_errors: 39 completed, 1 failed" in part
        assert "1 x UnicodeDecodeError, the first was job 24" in part
        assert "1 warnings, 380 words in all" in part
        assert "called 1 time(s): 39 of 40 documents were counted" in part


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_says_how_to_run_it(example: Path) -> None:
    """Its first lines hold the command, and a test here runs it."""
    assert f"python examples/{example.name}" in example.read_text(encoding="utf-8")[:500]
    assert f'run("{example.name}"' in Path(__file__).read_text(encoding="utf-8")
