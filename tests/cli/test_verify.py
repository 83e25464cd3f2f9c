"""`overseen verify`: its answers, its exit codes, and that it leaves everything as it was."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from tests.cli.commands import overseen


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder, and what is in it."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write(database: Path, text: str) -> None:
    """Change a database by hand."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.executescript(text)


def test_a_database_with_nothing_wrong_is_exit_code_0(database: Path) -> None:
    """The report says what was looked at, each check with what it proves, and the verdict."""
    done = overseen("verify", database, "--deep")

    assert (done.returncode, done.stderr) == (0, "")
    assert "13 jobs (0 running)" in done.stdout
    assert "the history of every job is a path through the lifecycle" in done.stdout
    assert "Nothing is wrong: every promise was kept." in done.stdout


def test_what_is_wrong_is_told_and_exit_code_1(database: Path) -> None:
    """Findings are grouped, with what to do; the first 20 of a kind, then how many more."""
    write(
        database,
        "INSERT INTO ledger (at, type, cause, job_id) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL"
        " SELECT i + 1 FROM n WHERE i < 30) SELECT (SELECT max(at) FROM ledger) + i, 107, 5, 999"
        " FROM n",
    )

    done = overseen("verify", database)

    assert done.returncode == 1
    assert "rows: 30 problems" in done.stdout
    assert done.stdout.count("  job 999, event") == 20
    assert "and 10 more" in done.stdout
    assert "-> Keep a copy" in done.stdout
    assert done.stdout.rstrip().endswith("30 PROBLEMS.")


def test_a_file_that_cannot_be_checked_is_exit_code_2(database: Path, tmp_path: Path) -> None:
    """No such file, another program's, from a newer version: said in a line, not checked."""
    other = tmp_path / "other.db"
    write(other, "CREATE TABLE t (a)")
    text = tmp_path / "text.db"
    text.write_text("no database at all" * 100, encoding="utf-8")
    empty = tmp_path / "empty.db"
    empty.touch()
    write(database, "PRAGMA user_version = 99")

    for path in (tmp_path / "nowhere.db", tmp_path, other, text, empty, database):
        done = overseen("verify", path)
        assert (done.returncode, done.stdout) == (2, ""), path
        assert done.stderr.startswith("overseen: not checked: "), path
        assert "Traceback" not in done.stderr


def test_json_is_one_document(database: Path) -> None:
    """Programs read the verdict, the numbers, the checks and the findings, whatever they are."""
    clean = json.loads(overseen("verify", database, "--json").stdout)
    write(database, "UPDATE job SET warnings = 9 WHERE id = 1")
    damaged = json.loads(overseen("verify", database, "--json").stdout)
    missing = json.loads(overseen("verify", database.with_name("no.db"), "--json").stdout)

    assert (clean["verdict"], clean["problems"], clean["looked"]["jobs"]) == ("ok", 0, 13)
    assert (damaged["verdict"], damaged["problems"]) == ("problems", 1)
    (finding,) = damaged["findings"]
    assert (finding["check"], finding["job_id"]) == ("rows", 1)
    assert {one["name"]: one["problems"] for one in damaged["checks"]}["rows"] == 1
    assert (missing["verdict"], missing["error"]) == ("not checked", "DatabaseRefused")


@pytest.mark.parametrize("index", ["with its index", "without"])
def test_nothing_is_written_beside_a_dead_owner(database: Path, tmp_path: Path, index: str) -> None:
    """With a `-wal` that was never merged, with and without its `-shm`: every byte in the folder
    stays as it was, no file comes or goes, and what is only in the `-wal` is seen."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE job SET warnings = 9 WHERE id = 1")
        left = {name: (tmp_path / name).read_bytes() for name in ("jobs.db-wal", "jobs.db-shm")}
        main = database.read_bytes()
    database.write_bytes(main)
    (tmp_path / "jobs.db-wal").write_bytes(left["jobs.db-wal"])
    if index == "with its index":
        (tmp_path / "jobs.db-shm").write_bytes(left["jobs.db-shm"])
    before = contents(tmp_path)

    done = overseen("verify", database, "--deep")

    assert done.returncode == 1
    assert "warnings 9" in done.stdout
    assert contents(tmp_path) == before


def test_nothing_is_written_at_rest(database: Path, tmp_path: Path) -> None:
    """A database that nobody has open is read without a `-wal` or `-shm` appearing beside it."""
    before = contents(tmp_path)

    for command in (["verify", database, "--deep"], ["explain", "1", "--database", database]):
        assert overseen(*command).returncode == 0

    assert contents(tmp_path) == before
