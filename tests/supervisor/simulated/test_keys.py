"""Keys: unique among jobs that have not ended; idempotency keys: unique while the row is kept."""

from __future__ import annotations

import asyncio

import pytest
from tests.supervisor.ledger import of_type, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import (
    EventType,
    IdempotencyConflict,
    JobCancelled,
    KeyConflict,
    Reason,
    Retention,
    Status,
    Supervisor,
    job,
)


@job
async def work(seconds: float = 1.0) -> float:
    """Takes its time."""
    await asyncio.sleep(seconds)
    return seconds


@job
async def other(seconds: float = 1.0) -> None:
    """Of another kind."""
    await asyncio.sleep(seconds)


@pytest.fixture
async def supervisor(make: Make) -> Supervisor:
    """Not started."""
    return make(work, other)


@pytest.mark.parametrize("waiting", [True, False])
async def test_attach_answers_with_the_job_that_holds_the_key(
    supervisor: Supervisor, waiting: bool
) -> None:
    """With `attach` a second submit gets the first one's handle, `created=False`, whether it waits
    or runs; both get its result."""
    async with supervisor:
        call = work.options(key="k", delay=5 if waiting else 0)
        first = await supervisor.submit(call)
        await asyncio.sleep(0.5)
        second = await supervisor.submit(call, 99)
        assert (first.created, second.created, second.id) == (True, False, first.id)
        assert await first.result() == await second.result() == 1.0
        assert len(await supervisor.jobs()) == 1


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.PENDING])
async def test_replace_cancels_a_waiting_holder(supervisor: Supervisor, status: Status) -> None:
    """With `replace` a waiting holder is cancelled as `replaced` and the new job is there, in one
    transaction; who waits for the old one is told."""
    async with supervisor:
        if status is Status.PENDING:
            await supervisor.pause("default")
        old = await supervisor.submit(
            work.options(key="k", delay=60 if status is Status.SCHEDULED else 0)
        )
        waiter = asyncio.create_task(old.result())
        assert await old.status() is status
        new = await supervisor.submit(work.options(key="k", on_conflict="replace"), 2.0)
        assert new.created
        with pytest.raises(JobCancelled) as caught:
            await waiter
        assert "replaced" in str(caught.value)
        record = await old.record()
        assert (record.status, record.reason) == (Status.CANCELLED, Reason.REPLACED)
        await supervisor.resume("default")
        assert await new.result() == 2.0
        assert supervisor.figures.events["cancelled"] == 1


async def test_replace_never_ends_a_running_holder(supervisor: Supervisor) -> None:
    """With `replace` a running holder stays: `KeyConflict` names it and its status."""
    async with supervisor:
        old = await supervisor.submit(work.options(key="k"))
        await asyncio.sleep(0.5)
        with pytest.raises(KeyConflict, match=r"job 1, which is running.*attach") as caught:
            await supervisor.submit(work.options(key="k", on_conflict="replace"))
        assert (caught.value.key, caught.value.existing_id) == ("k", old.id)
        assert caught.value.existing_status is Status.RUNNING
        assert await old.result() == 1.0
        assert len(await supervisor.jobs()) == 1


@pytest.mark.parametrize("delay", [0, 60])
async def test_reject_refuses_whatever_the_holder_does(
    supervisor: Supervisor, delay: float
) -> None:
    """With `reject` a second submit raises `KeyConflict`, and nothing is stored."""
    async with supervisor:
        await supervisor.submit(work.options(key="k", delay=delay))
        await asyncio.sleep(0.5)
        with pytest.raises(KeyConflict, match="'k' is held by job 1"):
            await supervisor.submit(work.options(key="k", on_conflict="reject"))
        assert len(await supervisor.jobs()) == 1


@pytest.mark.parametrize("policy", ["attach", "replace", "reject"])
async def test_an_ended_holder_lets_the_key_go(supervisor: Supervisor, policy: str) -> None:
    """Once the holder has ended, completed or cancelled, the key is free under every policy."""
    async with supervisor:
        for n in range(3):
            call = work.options(key="k", on_conflict=policy)  # type: ignore[arg-type] # each is one
            handle = await supervisor.submit(call)
            assert handle.created
            await (handle.cancel() if n == 1 else handle.wait())


async def test_a_key_is_shared_by_all_kinds(supervisor: Supervisor) -> None:
    """A key held by a job of another kind is never attached to or replaced: the error says to put
    the kind into the key."""
    async with supervisor:
        await supervisor.submit(work.options(key="k", delay=60))
        for policy in ("attach", "replace", "reject"):
            call = other.options(key="k", on_conflict=policy)
            with pytest.raises(KeyConflict, match="of kind 'work', not 'other'"):
                await supervisor.submit(call)


@pytest.mark.parametrize("count", [2, 50])
async def test_concurrent_submits_of_one_key_make_one_job(make_slow: Make, count: int) -> None:
    """Any number of submits of one key at the same time make one job: one handle is `created`, the
    others are attached to it."""
    async with make_slow(work) as supervisor:
        handles = await asyncio.gather(
            *(supervisor.submit(work.options(key="k")) for _ in range(count))
        )
        assert len({handle.id for handle in handles}) == 1
        assert [handle.created for handle in handles].count(True) == 1
        assert [await handle.result() for handle in handles] == [1.0] * count
        assert len(of_type(await whole_ledger(supervisor), EventType.SUBMITTED)) == 1
        assert supervisor.figures.events["submitted"] == 1


async def test_concurrent_replaces_leave_one(make_slow: Make) -> None:
    """Of many concurrent `replace` submits of a delayed job exactly one remains, the others are
    cancelled as replaced; none is lost in between."""
    async with make_slow(work) as supervisor:
        call = work.options(key="k", on_conflict="replace", delay="1h")
        handles = await asyncio.gather(*(supervisor.submit(call) for _ in range(20)))
        statuses = [await handle.status() for handle in handles]
        assert statuses.count(Status.SCHEDULED) == 1
        assert statuses.count(Status.CANCELLED) == 19
        outcomes = [
            await h.wait() for h, s in zip(handles, statuses, strict=True) if s == "cancelled"
        ]
        assert {outcome.reason for outcome in outcomes} == {Reason.REPLACED}


async def test_one_idempotency_key_is_one_job(make: Make) -> None:
    """The same idempotency key with the same arguments is the same job: at once, after its end,
    and after a restart; one `submitted` row. (I18)"""
    call = work.options(idempotency_key="request-1")
    async with make(work) as supervisor:
        first, twin = await asyncio.gather(supervisor.submit(call), supervisor.submit(call))
        assert sorted([first.created, twin.created]) == [False, True]
        assert await first.result() == 1.0
        after = await supervisor.submit(call)
        assert (after.id, after.created, await after.result()) == (first.id, False, 1.0)
    async with make(work) as supervisor:
        again = await supervisor.submit(call)
        assert (again.id, again.created, await again.result()) == (first.id, False, 1.0)
        assert len(of_type(await whole_ledger(supervisor), EventType.SUBMITTED)) == 1


async def test_an_idempotency_key_stands_for_one_request(supervisor: Supervisor) -> None:
    """The same idempotency key with other arguments or another kind is an error that names the
    first job, also after its end."""
    async with supervisor:
        first = await supervisor.submit(work.options(idempotency_key="r"))
        for _ in range(2):
            with pytest.raises(IdempotencyConflict, match=f"job {first.id}") as caught:
                await supervisor.submit(work.options(idempotency_key="r"), 2.0)
            assert (caught.value.key, caught.value.existing_id) == ("r", first.id)
            with pytest.raises(IdempotencyConflict):
                await supervisor.submit(other.options(idempotency_key="r"))
            await first.wait()
        assert len(await supervisor.jobs()) == 1


async def test_an_idempotency_key_is_free_once_its_job_is_pruned(make: Make) -> None:
    """When retention has removed the job, its idempotency key makes a new one."""
    async with make(work, retention=Retention(completed="1h")) as supervisor:
        call = work.options(idempotency_key="r")
        first = await supervisor.submit(call)
        await first.result()
        await asyncio.sleep(7200)
        again = await supervisor.submit(call)
        assert again.created
        assert again.id > first.id


async def test_keys_within_one_submit_many(supervisor: Supervisor) -> None:
    """Calls of one `submit_many` that share a key are one job under `attach`; under `reject` the
    whole of it is refused and nothing is stored."""
    async with supervisor:
        handles = await supervisor.submit_many(work.options(key="k").call(n) for n in range(3))
        assert [handle.created for handle in handles] == [True, False, False]
        assert len({handle.id for handle in handles}) == 1
        strict = work.options(key="x", on_conflict="reject").call()
        with pytest.raises(KeyConflict):
            await supervisor.submit_many([work.call(), strict, strict])
        assert len(await supervisor.jobs()) == 1


async def test_an_idempotency_key_looks_at_values(make: Make) -> None:
    """A set or a mapping in another order is the same argument, as in another process."""
    tags = [str(n) for n in range(50)]

    @job
    async def tag(tags: frozenset[str], weights: dict[str, int]) -> int:
        return len(tags) + len(weights)

    async with make(tag) as supervisor:
        call = tag.options(idempotency_key="once")
        first = await supervisor.submit(call, frozenset(tags), {"a": 1, "b": 2})
        again = await supervisor.submit(call, frozenset(reversed(tags)), {"b": 2, "a": 1})
        assert (again.id, again.created) == (first.id, False)
        with pytest.raises(IdempotencyConflict):
            await supervisor.submit(call, frozenset(tags[1:]), {"a": 1, "b": 2})
        assert await first.result() == 52
