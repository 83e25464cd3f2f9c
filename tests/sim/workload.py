"""Clients that do all that can be done with jobs, one drawn action after another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal

from tests.sim.bodies import KINDS, SOON, Scripts, threaded
from tests.sim.client import Answer, Answered, ask, note_end
from tests.sim.disk import Disk, tag_of
from tests.sim.scripts import draw_scripts
from tests.sim.witness import NARROW
from tests.sim.world import Life

from overseen import EventType, Handle, Job, KeyConflict, StillRunning, Supervisor

TAGS_OF_AN_ACTION = 20
AnyJob = Job[[int, Scripts], int]
Policy = Literal["attach", "replace", "reject"]


class Client:
    """One client in one life."""

    def __init__(self, life: Life, number: int) -> None:
        self.life = life
        self.book = life.book
        self.name = f"client {number}"
        self.number = number
        self.draw = Random(0)
        self._next_tag = 0

    @property
    def supervisor(self) -> Supervisor:
        """Of this life."""
        return self.life.supervisor

    async def run(self, actions: dict[Callable[[Client], Awaitable[None]], int]) -> None:
        """Act, so many times, with pauses."""
        options = self.life.world.options
        for index in range(options.actions):
            name = f"{self.life.number}/{self.number}/{index}"
            self.draw = self.life.draw(f"action/{name}")
            await asyncio.sleep(self.draw.choice((0.0, 0.001, 0.1, 1.0, 5.0)) * self.draw.random())
            if name in options.skipped:
                continue
            self._next_tag = (self.life.number * 10 + self.number) * 1_000 + index * 20
            action = self.draw.choices(list(actions), list(actions.values()))[0]
            await action(self)

    # Ways to speak of it

    def tag(self) -> int:
        """A number that no other job has."""
        self._next_tag += 1
        self.book.tags.add(self._next_tag)
        return self._next_tag

    async def ask(
        self, what: str, request: Awaitable[Any], patience: float = 40.0
    ) -> Answered[Any]:
        """Ask, with little patience now and then."""
        if self.draw.random() < 0.1:
            patience = self.draw.choice((0.0, 0.0005, 0.01, 1.0))
        return await ask(self.life, self.name, what, request, patience)

    def any_job(self) -> int | None:
        """One of the jobs that are known, rather a late one."""
        known = self.book.jobs
        if not known:
            return None
        return known[-1 - int(len(known) * self.draw.random() ** 2)]

    def learn(self, *job_ids: int) -> None:
        """Clients know of these jobs now."""
        self.book.jobs.extend(one for one in job_ids if one not in self.book.jobs)

    def promise_created(self, answered: Answer, tags: list[int], ids: list[int], kind: str) -> None:
        """What an answer to a submit says of the disk (I17, I18, I19)."""
        book, what = self.book, f"tags {tags}, ids {ids}: {answered}"

        def found(disk: Disk) -> list[int]:
            return [job_id for tag in tags for job_id in disk.by_tag.get(tag, ())]

        def all_there(disk: Disk) -> bool:
            return disk.prunes or (
                found(disk) == ids and all(disk.rows[one].kind == kind for one in ids)
            )

        def the_same(disk: Disk) -> bool:
            """Whoever has these ids, has these tags."""
            pairs = zip(ids, tags, strict=True)
            return all(one not in disk.rows or tag_of(disk.rows[one]) == tag for one, tag in pairs)

        match answered:
            case Answer.OK:
                book.promise("I17 acknowledged submits are there", what, all_there)
                book.promise("no id is given out twice", what, the_same)
            case Answer.FAILED:
                book.promise("I19 failed submits are not there", what, lambda d: not found(d))
            case Answer.UNKNOWN:

                def wholly_or_not_at_all(disk: Disk) -> bool:
                    number = len(found(disk))
                    reached = "the disk was found with a transaction nobody was told of"
                    book.sometimes.reach_if(number, reached)
                    return disk.prunes or number in (0, len(tags))

                name = "I19 unknown submits are there wholly or not at all"
                book.promise(name, what, wholly_or_not_at_all)

    def promise_event(self, type: EventType, job_id: int) -> None:
        """What was acknowledged is on the ledger."""
        self.book.promise(
            "I17 acknowledged requests are on the ledger",
            f"{type} of job {job_id}",
            lambda d: d.prunes or any(one.type is type for one in d.of_job[job_id]),
        )


# Submitting


def drawn_job(client: Client, tag: int) -> AnyJob:
    """A kind, with options."""
    draw = client.draw
    kind: AnyJob = draw.choice(KINDS)
    if draw.random() < 0.1:
        kind = threaded
    chance = draw.random()
    if chance < 0.15:
        kind = kind.options(delay=draw.choice((0.0, 0.3, 4.0, 25.0)))
    elif chance < 0.2:
        now = datetime.fromtimestamp(client.life.clock.wall_us() / 1e6, UTC)
        kind = kind.options(at=now + timedelta(seconds=draw.uniform(-5, 30)))
    elif chance < 0.3:
        kind = kind.options(priority=draw.randint(-2, 2), retries=draw.randint(0, 2))
    elif chance < 0.35:
        kind = kind.options(queue=draw.choice((NARROW, "other")), queue_timeout=10)
    return kind


async def submit(client: Client) -> None:
    """One job."""
    tag = client.tag()
    kind, scripts = drawn_job(client, tag), draw_scripts(client.draw)
    request = client.supervisor.submit(kind, tag, scripts)
    answered = await client.ask(f"submit {kind.kind} {tag} {scripts}", request)
    _note_submit(client, answered, tag, kind.kind)


def _note_submit(client: Client, answered: Answered[Any], tag: int, kind: str) -> None:
    handle: Handle[int] | None = answered.value
    if handle is not None:
        client.learn(handle.id)
        if not handle.created:
            client.book.sometimes.reach("a client's key found the job that was there")
            return
    ids = [] if handle is None else [handle.id]
    client.promise_created(answered.answer, [tag], ids, kind)


async def submit_many(client: Client) -> None:
    """Several jobs, all or nothing."""
    tags = [client.tag() for _ in range(client.draw.randint(2, 6))]
    kind: AnyJob = client.draw.choice(KINDS)
    calls = [kind.call(tag, draw_scripts(client.draw)) for tag in tags]
    answered = await client.ask(f"submit {kind.kind} {tags}", client.supervisor.submit_many(calls))
    handles: list[Handle[int]] = answered.value or []
    ids = [handle.id for handle in handles]
    client.learn(*ids)
    client.promise_created(answered.answer, tags, ids, kind.kind)


async def submit_keyed(client: Client) -> None:
    """One of few keys: it may be held by another job."""
    tag, key = client.tag(), f"key {client.draw.randrange(2)}"
    policy: Policy = client.draw.choice(("attach", "replace", "reject"))
    kind = KINDS[client.draw.randrange(2)].options(key=key, on_conflict=policy)
    request = client.supervisor.submit(kind, tag, draw_scripts(client.draw))
    answered = await client.ask(f"submit {kind.kind} {tag} with {key!r}, {policy}", request)
    client.book.sometimes.reach_if(
        isinstance(answered.error, KeyConflict), "a client's key was refused"
    )
    _note_submit(client, answered, tag, kind.kind)


async def submit_until_known(client: Client) -> None:
    """With an idempotency key, until it is known to have happened: once (I18)."""
    tag, scripts = client.tag(), draw_scripts(client.draw)
    kind = KINDS[0].options(idempotency_key=f"once {tag}")
    client.book.promise(
        "I18 one job an idempotency key", f"tag {tag}", lambda d: len(d.by_tag.get(tag, ())) <= 1
    )
    client.book.once[tag] = scripts
    doubted = False
    for _ in range(client.draw.randint(1, 4)):
        request = client.supervisor.submit(kind, tag, scripts)
        answered = await client.ask(f"submit once {tag}", request)
        handle: Handle[int] | None = answered.value
        if handle is not None:
            sometimes = client.book.sometimes
            sometimes.reach_if(doubted and not handle.created, "an unknown submit had happened")
            sometimes.reach_if(doubted and handle.created, "an unknown submit had not happened")
            client.learn(handle.id)
            client.promise_created(Answer.OK, [tag], [handle.id], kind.kind)
            return
        doubted = doubted or answered.answer is Answer.UNKNOWN
        await asyncio.sleep(1)


# Steering


async def cancel(client: Client) -> None:
    """Ask for a job's end."""
    job_id = client.any_job()
    if job_id is None:
        return
    wait = client.draw.random() < 0.6
    request = client.supervisor.cancel(job_id, "enough", wait=wait)
    answered = await client.ask(f"cancel {job_id}, wait={wait}", request)
    if answered.value is not None:
        outcome = answered.value
        ended_otherwise = outcome.answer in ("completed", "failed")
        client.book.sometimes.reach_if(ended_otherwise, "a cancel found the job ended")
        alive = [run.attempt for run in client.life.witness.alive if run.job_id == job_id]
        if outcome.answer in ("completed", "failed", "cancelled") and alive:
            what = f"job {job_id} is {outcome.answer}, attempt {alive} is at work"
            client.book.broken("I13 a cancel that waits waits for the body", what)
        note_end(client.book, outcome)


async def retry(client: Client) -> None:
    """Repeat an ended job."""
    job_id = client.any_job()
    if job_id is None:
        return
    answered = await client.ask(f"retry {job_id}", client.supervisor.retry(job_id))
    handle: Handle[Any] | None = answered.value
    if handle is not None:
        new_id = handle.id
        client.learn(new_id)
        client.book.promise(
            "I17 acknowledged retries are there",
            f"job {new_id} repeats {job_id}",
            lambda d: d.prunes or (new_id in d.rows and d.rows[new_id].retried_from == job_id),
        )


async def steer(client: Client) -> None:
    """Promote, change or release a job."""
    job_id = client.any_job()
    if job_id is None:
        return
    verb = client.draw.choice(("promote", "change", "delay", "release"))
    supervisor = client.supervisor
    match verb:
        case "promote":
            request, event = supervisor.promote(job_id), EventType.PROMOTED
        case "change":
            priority = client.draw.randint(-5, 5)
            request, event = supervisor.change(job_id, priority=priority), EventType.CHANGED
        case "delay":
            request, event = supervisor.change(job_id, delay=2), EventType.CHANGED
        case _:
            request, event = supervisor.release(job_id), EventType.UNHELD
    answered = await client.ask(f"{verb} {job_id}", request)
    if answered.ok:
        client.promise_event(event, job_id)


async def pause(client: Client) -> None:
    """Pause a queue for a while."""
    queue = client.draw.choice(("default", NARROW))
    await client.ask(f"pause {queue}", client.supervisor.pause(queue))
    await asyncio.sleep(client.draw.uniform(0, 6))
    await client.ask(f"resume {queue}", client.supervisor.resume(queue))


# Asking


async def result(client: Client) -> None:
    """How a job ended."""
    job_id = client.any_job()
    if job_id is None:
        return
    ended = job_id in client.book.ends
    request = client.supervisor.handle(job_id).wait(timeout=client.draw.choice((0.1, 5, 30)))
    answered = await client.ask(f"result of {job_id}", request)
    if answered.value is not None:
        client.book.sometimes.reach_if(ended, "a result was asked for after the end")
        note_end(client.book, answered.value)


async def restart(client: Client) -> None:
    """Stop and start in the same process, as a reload does."""
    life, supervisor = client.life, client.supervisor
    if life.restarting or client.draw.random() < 0.4:
        return
    life.restarting = True
    try:
        await client.ask("stop", supervisor.stop(), 300.0)
        for _ in range(30):
            answered = await ask(life, client.name, "start", supervisor.start(), 300.0)
            if answered.ok:
                client.book.sometimes.reach("a restart in the same process")
                return
            await asyncio.sleep(2 if isinstance(answered.error, StillRunning) else 1)
    finally:
        life.restarting = False


JOB_ACTIONS: dict[Callable[[Client], Awaitable[None]], int] = {
    submit: 26,
    submit_many: 8,
    submit_keyed: 8,
    submit_until_known: 8,
    cancel: 12,
    retry: 5,
    steer: 6,
    pause: 3,
    result: 8,
    restart: 5,
}
"""What clients do with jobs, and how often."""

__all__ = ["JOB_ACTIONS", "SOON", "Client"]
