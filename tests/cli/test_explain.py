"""`overseen explain`: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.commands import overseen


def test_a_job_is_explained_from_its_file(database: Path) -> None:
    """Why, what next, every attempt with its times, and the history with who did what."""
    done = overseen("explain", 2, "--database", database)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("job 2  fails_once  in queue 'default'  completed\n")
    for part in ("Why:", "Next:", "Attempts:", "History:", "again after", "by the scheduler"):
        assert part in done.stdout


def test_an_explanation_is_one_json_document(database: Path) -> None:
    """The same, for programs."""
    told = json.loads(overseen("explain", 9, "--database", database, "--json").stdout)

    assert (told["job_id"], told["status"], told["queue"]) == (9, "pending", "paused")
    assert "is paused since" in told["summary"]
    assert [step["type"] for step in told["history"]] == ["submitted"]


def test_a_job_that_is_not_there_is_exit_code_3(database: Path, tmp_path: Path) -> None:
    """No such job is told from no such database, and both from wrong use."""
    unknown = overseen("explain", 999, "--database", database)
    nowhere = overseen("explain", 1, "--database", tmp_path / "nowhere.db")

    assert (unknown.returncode, unknown.stdout) == (3, "")
    assert "there is no job 999" in unknown.stderr
    assert (nowhere.returncode, nowhere.stdout) == (1, "")
    assert overseen("explain", "many", "--database", database).returncode == 2
    assert overseen("explain", 1).returncode == 2
