"""Plays a history on a store and on the model, and compares every answer."""

from __future__ import annotations

from collections import Counter
from itertools import count

from tests.storage.batch_checkers import check_batches, read_batches
from tests.storage.checkers import check_everything, check_prefix, check_successor
from tests.storage.drafting import JUMP_US, QUEUES, Drafting, Operation
from tests.storage.driving import Place, Writer
from tests.storage.file_checkers import check_files
from tests.storage.model import Model
from tests.storage.told import Told

from overseen_storage.answers import Accepted, Committed, Refused
from overseen_storage.groups import PruneRequest
from overseen_storage.lifecycle import TERMINAL, EventType, Held, Status
from overseen_storage.records import Event, JobRecord

BETWEEN = ("restart", "crash", "reopen", "prune", "release")
"""The operations between groups."""

COMPARED = (
    *("kind", "queue", "status", "priority", "key", "arguments", "idempotency_key", "due_at"),
    *("fence", "held", "result", "failures", "losses", "interruptions", "snoozes", "warnings"),
    *("checkpoint", "batch_id", "callback_of"),
)


class Play:
    """One history: a store, its model, and what was seen last."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.durable = "memory" not in place.name
        self.writer = Writer(place.make())
        self.model = Model()
        self.rows: dict[int, JobRecord] = {}
        self.ledger: list[Event] = []
        self.pruned = 0
        self.numbers = count()

    async def run(self, steps: list[list[Operation] | str]) -> None:
        """Play all steps; a list of operations is one group."""
        await self.writer.open()
        try:
            await self.look()
            for step in steps:
                if isinstance(step, str):
                    await self.between(step)
                else:
                    await self.group(step)
                await self.look()
        finally:
            await self.writer.store.close(at=self.writer.next)

    async def look(self) -> None:
        """Read everything and check what must hold in every database."""
        rows, ledger = await self.writer.rows(), await self.writer.ledger()
        height = await self.writer.store.last_seq()
        check_everything(rows, ledger, pruned=self.pruned, height=height)
        check_successor(self.rows, rows)
        if len(ledger) >= len(self.ledger) and not self.pruned:
            check_prefix(self.ledger, ledger)
        self.compare_rows(rows)
        await check_files(self.writer.store, rows, ledger)
        await self.compare_files()
        await check_batches(self.writer.store, rows, ledger)
        await self.compare_batches()
        self.rows, self.ledger = rows, ledger

    def compare_rows(self, rows: dict[int, JobRecord]) -> None:
        """Every row is as the model has it."""
        assert set(rows) == set(self.model.jobs)
        for job in self.model.jobs.values():
            row = rows[job.id]
            told = {name: getattr(job, name) for name in COMPARED}
            assert {name: getattr(row, name) for name in COMPARED} == told, row
            waits = row.status in (Status.PENDING, Status.DRAFT)
            job.patience = row.expires_at if waits else None
            assert row.attachments == self.model.files.given.get(job.id, 0), row

    async def compare_files(self) -> None:
        """Every job has the files that the model has, and nobody has others."""
        store, files = self.writer.store, self.model.files
        assert await store.stored_files() == files.stored()
        for job_id in files.given:
            kept = {one.name: one.stored_name for one in await store.attachments(job_id)}
            assert kept == files.names(job_id), job_id

    async def compare_batches(self) -> None:
        """Every batch is as the model has it, with its counts, and its summary once it is due."""
        store, model = self.writer.store, self.model
        batches = {one.id: one for one in await read_batches(store)}
        assert set(batches) == set(model.batches.all)
        for told in model.batches.all.values():
            found = batches[told.id]
            kept = (found.status, found.stopped, found.due, found.total)
            assert kept == (told.status, told.stopped, told.due, told.total), told
            counts = model.batches.counts(told, model.jobs)
            assert (await store.batch_snapshot(told.id)).counts == counts, told
            summary = await store.sum_up_batch(told.id)
            assert (summary is not None) == told.due, told
            if summary is not None:
                assert summary.status is model.batches.ends_as(told, counts), told
                outcomes = (summary.completed, summary.failed, summary.cancelled)
                assert outcomes == (counts.completed, counts.failed, counts.cancelled), told

    # Between groups

    async def between(self, step: str) -> None:
        """A restart, a crash, a failure survived, a chunk of pruning, a kind that is back."""
        if step == "prune":
            await self.prune()
        elif step == "release":
            await self.release()
        elif not self.durable:
            return
        elif step == "reopen":
            opened = await self.writer.store.reopen()
            assert opened.epoch == self.writer.epoch
        else:
            await self.writer.store.close(at=None if step == "crash" else self.writer.next)
            await self.restart(clean=step == "restart")

    async def restart(self, *, clean: bool) -> None:
        """I17: the next life finds every row and every event."""
        self.writer = Writer(self.place.make(), wall=self.writer.next)
        opened = await self.writer.open()
        live = sum(row.status in (Status.RUNNING, Status.CANCELLING) for row in self.rows.values())
        assert (opened.previous_epoch_clean, opened.live) == (clean, live)
        assert opened.last_id == self.model.last_id
        assert await self.writer.rows() == self.rows

    async def prune(self) -> None:
        """Everything that has ended goes, but for members of batches that are not finalized, or
        whose callbacks have not ended."""
        at = self.writer.next
        jobs = self.model.jobs.values()
        calling = {job.callback_of for job in jobs if job.status not in TERMINAL} - {None}
        pruned = await self.writer.store.prune(PruneRequest(at, at, at, limit=1_000))
        ended = [
            job.id
            for job in jobs
            if job.status in TERMINAL
            and not self.model.batches.is_kept(job.batch_id)
            and job.batch_id not in calling
        ]
        for job_id in ended:
            del self.model.jobs[job_id]
        assert (pruned.jobs, pruned.remaining) == (len(ended), False)
        assert sorted(pruned.freed_files) == self.model.files.drop(ended)
        self.pruned += pruned.events

    async def release(self) -> None:
        """The program learns the kind it did not know."""
        released = await self.writer.store.release_holds(
            at=self.writer.next, kinds=["gone"], limit=1_000
        )
        held = [job for job in self.model.jobs.values() if job.held is Held.UNREGISTERED]
        for job in held:
            job.held = None
        assert released == len(held)
        self.writer.next += released + 1

    # Groups

    async def group(self, operations: list[Operation]) -> None:
        """Write a group down while the model plays it, commit it, compare."""
        self.model.begin()
        if any(name == "jump" for name, _, _ in operations):
            self.writer.next += JUMP_US
        draft = Drafting(self.model, self.writer.next, self.numbers)
        draft.write(operations)
        done = await self.commit(draft)
        events = await self.events_of(done)
        self.play_claims(draft, done, events)
        self.compare(draft, done, events)

    async def commit(self, draft: Drafting) -> Committed:
        return await self.writer.commit(
            submissions=draft.submissions,
            finishes=draft.finishes,
            put_backs=draft.put_backs,
            cancel_requests=draft.cancel_requests,
            stoppings=draft.stoppings,
            cancels=draft.cancels,
            changes=draft.changes,
            make_due=draft.make_due_by,
            expire=draft.expire_by,
            notes=draft.notes,
            orders=draft.orders,
            claims=draft.claims,
            claim_limit=draft.claim_limit,
            kinds=draft.kinds,
        )

    async def events_of(self, done: Committed) -> list[Event]:
        page = await self.writer.store.events(after=done.first_seq - 1, limit=1_000)
        assert [event.seq for event in page.events] == list(
            range(done.first_seq, done.first_seq + done.events)
        )
        return page.events

    def play_claims(self, draft: Drafting, done: Committed, events: list[Event]) -> None:
        """Park what the store parked, if it may; then start who must start."""
        jobs = self.model.jobs
        parked = [
            event.job_id
            for event in events
            if event.type is EventType.HELD and event.job_id and jobs[event.job_id].held is None
        ]
        assert done.held == len(parked)
        self.model.hold(parked, draft.kinds if draft.kinds is not None else frozenset())
        ready = self.model.claimable(draft.claims, draft.kinds)
        chosen = ready[: draft.claim_limit]
        if parked and len(parked) >= draft.claim_limit:
            # No stamps were left to park more: a queue whose front is still unknown kinds gives
            # less than it could. What starts is still in order, over all and within its queue.
            started = {one.id for one in done.claimed}
            chosen = [job for job in ready if job.id in started]
            for queue in QUEUES:
                flags = [job.id in started for job in ready if job.queue == queue]
                assert flags == sorted(flags, reverse=True)
        assert [one.id for one in done.claimed] == [job.id for job in chosen]
        for job in chosen:
            self.model.start(job)
        assert [one.fence for one in done.claimed] == [job.fence for job in chosen]

    def compare(self, draft: Drafting, done: Committed, events: list[Event]) -> None:
        """Every answer and every event is what the model says."""
        told = Counter(
            Told.about(about(event), event.type, event.status, event.fence, event.reason)
            for event in events
            if event.type is not EventType.HELD
        )
        assert told == Counter(self.model.told)
        missed = {
            "finish": done.missed_finishes,
            "put_back": done.missed_put_backs,
            "request_cancel": done.missed_cancel_requests,
            "mark": done.missed_stoppings,
            "cancel": done.missed_cancels,
            "change": done.missed_changes,
            "note": done.missed_notes,
        }
        assert {name: some for name, some in missed.items() if some} == draft.missed
        assert done.refused == {}
        assert done.made_due == dict(self.model.made_due)
        assert sorted(done.expired) == sorted(draft.expired)
        assert sorted(done.expired_drafts) == sorted(draft.expired_drafts)
        assert sorted(done.freed_files) == sorted(self.model.files.freed)
        assert done.orders == draft.order_answers
        assert done.batches_due == sorted(self.model.batches.due)
        assert done.batches_stopped == sorted(self.model.batches.tripped)
        assert done.due_remaining >= draft.due_remaining
        assert [plain(one) for one in done.submissions] == [plain(one) for one in draft.answers]


def about(event: Event) -> int:
    """The job it is about, or the batch with another sign."""
    return event.job_id if event.job_id is not None else -(event.batch_id or 0)


def plain(answer: Accepted | Refused) -> tuple[object, ...]:
    """What is to be compared of a submission's answer."""
    if isinstance(answer, Refused):
        return (answer.index, answer.why, answer.existing_id, answer.existing_status)
    created = answer.created or [True] * len(answer.ids)
    return (list(answer.ids), created, answer.replaced)
