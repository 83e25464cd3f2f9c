"""Notes: events that change no status. Some write a column of their job, guarded by its fence."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from overseen_storage.answers import Missed
from overseen_storage.items import Note
from overseen_storage.lifecycle import EventType
from overseen_storage.sqlite.moves import missed_of, storable
from overseen_storage.sqlite.rows import LARGE_BYTES, Rows
from overseen_storage.sqlite.writer import Writer


def write_notes(writer: Writer, rows: Rows[Note]) -> dict[int, Missed]:
    """Write all notes, in order; who was missed."""
    missed: dict[int, Missed] = {}
    for stretch in rows.split_at(_is_large):
        if len(stretch) == 1 and _is_large(stretch.items[0]):
            missed.update(_write_large(writer, stretch))
            continue
        for part in _without_repeats(stretch):
            missed.update(_write(writer, part, None))
    return missed


def _is_large(note: Note) -> bool:
    return note.checkpoint is not None and len(note.checkpoint) > LARGE_BYTES


def _changes_its_job(note: Note) -> bool:
    return (
        note.type is EventType.WARNING or note.progress is not None or note.checkpoint is not None
    )


def _without_repeats(rows: Rows[Note]) -> Iterator[Rows[Note]]:
    """Stretches in which each job is changed once at most: an UPDATE applies one row to a job."""
    changing = [note.job_id for note in rows.items if _changes_its_job(note)]
    if len(set(changing)) == len(changing):
        yield rows
        return
    start = 0
    seen: set[int | None] = set()
    for index, note in enumerate(rows.items):
        if _changes_its_job(note) and note.job_id in seen:
            yield rows.part(start, index)
            start = index
            seen = set()
        if _changes_its_job(note):
            seen.add(note.job_id)
    yield rows.part(start, len(rows))


def _write_large(writer: Writer, rows: Rows[Note]) -> dict[int, Missed]:
    note = rows.items[0]
    assert note.checkpoint is not None
    slim = Rows([msgspec.structs.replace(note, checkpoint="")], rows.first)
    return _write(writer, slim, storable(note.checkpoint))


def _write(writer: Writer, rows: Rows[Note], checkpoint: str | None) -> dict[int, Missed]:
    text = rows.document
    if any(map(_changes_its_job, rows.items)):
        writer.run("apply_notes", rows=text, at=writer.at, checkpoint=checkpoint)
    written = writer.run(
        "note_events", rows=text, seq=writer.seq, at=writer.at, checkpoint=checkpoint
    )
    missed: dict[int, Missed] = {}
    if written < len(rows):
        answer = writer.text("missed_notes", rows=text, seq=writer.seq, at=writer.at)
        missed = missed_of(answer, rows.first)
    writer.seq += written
    writer.at += len(rows)
    return missed
