"""Upload jobs: a worker picked the job up before its files were attached; each upload left one
failed and one completed job.

Here a job that is given files begins as a draft, which no claim can see; its release and the look
for its files are one transaction. The scenarios give hungry workers every chance to be early.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
from tests.incidents.conftest import Plant
from tests.incidents.reading import read_back
from tests.storage.checkers import Broken
from tests.supervisor.uploading import files_beside, rows_of_files

from overseen import (
    AttachmentsMissing,
    Context,
    Draft,
    EventType,
    Job,
    NotADraft,
    Status,
    Supervisor,
    job,
)
from overseen_actors import LoopClock, run_virtual
from overseen_storage.records import Event, JobRecord
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore

UPLOADS = 40
CRUMBS_SECONDS = 0.3


async def read_all(ctx: Context, upload: int, files: int) -> int:
    """Reads what was uploaded; fails when something is not there or not whole."""
    await asyncio.sleep(Random(upload).choice([0, 0.001]))
    for n in range(files):
        content = await ctx.attachments[f"file {n}"].read_bytes()
        if content != content_of(upload, n):
            raise ValueError(f"upload {upload}: file {n} is not whole")
    return upload


@job(attachments=["file 0"])
async def process(ctx: Context, upload: int, files: int) -> int:
    """What the uploads are for."""
    return await read_all(ctx, upload, files)


@job(name="process")
async def undeclared(ctx: Context, upload: int, files: int) -> int:
    """The same, by somebody who forgot to say that it needs files."""
    return await read_all(ctx, upload, files)


@job
async def crumb() -> None:
    """Work that makes workers look for more."""


def content_of(upload: int, file: int) -> bytes:
    """Every file is another one."""
    return f"{upload} {file} ".encode() * (1 + upload % 5 * 300)


async def slowly(content: bytes, draw: Random, breaks: bool) -> AsyncGenerator[bytes, None]:
    """An upload in pieces, with pauses, which may break off."""
    for start in range(0, len(content), 1_000):
        await asyncio.sleep(draw.choice([0, 0, 0.001, 0.003]))
        yield content[start : start + 1_000]
    if breaks:
        raise ConnectionError("the client went away")


class Client:
    """Uploads, as the program of the incident did: if its job is not there to be filled any more,
    it makes another one."""

    def __init__(self, supervisor: Supervisor, seed: int) -> None:
        self._supervisor = supervisor
        self._seed = seed
        self.results: Counter[str] = Counter()

    async def upload_all(self) -> None:
        """All uploads at once, with crumbs for the workers for longer than that takes."""
        feeding = asyncio.create_task(self._feed())
        await asyncio.gather(*(self._upload_somehow(upload) for upload in range(UPLOADS)))
        await feeding

    async def _feed(self) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + CRUMBS_SECONDS
        while clock() < until:
            await (await self._supervisor.submit(crumb)).wait()

    async def _upload_somehow(self, upload: int) -> None:
        draw = Random(self._seed * 1_000 + upload)
        await asyncio.sleep(draw.uniform(0, 0.02))
        fate = fate_of(upload)
        for _ in range(2):
            try:
                draft = await self._upload(upload, fate, draw)
            except ConnectionError:
                self.results["went away"] += 1
            except AttachmentsMissing:
                self.results["forgot"] += 1
            except NotADraft:
                continue  # taken from under our hands: once more
            else:
                self.results[(await draft.handle.wait()).answer] += 1
            return

    async def _upload(self, upload: int, fate: str, draw: Random) -> Draft[int]:
        files = 1 + upload % 3
        async with self._supervisor.draft(process, upload, files) as draft:
            for n in range(files if fate != "forgot" else 0):
                breaks = fate == "went away" and n == files - 1
                await draft.attach(f"file {n}", slowly(content_of(upload, n), draw, breaks))
        return draft


def fate_of(upload: int) -> str:
    """Some clients go away half way, some forget the files."""
    return {3: "went away", 7: "forgot"}.get(upload % 10, "completed")


FATES = Counter(fate_of(upload) for upload in range(UPLOADS))


def slow_supervisor(database: Path, seed: int, kind: Job[[int, int], int] = process) -> Supervisor:
    """In virtual time; each transaction takes some milliseconds, sweeps follow each other."""
    draw = Random(seed).uniform
    connector = InlineConnector(lambda: asyncio.sleep(draw(0.0001, 0.004)))
    return Supervisor(
        lambda: SqliteStore(
            database, synchronous="normal", connector=connector, owner_wait_seconds=0
        ),
        jobs=[kind, crumb],
        clock=LoopClock(asyncio.get_running_loop()),
        random=Random(seed).random,
        sweep_interval=0.01,
        concurrency=20,
    )


def check_uploads(rows: dict[int, JobRecord], ledger: list[Event]) -> None:
    """One job for each upload; none started before it was ready, with all its files."""
    uploads = [row for row in rows.values() if row.kind == "process"]
    assert len(uploads) == UPLOADS
    statuses = Counter(row.status for row in uploads)
    assert statuses == {
        Status.COMPLETED: FATES["completed"],
        Status.CANCELLED: UPLOADS - FATES["completed"],
    }
    seqs = {(event.job_id, event.type): event.seq for event in ledger}
    for row in uploads:
        started = seqs.get((row.id, EventType.STARTED))
        assert (started is None) == (row.status is Status.CANCELLED)
        if started is not None:
            attached, ready = (seqs[row.id, one] for one in (EventType.ATTACHED, EventType.READY))
            assert attached < ready < started
            assert row.attempts == 1


async def upload_to(
    supervisor: Supervisor, database: Path, seed: int, read: Callable[[], Awaitable[object]]
) -> None:
    """Upload with hungry workers; then each upload has one job, and each file one row."""
    async with supervisor:
        client = Client(supervisor, seed)
        await client.upload_all()
        assert client.results == FATES
    await read()
    assert files_beside(database) == sorted(stored for _, _, stored in rows_of_files(database))


@pytest.mark.parametrize("seed", range(8))
def test_no_worker_is_early(database: Path, seed: int) -> None:
    """Many slow uploads at once, workers that look for work all the time: each upload has exactly
    one job, which starts after its last file, and completes; what broke off never starts.
    (incident: Upload jobs) (R32, R33)
    """

    async def scenario() -> None:
        async def read() -> None:
            check_uploads(*await read_back(database))

        await upload_to(slow_supervisor(database, seed), database, seed, read)

    run_virtual(scenario())


def test_no_worker_is_early_on_the_real_loop_and_disk(database: Path) -> None:
    """The same with threads, a real clock and a real disk. (incident: Upload jobs) (R32)"""
    supervisor = Supervisor(database, jobs=[process, crumb], sweep_interval=0.01, concurrency=20)

    async def read() -> None:
        check_uploads(*await read_back(database))

    asyncio.run(upload_to(supervisor, database, 1, read))


CLAIMABLE = """FROM job INDEXED BY job_claimable
    WHERE queue = :queue AND status = 4 AND held IS NULL"""
EARLY = "FROM job WHERE queue = :queue AND status IN (1, 4) AND held IS NULL"


def test_with_drafts_that_can_be_claimed_the_incident_is_there(
    database: Path, plant: Plant
) -> None:
    """The same uploads with the guard taken out of the claim: jobs start before their files are
    there and fail, the clients try again, and the check of the ledger says so. This is what drafts
    are for. (incident: Upload jobs)
    """
    plant("claimable", CLAIMABLE, EARLY)
    plant("claim", "AND job.status = 4 /* pending */", "AND job.status IN (1, 4)")

    async def scenario() -> dict[int, Counter[Status]]:
        ends: dict[int, Counter[Status]] = defaultdict(Counter)
        async with slow_supervisor(database, 1) as supervisor:
            await Client(supervisor, 1).upload_all()
            for record in await supervisor.jobs(job=process, limit=1_000):
                ends[json.loads(record.arguments)["upload"]][record.status] += 1
        with pytest.raises(Broken):
            await read_back(database)
        return ends

    ends = run_virtual(scenario()).values()
    assert sum(end[Status.FAILED] > 0 for end in ends) > 10, "picked up too early"
    assert sum(end.total() > 1 for end in ends) > 10, "several jobs for one upload"


async def in_the_wrong_order(supervisor: Supervisor, kind: Job[[int, int], int]) -> list[str]:
    """A client that releases first and attaches then; what it has met with."""
    met: list[str] = []
    draft = await supervisor.draft(kind, 1, 2).begin()
    for act in (draft.release, lambda: attach_both(draft), draft.release):
        try:
            await act()
        except (AttachmentsMissing, NotADraft) as error:
            met.append(type(error).__name__)
    met.append((await draft.handle.wait()).answer)
    return met


async def attach_both(draft: Draft[int]) -> None:
    for n in range(2):
        await draft.attach(f"file {n}", slowly(content_of(1, n), Random(n), breaks=False))


def test_a_hasty_release_is_refused_where_files_are_declared(database: Path) -> None:
    """The release itself looks for the files in its transaction: who releases too early is told,
    attaches, releases again, and the job completes. (incident: Upload jobs) (R32)
    """

    async def scenario() -> list[str]:
        async with slow_supervisor(database, 1) as supervisor:
            return await in_the_wrong_order(supervisor, process)

    assert run_virtual(scenario()) == ["AttachmentsMissing", "completed"]


def test_without_the_declaration_a_hasty_release_shows_the_incident(
    database: Path,
) -> None:
    """The same client with the same body, whose files are not declared: its job fails, and the
    files come too late. This is what the declaration is for. (incident: Upload jobs)
    """

    async def scenario() -> list[str]:
        async with slow_supervisor(database, 1, undeclared) as supervisor:
            return await in_the_wrong_order(supervisor, undeclared)

    assert run_virtual(scenario()) == ["NotADraft", "NotADraft", "failed"]
