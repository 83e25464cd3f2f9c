"""What else a body can say: warnings, log lines, checkpoints, and what it is told."""

from __future__ import annotations

import asyncio
from random import Random

import msgspec
import pytest
from tests.supervisor.ledger import of_type
from tests.supervisor.simulated.conftest import Make

from overseen import Backoff, Cause, Context, EventType, JobNotFound, Status, job


@job
async def warning(ctx: Context, count: int) -> None:
    """Warns so often."""
    for n in range(count):
        ctx.warn(f"warning {n}", number=n)


async def test_completed_with_warnings_is_completed(make: Make) -> None:
    """Warnings are on the ledger with their fields and are counted; the status is completed."""
    async with make(warning) as supervisor:
        handle = await supervisor.submit(warning, 3)
        outcome = await handle.wait()
        record = await handle.record()
        rows = of_type(await handle.history(), EventType.WARNING)
    assert (outcome.answer, outcome.warnings) == ("completed", 3)
    assert (record.status, record.warnings) == (Status.COMPLETED, 3)
    assert msgspec.json.decode(rows[1].data or "") == {"message": "warning 1", "number": 1}


async def test_a_flood_of_warnings_is_summed_up(make: Make) -> None:
    """Of thousands of warnings a hundred are kept one by one and a last one tells how many more
    there were; memory, row and ledger agree on the number."""
    async with make(warning) as supervisor:
        handle = await supervisor.submit(warning, 5_000)
        outcome = await handle.wait()
        record = await handle.record()
        rows = of_type(await handle.history(), EventType.WARNING)
    assert record.warnings == outcome.warnings == len(rows) == 101
    assert msgspec.json.decode(rows[-1].data or "") == {
        "message": "4900 further warnings were not kept"
    }


async def test_warnings_add_up_over_attempts(make: Make) -> None:
    """The warnings of earlier attempts stay counted."""

    @job(retries=2, backoff=Backoff(initial=1, jitter="none"))
    async def twice(ctx: Context) -> None:
        ctx.warn("again")
        if ctx.attempt < 3:
            raise RuntimeError

    async with make(twice) as supervisor:
        handle = await supervisor.submit(twice)
        assert (await handle.wait()).warnings == 3
        assert (await handle.record()).warnings == 3


async def test_the_newest_log_lines_are_kept(make: Make) -> None:
    """`ctx.log` lines are stored with the job in order, the newest N of them, and can be read as
    soon as the job has ended."""

    @job
    async def talking(ctx: Context, lines: int) -> None:
        for n in range(lines):
            ctx.log(f"line {n}", level="debug", n=n)
            if n % 7 == 0:
                await asyncio.sleep(0.3)

    async with make(talking, logs_per_job=20) as supervisor:
        handle = await supervisor.submit(talking, 51)
        await handle.result()
        lines = await handle.logs()
        assert [line.message for line in lines] == [f"line {n}" for n in range(31, 51)]
        assert lines[-1].level == "debug"
        assert lines[-1].data == '{"n":50}'
        assert [line.at for line in lines] == sorted(line.at for line in lines)
        assert supervisor.figures.logs_dropped == 0


async def test_log_lines_of_the_last_moment_survive_a_stop(make: Make) -> None:
    """Lines written right before the stop are on disk after it."""

    @job
    async def talking(ctx: Context) -> None:
        ctx.log("last words")

    async with make(talking) as supervisor:
        handle = await supervisor.submit(talking)
        await handle.result()
    async with make(talking) as supervisor:
        assert [line.message for line in await supervisor.logs(handle.id)] == ["last words"]


async def test_an_awaited_checkpoint_is_on_disk(make_slow: Make) -> None:
    """Once `await ctx.checkpoint(x)` returns, the row holds x."""
    seen: list[object] = []
    draw = Random(5)

    @job
    async def careful(ctx: Context) -> None:
        for n in range(20):
            ctx.progress(n)
            await ctx.checkpoint({"n": n})
            record = await supervisor.job(ctx.job_id)
            seen.append(msgspec.json.decode(record.checkpoint or "null"))
            await asyncio.sleep(draw.uniform(0, 0.02))

    async with make_slow(careful) as supervisor:
        handle = await supervisor.submit(careful)
        await handle.result()
    assert seen == [{"n": n} for n in range(20)]


async def test_the_next_attempt_sees_the_last_checkpoint(make: Make) -> None:
    """A retried, a snoozed and an interrupted job all find the last checkpoint of the attempt
    before, awaited or not."""
    seen: list[object] = []

    @job(retries=3, backoff=Backoff(initial=1, jitter="none"))
    async def counting(ctx: Context) -> None:
        seen.append(ctx.last_checkpoint)
        for n in range(3):
            ctx.checkpoint([ctx.attempt, n])
        if ctx.attempt < 3:
            raise RuntimeError
        if ctx.attempt == 3:
            await asyncio.sleep(3600)

    async with make(counting, drain_timeout=0) as supervisor:
        handle = await supervisor.submit(counting)
        await asyncio.sleep(60)
    async with make(counting) as supervisor:
        await supervisor.handle(handle.id).wait()
    assert seen == [None, [1, 2], [2, 2], [3, 2]]


async def test_older_checkpoints_that_wait_are_told_too(make: Make) -> None:
    """Every waiter of a checkpoint that a newer one has overtaken returns as well."""

    @job
    async def many(ctx: Context) -> int:
        saved = [ctx.checkpoint(n) for n in range(10)]

        async def wait(one: object) -> int:
            await saved[int(str(one))]
            return 1

        return sum(await asyncio.gather(*(wait(n) for n in range(10))))

    async with make(many) as supervisor:
        handle = await supervisor.submit(many)
        assert await handle.result(timeout=5) == 10
        assert len(of_type(await handle.history(), EventType.CHECKPOINT)) == 1


async def test_a_body_knows_what_it_is_and_who_called(make: Make) -> None:
    """The context tells id, kind, queue, attempt, labels, headers (untouched) and the program's
    state; a job it submits names it as its parent."""
    found: dict[str, object] = {}
    headers = {"traceparent": "00-abc-def-01", "Odd Name": "\u00e4 \u2603"}

    @job
    async def child(ctx: Context) -> int | None:
        return ctx.parent_id

    @job(queue="q")
    async def parent(ctx: Context) -> int | None:
        found.update(
            id=ctx.job_id,
            kind=ctx.kind,
            queue=ctx.queue,
            attempt=ctx.attempt,
            labels=dict(ctx.labels),
            headers=dict(ctx.headers),
            state=ctx.state,
        )
        handle = await ctx.submit(child)
        return await handle.result()

    state = object()
    async with make(parent, child, state=state) as supervisor:
        labelled = parent.options(labels={"user": "7"}, headers=headers)
        handle = await supervisor.submit(labelled)
        assert await handle.result() == handle.id
        offspring = (await supervisor.jobs(job=child))[0]
        submitted = (await supervisor.history(offspring.id))[0]
    assert found == {
        "id": handle.id,
        "kind": "parent",
        "queue": "q",
        "attempt": 1,
        "labels": {"user": "7"},
        "headers": headers,
        "state": state,
    }
    assert (offspring.parent_id, submitted.cause) == (handle.id, Cause.BODY)


async def test_jobs_are_found_by_their_labels(make: Make) -> None:
    """A page of jobs can be asked for by labels and status: "my active jobs" after a reload."""
    async with make(warning) as supervisor:
        ids: list[int] = []
        for n in range(6):
            labels = {"user": str(n % 2), "page": "upload"}
            call = warning.options(labels=labels, delay="1h" if n >= 2 else 0)
            ids.append((await supervisor.submit(call, 0)).id)
        for job_id in ids[:2]:
            await supervisor.handle(job_id).wait()
        mine = await supervisor.jobs(labels={"user": "1", "page": "upload"})
        active = await supervisor.jobs(labels={"user": "1"}, status=Status.SCHEDULED)
        nobody = await supervisor.jobs(labels={"user": "1", "page": "other"})
        newest = await supervisor.jobs(limit=4)
        rest = await supervisor.jobs(limit=4, before_id=newest[-1].id)
    assert [one.id for one in mine] == [ids[5], ids[3], ids[1]]
    assert [one.id for one in active] == [ids[5], ids[3]]
    assert nobody == []
    assert [one.id for one in (*newest, *rest)] == ids[::-1]


async def test_logs_of_an_unknown_job(make: Make) -> None:
    """A job that wrote no lines has none; one that does not exist is `JobNotFound`."""
    async with make(warning) as supervisor:
        handle = await supervisor.submit(warning, 0)
        assert await handle.logs() == []
        with pytest.raises(JobNotFound, match="no job 77"):
            await supervisor.handle(77).logs()


async def test_a_cancel_does_not_silence_a_body(make: Make) -> None:
    """What a body says in the moment of its cancellation, and while it tidies up after it, reaches
    the ledger at once: awaiting a checkpoint there does not hang until the body is told again."""
    tick = asyncio.Event()

    @job
    async def tidy(ctx: Context) -> None:
        try:
            await tick.wait()
            ctx.warn("beside the cancel")
            await asyncio.sleep(100)
        finally:
            await ctx.checkpoint("tidied")

    async with make(tidy) as supervisor:
        handle = await supervisor.submit(tidy)
        await asyncio.sleep(1)
        begun = asyncio.get_running_loop().time()
        cancelling = asyncio.create_task(handle.cancel())
        tick.set()
        assert (await cancelling).answer == "cancelled"
        assert asyncio.get_running_loop().time() - begun < 0.1
        types = [event.type for event in await handle.history()][2:]
    assert types == ["warning", "cancelling", "checkpoint", "cancelled"]
