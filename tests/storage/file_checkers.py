"""What must hold of the files of jobs in any store."""

from __future__ import annotations

from collections.abc import Sequence

from tests.storage.checkers import Rows, check_evidence, ensure

from overseen_storage.audit import Check, Recorded
from overseen_storage.records import AttachmentRecord, Event
from overseen_storage.store import Store


async def check_files(store: Store, rows: Rows, events: Sequence[Event]) -> None:
    """The audit's checks; and a stored name has one content, and only those of jobs are listed as
    stored."""
    files: list[AttachmentRecord] = []
    contents: dict[str, tuple[str, int]] = {}
    for row in rows.values():
        files += await store.attachments(row.id)
    for one in files:
        content = (one.digest, one.size_bytes)
        same = contents.setdefault(one.stored_name, content) == content
        ensure("a stored name has one content", same, one)
    recorded = Recorded(tuple(rows.values()), events, files=files)
    check_evidence(recorded, {Check.ATTACHMENTS})
    stored = await store.stored_files()
    ensure("what is stored is what jobs have", stored == set(contents), stored, set(contents))
