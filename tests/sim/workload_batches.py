"""What clients do with drafts and batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from random import Random
from typing import Any, Literal

import msgspec
from tests.sim.bodies import INPUT, KINDS, content_of, plain, reader, report, sturdy, total
from tests.sim.client import Answer, ask, note_end
from tests.sim.disk import Disk
from tests.sim.scripts import draw_scripts
from tests.sim.workload import Client

from overseen import Batch, BatchSummary, Draft, EventType, Status

Policy = Literal["continue", "fail_fast", "threshold"]
decode_summary = msgspec.json.Decoder(BatchSummary).decode

# Drafts


async def upload(client: Client) -> None:
    """Begin a draft, give it its file, release it; or leave it at any point."""
    await _upload(client, lambda tag: client.supervisor.draft(reader, tag, [["sleep 0.5"]]))


async def _upload(client: Client, make: Callable[[int], Draft[int]]) -> None:
    tag = client.tag()
    draft = make(tag)
    begun = await client.ask(f"draft {tag}", draft.begin())
    if begun.answer is not Answer.OK:
        client.promise_created(begun.answer, [tag], [], reader.kind)
        return
    client.learn(draft.id)
    client.promise_created(Answer.OK, [tag], [draft.id], reader.kind)
    if client.draw.random() < 0.15:
        return  # it expires
    await asyncio.sleep(client.draw.choice((0.0, 0.5, 8.0)))
    attached = await client.ask(f"attach to {draft.id}", draft.attach(INPUT, content_of(tag)))
    if attached.ok:
        promise_file(client, draft.id)
    if client.draw.random() < 0.15:
        await client.ask(f"discard {draft.id}", draft.discard("changed my mind"))
        return
    released = await client.ask(f"release {draft.id}", draft.release())
    if released.ok:
        client.promise_event(EventType.READY, draft.id)
        promise_file(client, draft.id, "I17 a released job has its file")


def promise_file(
    client: Client, job_id: int, name: str = "I17 an acknowledged file is there"
) -> None:
    """An acknowledged file is there, whole, as long as its job is not given up."""

    def holds(disk: Disk) -> bool:
        row = disk.rows.get(job_id)
        if row is None:
            return disk.prunes
        if row.status is Status.CANCELLED and row.started_at is None:
            return True  # given up as a draft, perhaps: then its file goes
        files = disk.attachments.get(job_id, [])
        return len(files) == 1 and disk.files.get(files[0].stored_name) == files[0].size_bytes

    client.book.promise(name, f"of job {job_id}", holds)


# Batches


async def batch(client: Client) -> None:
    """A batch of a few members, left in one of several ways."""
    draw = client.draw
    policy: Policy = draw.choice(("continue", "continue", "fail_fast", "threshold"))
    made = client.supervisor.batch(
        f"batch of {client.name}",
        policy=policy,
        threshold=2 if policy == "threshold" else None,
        on_finish=draw.choice((None, report)),
        on_failure=draw.choice((None, report)),
        aggregate=draw.choice((None, total)),
    )
    opened = await client.ask(f"open a batch, {policy}", made.open())
    if not opened.ok:
        return
    client.book.batches.append(made.id)
    _promise_batch(client, "I17 an acknowledged batch is there", made.id, lambda one: True)
    for _ in range(draw.randint(0, 5)):
        await _add_member(client, made)
    await _leave(client, made)


async def _add_member(client: Client, made: Batch) -> None:
    draw = client.draw
    if draw.random() < 0.15:
        await _upload(client, lambda tag: made.draft(reader, tag, [["sleep 0.5"]]))
        return
    tag = client.tag()
    kind = draw.choice((plain, sturdy, KINDS[4]))
    request = made.submit(kind, tag, draw_scripts(draw))
    answered = await client.ask(f"add {tag} to batch {made.id}", request)
    ids = [] if answered.value is None else [answered.value.id]
    client.learn(*ids)
    client.promise_created(answered.answer, [tag], ids, kind.kind)


async def _leave(client: Client, made: Batch) -> None:
    chance = client.draw.random()
    if chance < 0.1:
        return  # nobody seals it
    if chance < 0.25:
        stopped = await client.ask(f"cancel batch {made.id}", made.cancel("no"))
        if stopped.ok:
            _promise_batch(
                client,
                "I17 an acknowledged stop is there",
                made.id,
                lambda one: one.stopped is not None or one.ended,
            )
    else:
        sealed = await client.ask(f"seal batch {made.id}", made.seal())
        if sealed.ok:
            _promise_batch(
                client,
                "I17 an acknowledged seal is there",
                made.id,
                lambda one: bool(one.sealed_at),
            )
    if client.draw.random() < 0.6:
        await _summary(client, made)


async def _summary(client: Client, made: Batch) -> None:
    answered = await client.ask(f"summary of batch {made.id}", made.summary(timeout=30))
    summary: BatchSummary | None = answered.value
    if summary is None:
        return
    client.book.sometimes.reach("a batch's summary was awaited")
    told = summary
    _promise_batch(
        client,
        "I28 a summary is frozen",
        made.id,
        lambda one: one.summary is not None and told == decode_summary(one.summary),
    )


async def touch_batch(client: Client) -> None:
    """Ask about, seal, cancel or add to a batch that somebody opened."""
    if not client.book.batches:
        return
    found = client.supervisor.find_batch(client.draw.choice(client.book.batches))
    match client.draw.randrange(5):
        case 0:
            await client.ask(f"seal batch {found.id}", found.seal())
        case 1:
            await client.ask(f"cancel batch {found.id}", found.cancel("no"))
        case 2:
            await _add_member(client, found)
        case 3:
            await client.ask(f"progress of batch {found.id}", found.progress())
        case _:
            await _summary(client, found)


def _promise_batch(client: Client, name: str, batch_id: int, holds: Callable[[Any], bool]) -> None:
    client.book.promise(
        name,
        f"batch {batch_id}",
        lambda d: d.prunes if batch_id not in d.batches else holds(d.batches[batch_id]),
    )


async def everything(client: Client) -> None:
    """A history of two jobs that touches most of the face, always the same."""
    client.draw = Random(0)
    name, supervisor = client.name, client.supervisor
    asking = partial(ask, client.life, name, patience=60.0)
    tag, other = client.tag(), client.tag()
    job = await asking("submit", supervisor.submit(plain, tag, [["sleep 1"]]))
    if job.value is not None:
        client.learn(job.value.id)
        client.promise_created(Answer.OK, [tag], [job.value.id], plain.kind)
        outcome = (await asking("wait", job.value.wait())).value
        assert outcome is not None, "nobody cancels a job here"
        note_end(client.book, outcome)
    made = supervisor.batch("all", on_finish=report)
    await asking("open", made.open())
    draft = made.draft(reader, other, [["sleep 0.5"]])
    await asking("draft", draft.begin())
    if (await asking("attach", draft.attach(INPUT, content_of(other)))).ok:
        promise_file(client, draft.id)
    if (await asking("release", draft.release())).ok:
        client.promise_event(EventType.READY, draft.id)
    await asking("seal", made.seal())
    await asking("cancel", supervisor.cancel(draft.id, wait=True))
    await asking("summary", made.summary())
    await asking("retry", supervisor.retry(draft.id))
    async with aclosing(supervisor.events(after="start")) as events:
        async for event in events:
            if event.type is EventType.BATCH_FINALIZED:
                break


BATCH_ACTIONS: dict[Callable[[Client], Awaitable[None]], int] = {
    upload: 8,
    batch: 8,
    touch_batch: 4,
}
"""What clients do with drafts and batches, and how often."""
