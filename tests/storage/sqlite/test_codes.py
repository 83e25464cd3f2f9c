"""The numbers and words in the SQL are those of the lifecycle, everywhere."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

import msgspec
import pytest

from overseen_storage import answers, items
from overseen_storage.batch_lifecycle import BATCH_POLICY_CODES, BATCH_STATUS_CODES
from overseen_storage.lifecycle import (
    CAUSE_CODES,
    EVENT_CODES,
    HELD_CODES,
    LIVE,
    MOVES,
    REASON_CODES,
    STATUS_CODES,
    TERMINAL,
    Move,
    Status,
    event_after_attempt,
    sources_of,
)
from overseen_storage.records import JobRecord
from overseen_storage.sqlite.migrations import commands, migrations
from overseen_storage.sqlite.statements import names, statement

FAMILIES: dict[str, dict[str, int]] = {
    "status": {word.value: code for word, code in STATUS_CODES.items()},
    "reason": {word.value: code for word, code in REASON_CODES.items()},
    "cause": {word.value: code for word, code in CAUSE_CODES.items()},
    "held": {word.value: code for word, code in HELD_CODES.items()},
    "event": {word.value: code for word, code in EVENT_CODES.items()},
    "batch_status": {word.value: code for word, code in BATCH_STATUS_CODES.items()},
    "batch_policy": {word.value: code for word, code in BATCH_POLICY_CODES.items()},
}
STRUCTS: dict[str, type[msgspec.Struct]] = {
    "insert_any": items.NewJob,
    "finish": items.Finish,
    "put_back": items.PutBack,
    "request_cancel": items.RequestCancel,
    "mark_stopping": items.MarkStopping,
    "cancel_waiting": items.CancelWaiting,
    "apply_notes": items.Note,
    "note_events": items.Note,
}


@pytest.fixture
def schema() -> Iterator[sqlite3.Connection]:
    """A database with the newest schema."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for migration in migrations():
        for command in commands(migration.text):
            connection.execute(command)
    yield connection
    connection.close()


def family_of(name: str, text: str, position: int) -> list[str]:
    """The families a commented number may belong to, by what stands before it."""
    before = text[max(0, position - 400) : position].lower()
    for family in ("stop_reason", "reason", "cause", "held", "status"):
        if re.search(rf"\b{family}\s*(=|<>|in \()[^=;]*$", before.rsplit("\n", 1)[-1]):
            if family == "status":
                return ["status", "batch_status"]
            return ["reason" if family == "stop_reason" else family]
    return list(FAMILIES)


@pytest.mark.parametrize("name", names())
def test_a_number_with_a_word_means_that_word(name: str) -> None:
    """A number in a statement that carries a word in a comment is the word's code."""
    text = statement(name)
    for match in re.finditer(r"(\d+) /\* (\w+) \*/", text):
        code, word = int(match[1]), match[2]
        families = family_of(name, text, match.start())
        assert any(FAMILIES[family].get(word) == code for family in families), match[0]


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_a_statement_reads_the_fields_of_its_struct(name: str) -> None:
    """Positions in a JSON row are those of the fields they are named after."""
    fields = STRUCTS[name].__struct_fields__
    pairs = re.findall(
        r"json_extract\(each\.value, '\$\[(\d+)\]'\)[^,]*? (?:END )?AS (\w+)", statement(name)
    )
    assert pairs
    for position, field in pairs:
        assert fields[int(position)] == field


def test_words_become_codes_of_the_lifecycle() -> None:
    """Where a statement turns words of a row into numbers, they are the status codes."""
    for name in STRUCTS:
        for word, code in re.findall(r"WHEN '(\w+)' THEN (\d+)", statement(name)):
            assert STATUS_CODES[Status(word)] == int(code)


def test_the_table_of_words_is_the_lifecycle(schema: sqlite3.Connection) -> None:
    """The database knows every word under its code, and no other."""
    rows = schema.execute("SELECT family, word, code FROM word").fetchall()
    told = {(family, word): code for family, word, code in rows}
    assert told == {
        (family, word): code for family, codes in FAMILIES.items() for word, code in codes.items()
    }


def test_codes_are_pinned() -> None:
    """A number that was ever written keeps its meaning: these never change."""
    assert list(FAMILIES["status"].items()) == [
        *(("draft", 1), ("blocked", 2), ("scheduled", 3), ("pending", 4), ("running", 5)),
        *(("cancelling", 6), ("retrying", 7), ("completed", 8), ("failed", 9)),
        ("cancelled", 10),
    ]
    assert list(FAMILIES["held"].items()) == [("unregistered", 1), ("lost", 2), ("operator", 3)]


def guard(name: str) -> set[Status]:
    """The statuses that a statement's guard lets through, as its WHERE names them."""
    where = statement(name).rpartition("WHERE")[2]
    listed = re.search(r"job\.status IN \(([^)]*)\)|[^.]status IN \(([^)]*)\)", where)
    codes = re.findall(r"(\d+) /\*", listed[0] if listed else where.partition("job.status =")[2])
    by_code = {code: status for status, code in STATUS_CODES.items()}
    return {by_code[int(code)] for code in codes}


@pytest.mark.parametrize(
    ("name", "move"),
    [
        ("put_back", Move.RETRY),
        ("put_back", Move.SNOOZE),
        ("put_back", Move.REQUEUE),
        ("request_cancel", Move.REQUEST_CANCEL),
        ("make_due", Move.MAKE_DUE),
        ("claim", Move.START),
        ("complete", Move.COMPLETE),
    ],
)
def test_a_guard_is_the_lifecycle(name: str, move: Move) -> None:
    """A statement's guard lets through exactly the statuses its move may be made from."""
    assert guard(name) == sources_of(move)


def test_waiting_jobs_are_cancelled_from_where_no_body_runs() -> None:
    """CANCEL outside of an attempt is guarded by the statuses it is legal from, but live ones."""
    expected = sources_of(Move.CANCEL) - LIVE
    assert guard("cancel_waiting") == guard("replace") == expected
    assert guard("cancel_members") == guard("waiting_members") == expected


def test_ends_of_attempts_are_the_lifecycle() -> None:
    """`finish` lets a cancelling row through to every end, a running one to all but `cancelled`."""
    text = re.sub(r"\s+", " ", statement("finish").rpartition("WHERE")[2])
    assert "job.status = 6 /* cancelling */ OR (job.status = 5 /* running */ AND" in text
    ends = {s: {end for (s2, _), end in MOVES.items() if s2 is s} & TERMINAL for s in LIVE}
    assert ends[Status.CANCELLING] == TERMINAL
    assert ends[Status.RUNNING] == TERMINAL - {Status.CANCELLED}


def test_the_end_of_an_attempt_is_told_by_its_event() -> None:
    """The ledger's type after an attempt is what the lifecycle says for the new status."""
    by_status = {code: status for status, code in STATUS_CODES.items()}
    for name in ("moved_events", "moved_events_among"):
        pairs = re.findall(r"WHEN (\d+) /\* \w+ \*/ THEN (\d+)", statement(name))
        assert len(pairs) == 6
        for status, event in pairs:
            assert EVENT_CODES[event_after_attempt(by_status[int(status)])] == int(event)


def test_terminal_statuses_are_the_highest_codes() -> None:
    """The CHECK constraints say `status >= 8` for terminal."""
    assert {code for status, code in STATUS_CODES.items() if status in TERMINAL} == {8, 9, 10}


@pytest.mark.parametrize("name", ["job", "orphans", "members"])
def test_rows_are_read_in_the_order_of_the_record(name: str) -> None:
    """The columns of a statement that reads jobs are the record's fields, in order."""
    columns = re.sub(r"\s+", "", statement(name).partition("FROM")[0].removeprefix("SELECT"))
    assert tuple(columns.split(",")) == JobRecord.__struct_fields__


def test_claimed_jobs_are_read_in_the_order_of_the_record() -> None:
    """What a claim answers are the fields of `Claimed`, in order."""
    inner = statement("claimed").partition("json_array(")[2].partition("))")[0]
    columns = re.sub(r"\s+", "", inner).replace("job.", "").split(",")
    assert tuple(columns) == answers.Claimed.__struct_fields__


def test_job_is_the_first_table(schema: sqlite3.Connection) -> None:
    """Whoever opens the file with a shell meets `job` first."""
    row = schema.execute("SELECT name FROM sqlite_schema ORDER BY rowid LIMIT 1").fetchone()
    assert row == ("job",)


def test_every_statement_is_legal_and_says_what_it_does(schema: sqlite3.Connection) -> None:
    """Each file has one statement that the schema accepts, with a comment on top."""
    from importlib.resources import files

    folder = files("overseen_storage.sqlite").joinpath("queries")
    for name in names():
        assert folder.joinpath(f"{name}.sql").read_text("utf-8").startswith("-- ")
        parameters = dict.fromkeys(re.findall(r":(\w+)", statement(name)))
        schema.execute(f"EXPLAIN {statement(name)}", parameters)
