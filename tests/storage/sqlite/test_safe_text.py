"""Text goes in and comes out the same, or visibly escaped; never cut, never unreadable."""

from __future__ import annotations

import json
import sqlite3

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseen_storage.items import Finish, NewJob, Note
from overseen_storage.lifecycle import EventType, Status
from overseen_storage.records import JobError, LogLine, Progress
from overseen_storage.sqlite.rows import safe_document
from overseen_storage.sqlite.safe_text import (
    MESSAGE_LENGTH_MAX,
    TRACEBACK_LENGTH_MAX,
    is_safe,
    make_safe,
    safe,
    safe_error,
    safe_json,
    safe_log_line,
)

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=50)


@given(ANY_TEXT)
def test_safe_text_is_kept_and_the_rest_becomes_safe(text: str) -> None:
    """What can be stored is not changed; what cannot is escaped, and then can."""
    assert is_safe(safe(text))
    assert safe(text) == text or not is_safe(text)


@given(ANY_TEXT)
def test_escaped_json_still_is_json(text: str) -> None:
    """A document with characters that cannot be stored stays a document that shows them."""
    document = safe_json(json.dumps({"a": text}, ensure_ascii=False))
    assert is_safe(document)
    assert isinstance(msgspec.json.decode(document)["a"], str)


@given(st.lists(ANY_TEXT, min_size=1, max_size=5))
def test_sqlite_gives_back_what_a_document_holds(texts: list[str]) -> None:
    """Through `json_each` every text arrives whole: nothing is cut at a NUL."""
    jobs = [NewJob(kind=text, queue="q", arguments="{}") for text in texts]
    connection = sqlite3.connect(":memory:")
    rows = connection.execute(
        "SELECT json_extract(value, '$[0]') FROM json_each(?)", (safe_document(jobs),)
    ).fetchall()
    connection.close()
    assert [row[0] for row in rows] == [safe(text) for text in texts]


@pytest.mark.parametrize("bad", ["a\0b", "\udc80"])
def test_data_is_refused_rather_than_altered(bad: str) -> None:
    """Arguments and results are never escaped: what cannot be stored is refused."""
    with pytest.raises(ValueError, match="arguments"):
        make_safe(NewJob(kind="a", queue="q", arguments=bad))
    with pytest.raises(ValueError, match="result"):
        safe_document([Finish(1, 1, Status.COMPLETED, bad)])
    with pytest.raises(ValueError, match="checkpoint"):
        make_safe(Note(EventType.CHECKPOINT, job_id=1, fence=1, checkpoint=bad))


def test_long_errors_are_cut_where_it_hurts_least() -> None:
    """Of a message the beginning is kept, of a traceback the end; both say that they were cut."""
    error = safe_error(JobError("E", "m" * 10_000, "first\n" + "t" * 50_000 + "\nlast"))
    assert len(error.message) == MESSAGE_LENGTH_MAX
    assert error.message.endswith(" (cut)")
    assert len(error.traceback) <= TRACEBACK_LENGTH_MAX
    assert error.traceback.startswith("... (cut)")
    assert error.traceback.endswith("last")


def test_log_lines_and_progress_are_made_safe() -> None:
    """What bodies say for people never hurts the database."""
    line = safe_log_line(LogLine(1, 1, 1, "in\0fo", "\udc80", '{"a": "\udc80"}'))
    assert (line.level, line.message) == ("in\\x00fo", "\\udc80")
    assert msgspec.json.decode(line.data or "") == {"a": "\\udc80"}
    note = make_safe(Note(EventType.PROGRESS, progress=Progress(1, 2, "\0", "\udc80")))
    assert note.progress == Progress(1, 2, "\\x00", "\\udc80")
