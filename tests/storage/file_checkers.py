"""What must hold of the files of jobs in any database."""

from __future__ import annotations

from collections.abc import Sequence

from tests.storage.checkers import Folded, Rows, ensure, fold

from overseen_storage.lifecycle import TERMINAL, Status
from overseen_storage.records import Event
from overseen_storage.store import Store


async def check_files(store: Store, rows: Rows, events: Sequence[Event]) -> None:
    """A job has all the files it was given, but for a draft that was given up, which has none; a
    stored name has one content, and only those of jobs are listed as stored."""
    folded = fold(events)
    contents: dict[str, tuple[str, int]] = {}
    for row in rows.values():
        files = await store.attachments(row.id)
        expected = 0 if was_given_up(folded[row.id]) else row.attachments
        ensure("a job has the files it was given", len(files) == expected, files, row)
        for one in files:
            content = (one.digest, one.size_bytes)
            same = contents.setdefault(one.stored_name, content) == content
            ensure("a stored name has one content", same, one)
            ensure("a file is not older than its job", one.created_at >= row.created_at, one, row)
    stored = await store.stored_files()
    ensure("what is stored is what jobs have", stored == set(contents), stored, set(contents))


def was_given_up(job: Folded) -> bool:
    """Whether it ended as a draft."""
    moves = [event for event in job.history if event.status is not None]
    return job.status in TERMINAL and moves[-2].status is Status.DRAFT
