"""Lives of processes: their rows, their events, and what still runs in their name."""

from __future__ import annotations

from typing import Final

import msgspec

from overseen_storage.audit.checks import Check
from overseen_storage.audit.evidence import EventFacts, JobFacts
from overseen_storage.audit.findings import Findings
from overseen_storage.lifecycle import LIVE, EventType
from overseen_storage.records import EpochRecord

LIVE_KEPT: Final = 10_000
"""More rows than this cannot run at once: what is beyond is counted, not looked at."""


class _OfEpoch(msgspec.Struct):
    epoch: int


_decode_epoch = msgspec.json.Decoder(_OfEpoch).decode


class Lives:
    """Compares epochs with the ledger, then live rows with the epochs.

    `owned`: whether a process owns the database now; None if that cannot be known.
    """

    def __init__(
        self, epochs: list[EpochRecord], findings: Findings, *, owned: bool | None
    ) -> None:
        self._epochs = {one.id: one for one in epochs}
        self._findings = findings
        self._owned = owned
        self._told: dict[int, dict[EventType, tuple[int, int]]] = {}
        self._live: list[tuple[int, int]] = []
        self._started_last = 0
        """The last epoch that started an attempt which its row still tells of."""

    def hear(self, event: EventFacts) -> None:
        """An epoch began or ended; other events are passed over."""
        if event.type not in (EventType.EPOCH_STARTED, EventType.EPOCH_STOPPED):
            return
        try:
            epoch = _decode_epoch(event.data or "").epoch
        except msgspec.DecodeError:
            expected = "the number of an epoch"
            self._findings.problem(Check.EPOCHS, seq=event.seq, expected=expected, found=event.data)
            return
        told = self._told.setdefault(epoch, {})
        if event.type in told:
            expected = f"one {event.type} of epoch {epoch}"
            self._findings.problem(Check.EPOCHS, seq=event.seq, expected=expected, found="another")
        told[event.type] = (event.seq, event.at)

    def check(self) -> None:
        """Each epoch is on the ledger as in its row, and begins after the one before."""
        before = 0
        for epoch in self._epochs.values():
            told = self._told.get(epoch.id, {})
            for name, event, kept in (
                ("began", EventType.EPOCH_STARTED, epoch.started_at),
                ("ended", EventType.EPOCH_STOPPED, epoch.stopped_at),
            ):
                seq, at = told.get(event, (None, None))
                if at != kept:
                    expected = f"epoch {epoch.id} {name} at {at}, as the ledger tells"
                    self._findings.problem(Check.EPOCHS, seq=seq, expected=expected, found=kept)
            if epoch.started_at <= before:
                expected = f"epoch {epoch.id} to begin after {before}, when the one before did"
                self._findings.problem(Check.EPOCHS, expected=expected, found=epoch.started_at)
            before = max(before, epoch.started_at, epoch.stopped_at or 0)
        for epoch_id in self._told.keys() - self._epochs.keys():
            expected = f"a row of epoch {epoch_id}, of which the ledger tells"
            self._findings.problem(Check.EPOCHS, expected=expected, found="none")

    def see(self, row: JobFacts) -> None:
        """One row: was its attempt started in a life that there was?"""
        if row.epoch is None:
            return
        self._started_last = max(self._started_last, row.epoch)
        epoch = self._epochs.get(row.epoch)
        if epoch is None:
            self._findings.problem(
                Check.EPOCHS, job=row.id, expected="an epoch that there was", found=row.epoch
            )
        elif row.attempt_started_at is not None and row.attempt_started_at < epoch.started_at:
            self._findings.problem(
                Check.EPOCHS,
                job=row.id,
                expected=f"a start after {epoch.started_at}, when epoch {row.epoch} began",
                found=row.attempt_started_at,
            )
        if row.status in LIVE and len(self._live) < LIVE_KEPT:
            self._live.append((row.id, row.epoch))

    def check_live(self) -> int:
        """I21: a row that runs is of the last epoch, or no attempt was started since: what a dead
        process left is resolved before any new work. Returns how many run."""
        last = max(self._epochs, default=0)
        for job_id, epoch in self._live:
            if epoch < self._started_last:
                self._findings.problem(
                    Check.LIVE,
                    job=job_id,
                    expected=f"resolved before epoch {self._started_last} started anything",
                    found=f"still runs in epoch {epoch}",
                )
            elif epoch != last or self._owned is not True:
                self._tell(job_id, epoch)
        return len(self._live)

    def _tell(self, job_id: int, epoch: int) -> None:
        life = self._epochs.get(epoch)
        who = "an unknown process" if life is None else f"process {life.pid} on {life.host!r}"
        if self._owned is None:
            expected = "an owner that runs it (whether there is one cannot be seen from here)"
        else:
            expected = "an owner that runs it"
        found = f"left running in epoch {epoch} by {who}"
        self._findings.note(Check.LIVE, job=job_id, expected=expected, found=found)
