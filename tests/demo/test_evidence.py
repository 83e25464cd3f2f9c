"""What the demo says of itself is what the database says, and a false ledger is found out."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from overseen.demo import listing
from overseen.demo.evidence import Evidence, gather_evidence
from overseen.demo.life import live
from overseen.demo.listing import Entry
from overseen.demo.messages import Acknowledged, Orders, Told
from overseen.demo.place import Place

FILES = 5


class Finished:
    """A batch that one life has worked through, in this process."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder / "demo.db")
        paths = [folder / f"file_{number}.py" for number in range(FILES)]
        for path in paths:
            path.write_text("x = 1\n")
        self.questions = listing.write(folder, [Entry("imports", str(path)) for path in paths])
        self.acknowledged: list[int] = []

    async def tell(self, told: Told) -> None:
        """Note what was acknowledged."""
        if isinstance(told, Acknowledged):
            self.acknowledged += told.ids

    async def live(self) -> None:
        """Live once."""
        await live(self.place, self.questions, Orders(), self.tell, doomed=False)

    def evidence(self, *also_acknowledged: int) -> Evidence:
        """Ask."""
        known = [*self.acknowledged, *also_acknowledged]
        evidence = gather_evidence(self.place.database, self.questions.stem, known)
        assert evidence is not None
        return evidence

    def change(self, *statements: str) -> None:
        """Falsify the database."""
        with closing(sqlite3.connect(self.place.database)) as database, database:
            for statement in statements:
                database.execute(statement)


@pytest.fixture
async def finished(tmp_path: Path) -> Finished:
    finished = Finished(tmp_path)
    await finished.live()
    return finished


async def test_a_batch_that_went_well_has_nothing_against_it(finished: Finished) -> None:
    """Its members, its upload and its summary are there; nobody died, nothing is lost or twice."""
    evidence = finished.evidence()

    assert (evidence.total, evidence.ended) == (FILES + 1, FILES + 1)
    assert (evidence.acknowledged, evidence.lost, evidence.twice) == (FILES + 1, 0, 0)
    assert evidence.deaths == ()
    assert evidence.worked_us > 0
    assert evidence.summary is not None
    assert evidence.summary.completed == FILES + 1
    assert len(evidence.slowest) == 5


async def test_the_upload_was_no_job_before_it_had_its_file(finished: Finished) -> None:
    """The ledger tells the order: a draft, its file, ready, and only then a start. (R32)"""
    upload = finished.evidence().upload

    assert upload is not None
    assert upload.story == "drafted, attached, ready, started, completed"
    assert upload.size_bytes == finished.questions.stat().st_size
    assert upload.inventory is not None
    assert (upload.inventory.questions, upload.inventory.files) == (FILES, FILES)


async def test_another_life_finds_the_batch_and_adds_nothing(finished: Finished) -> None:
    """The same questions are the same batch: nothing is submitted or run again."""
    before = finished.evidence()
    finished.acknowledged.clear()
    await finished.live()

    after = finished.evidence()
    assert finished.acknowledged == []
    assert (after.total, after.summary, after.worked_us) == (
        before.total,
        before.summary,
        before.worked_us,
    )


async def test_a_job_that_is_not_there_is_lost(finished: Finished) -> None:
    """What was acknowledged and is on no disk is counted."""
    assert finished.evidence(4_711).lost == 1


async def test_a_second_end_on_the_ledger_is_found(finished: Finished) -> None:
    """A job that is recorded complete twice is counted."""
    finished.change(
        "insert into ledger (at, type, cause, job_id, status, fence)"
        " select at + 1000000, type, cause, job_id, status, fence from ledger"
        " where type = (select code from word where family = 'event' and word = 'completed')"
        " limit 1"
    )

    assert finished.evidence().twice == 1


async def test_a_life_without_an_end_is_a_death(finished: Finished) -> None:
    """A stop is on record; where it is not, and another life followed, somebody was killed."""
    finished.change("update epoch set stopped_at = null")
    await finished.live()
    assert finished.evidence().deaths == ()  # after the batch was finalized: none of its deaths

    finished.change("update batch set finalized_at = 1 << 60")
    [death] = finished.evidence().deaths
    assert (death.outcomes, death.running, death.again) == (FILES + 1, 0, 0)
    assert death.recovery_us is None


def test_no_database_and_no_batch_are_no_evidence(tmp_path: Path) -> None:
    """Where nothing is, nothing is claimed and nothing made."""
    assert gather_evidence(tmp_path / "demo.db", "questions") is None
    assert list(tmp_path.iterdir()) == []
