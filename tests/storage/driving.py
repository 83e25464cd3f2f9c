"""What the tests do with a store in the supervisor's place: count stamps, build groups, read back.

Nothing here knows which store it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from overseen_storage.answers import Accepted, Claimed, Committed, Opened, Refused
from overseen_storage.groups import Group, JobQuery
from overseen_storage.items import (
    CancelWaiting,
    ChangeWaiting,
    ClaimFrom,
    Expire,
    Finish,
    MakeDue,
    MarkStopping,
    NewJob,
    Note,
    OnConflict,
    PutBack,
    RequestCancel,
    SetQueue,
    Submission,
)
from overseen_storage.lifecycle import Reason, Status
from overseen_storage.orders import Order
from overseen_storage.records import Event, JobRecord
from overseen_storage.store import Store

START = 1_800_000_000_000_000  # some moment of 2027, in microseconds
SECOND = 1_000_000
PAGE = 500


@dataclass(frozen=True, slots=True)
class Place:
    """Where jobs are kept; each `make()` is another store over the same place."""

    name: str
    make: Callable[[], Store]


def new_job(
    kind: str = "work",
    queue: str = "main",
    *,
    arguments: str = '{"n":1}',
    priority: int = 0,
    status: Status = Status.PENDING,
    due_at: int | None = None,
    due_wall_at: int | None = None,
    timeout_us: int | None = None,
    queue_timeout_us: int | None = None,
    key: str | None = None,
    on_conflict: OnConflict = OnConflict.ATTACH,
    idempotency_key: str | None = None,
    labels: str | None = None,
) -> NewJob:
    """A job to be created; what a test does not care about is filled in."""
    return NewJob(
        kind=kind,
        queue=queue,
        arguments=arguments,
        priority=priority,
        status=status,
        due_at=due_at,
        due_wall_at=due_wall_at,
        timeout_us=timeout_us,
        queue_timeout_us=queue_timeout_us,
        key=key,
        on_conflict=on_conflict,
        idempotency_key=idempotency_key,
        labels=labels,
    )


class Writer:
    """One open store, its epoch, and the next free stamp."""

    def __init__(self, store: Store, *, wall: int = START) -> None:
        self.store = store
        self.next = wall
        self.opened: Opened | None = None

    async def __aenter__(self) -> Writer:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.store.close(at=self.next)

    async def open(self) -> Opened:
        """Open the store at the next stamp; go on after the highest stamp on disk."""
        opened = await self.store.open(at=self.next, pid=1, host="here", version="0")
        self.opened = opened
        self.next = max(self.next, opened.last_stamp) + 1
        return opened

    async def crash(self) -> None:
        """Give the store up as a dying process would: the epoch stays open."""
        await self.store.close(at=None)

    @property
    def epoch(self) -> int:
        """The number of this life."""
        assert self.opened is not None, "open() first"
        return self.opened.epoch

    async def commit(
        self,
        *,
        submissions: Sequence[Submission] = (),
        finishes: Sequence[Finish] = (),
        put_backs: Sequence[PutBack] = (),
        cancel_requests: Sequence[RequestCancel] = (),
        stoppings: Sequence[MarkStopping] = (),
        cancels: Sequence[CancelWaiting] = (),
        changes: Sequence[ChangeWaiting] = (),
        make_due: MakeDue | None = None,
        expire: Expire | None = None,
        notes: Sequence[Note] = (),
        queues: Sequence[SetQueue] = (),
        orders: Sequence[Order] = (),
        claims: Sequence[ClaimFrom] = (),
        claim_limit: int | None = None,
        kinds: frozenset[str] | None = None,
        timeouts_us: dict[str, int] | None = None,
    ) -> Committed:
        """Commit one group at the next stamps; those it did not need are used by the next one.

        Without `claim_limit`: the sum of the limits.
        """
        group = Group(
            at=self.next,
            submissions=list(submissions),
            finishes=list(finishes),
            put_backs=list(put_backs),
            cancel_requests=list(cancel_requests),
            stoppings=list(stoppings),
            cancels=list(cancels),
            changes=list(changes),
            make_due=make_due,
            expire=expire,
            notes=list(notes),
            queues=list(queues),
            orders=list(orders),
            claims=list(claims),
            claim_limit=sum(one.limit for one in claims) if claim_limit is None else claim_limit,
            epoch=self.epoch,
            kinds=kinds,
            timeouts_us=timeouts_us or {},
        )
        done = await self.store.commit(group)
        assert done.last_stamp < group.at + group.stamps_needed, "more stamps than reserved"
        self.next = max(self.next, done.last_stamp + 1)
        return done

    async def submit(self, *jobs: NewJob) -> list[int]:
        """Submit together; the ids, in order."""
        done = await self.commit(submissions=[Submission(list(jobs))])
        return accepted(done)

    async def claim(self, queue: str = "main", limit: int = 100) -> list[Claimed]:
        """Start what waits in one queue."""
        return (await self.commit(claims=[ClaimFrom(queue, limit)])).claimed

    async def start(self, job: NewJob | None = None) -> Claimed:
        """Submit one job and start it, in one group (nothing else may wait in its queue)."""
        job = job or new_job()
        done = await self.commit(
            submissions=[Submission([job])], claims=[ClaimFrom(job.queue, 100)]
        )
        (claimed,) = done.claimed
        return claimed

    async def end(self, status: Status = Status.COMPLETED, job: NewJob | None = None) -> int:
        """Bring one job through its life to `status` (completed or failed); its id."""
        claimed = await self.start(job)
        done = await self.commit(finishes=[finish(claimed, status)])
        assert not done.missed_finishes
        return claimed.id

    async def row(self, job_id: int) -> JobRecord:
        """One row, which is there."""
        record = await self.store.job(job_id)
        assert record is not None, f"there is no job {job_id}"
        return record

    async def types(self, job_id: int) -> list[str]:
        """What happened to one job, as words."""
        return [event.type.value for event in await self.store.attempts(job_id)]

    async def rows(self) -> dict[int, JobRecord]:
        """Every row, by id."""
        return await read_rows(self.store)

    async def ledger(self) -> list[Event]:
        """Every event, in order."""
        return await read_ledger(self.store)


def finish(claimed: Claimed, status: Status = Status.COMPLETED) -> Finish:
    """An attempt's end as its body would tell it."""
    completed = status is Status.COMPLETED
    return Finish(
        claimed.id,
        claimed.fence,
        status,
        result="1" if completed else None,
        reason=None if completed else Reason.ERROR,
        failures=1 if status is Status.FAILED else 0,
    )


def accepted(done: Committed, index: int = 0) -> list[int]:
    """The ids of a submission that was accepted."""
    answer = done.submissions[index]
    assert isinstance(answer, Accepted), answer
    return list(answer.ids)


def refused(done: Committed, index: int = 0) -> Refused:
    """The refusal of a submission that was refused."""
    answer = done.submissions[index]
    assert isinstance(answer, Refused), answer
    return answer


async def read_rows(store: Store) -> dict[int, JobRecord]:
    """Every row of a store, by id, read in pages."""
    rows: dict[int, JobRecord] = {}
    before: int | None = None
    while page := await store.jobs(JobQuery(before_id=before, limit=PAGE)):
        rows.update((row.id, row) for row in page)
        before = page[-1].id
    return dict(sorted(rows.items()))


async def read_ledger(store: Store, *, after: int = 0) -> list[Event]:
    """Every event of a store, in order, read in pages."""
    events: list[Event] = []
    height = await store.last_seq()
    while after < height:
        page = await store.events(after=after, limit=PAGE)
        events.extend(page.events)
        assert page.searched_to > after, f"the cursor stands still at {after} of {height}"
        after = page.searched_to
    return events
