"""The supervisor actor: the only one that decides a transition.

It drains all waiting messages, turns them into guarded moves, hands the store one transaction,
and only after COMMIT are callers answered, bodies started and subscribers woken. While a commit is
under way the next group collects. That is the whole concurrency story.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import assert_never

from overseen.attempt import Attempt
from overseen.committing import Committing
from overseen.effects import refuse
from overseen.errors import Degraded, OutcomeUnknown
from overseen.live import Live
from overseen.messages import (
    Annotate,
    Cancel,
    Change,
    Changed,
    Finished,
    Message,
    PauseQueue,
    PlaceOrder,
    StopMembers,
    Submit,
    Tick,
)
from overseen.plan import Scope
from overseen.planning import Planner
from overseen_actors.actor import Actor
from overseen_actors.mailbox import Mailbox
from overseen_storage.errors import StoreError
from overseen_storage.store import Store

__all__ = ["SupervisorActor"]


class SupervisorActor(Actor[Message]):
    """Messages -> decision -> one transaction -> effects."""

    def __init__(
        self,
        mailbox: Mailbox[Message],
        backlog: deque[Message],
        *,
        planner: Planner,
        committing: Committing,
        live: Live,
        store: Store,
        scope: Callable[[], Scope],
        resync: Callable[[], Awaitable[None]],
        look_anew: Callable[[], None],
        begin: Callable[[Attempt], None],
        again: bool,
    ) -> None:
        super().__init__("supervisor", mailbox)
        self._backlog = backlog
        self._planner = planner
        self._committing = committing
        self._live = live
        self._store = store
        self._scope = scope
        self._resync = resync
        self._look_anew = look_anew
        self._begin = begin
        self._again = again

    async def started(self) -> None:
        """Begin, or go on after a predecessor that failed: wait for the commit it left under way,
        read the store, then ask the workers."""
        if not self._again:
            return
        await self._committing.settle()
        self._committing.tell()
        self._answer_the_lost()
        await self._read_the_store()
        self._backlog.extend(self.mailbox.drain())  # who reported meanwhile is not asked again
        waiting = {m.attempt for m in self._backlog if isinstance(m, Finished)}
        for attempt in self._live:
            if attempt.task is None and not attempt.entered:
                self._begin(attempt)
            elif attempt.ended is not None and attempt not in waiting:
                self._backlog.append(Finished(attempt))
            elif attempt.changed:
                self._backlog.append(Changed(attempt))
        # Also when nothing waits: what the failure has put back is started now, not at a sweep.
        self.mailbox.post(Tick())

    async def _read_the_store(self) -> None:
        if not self._committing.degraded:
            try:
                await self._resync()
            except StoreError as error:
                self._committing.degrade(error)
        self._look_anew()

    async def receive(self, messages: list[Message]) -> None:
        """Take one turn after another until nothing is left to do at once."""
        self._backlog.extend(messages)
        try:
            while await self._turn():
                if len(self.mailbox):
                    self._backlog.extend(self.mailbox.drain())
        finally:
            self._committing.tell()

    async def _turn(self) -> bool:
        """One group. Returns whether there is more to do without waiting for a message."""
        if self._committing.degraded and not await self._try_again():
            return False
        plan = self._planner.plan(self._backlog, self._scope())
        if plan.writes:
            await self._committing.commit(plan, self._scope())
            self._planner.take_unfinished()
            return not self._committing.degraded
        if plan.answers or plan.tell_again:
            self._committing.without_writing(plan)
        return bool(self._backlog)

    # Degraded.

    async def _try_again(self) -> bool:
        """Ask the store whether it works again; if not, keep reports and refuse requests."""
        if any(isinstance(message, Tick) for message in self._backlog):
            try:
                await self._store.reopen()
                await self._resync()  # a group that failed may be on disk all the same
                await self._committing.recover()
            except StoreError as error:
                self._committing.degrade(error)
            else:
                self._look_anew()
                return True
        self._refuse_requests()
        return False

    def _refuse_requests(self) -> None:
        trouble = self._committing.trouble
        kept: list[Message] = []
        for message in self._backlog:
            match message:
                case Submit() | Cancel() | Change() | PauseQueue() | PlaceOrder():
                    error = Degraded(
                        f"the store does not work at the moment, nothing was stored: {trouble}"
                    )
                    error.__cause__ = trouble
                    refuse(message.reply, error)
                case Finished() | Changed() | Annotate() | StopMembers():
                    kept.append(message)
                case Tick():
                    pass
                case _:
                    assert_never(message)
        self._backlog.clear()
        self._backlog.extend(kept)

    def _answer_the_lost(self) -> None:
        """Requests that a failed predecessor had drained: some are still in the backlog, those it
        was working on were answered by the commit or are answered here."""
        unfinished = self._planner.take_unfinished()
        if unfinished is not None:
            self._committing.give_up(unfinished)
        for message in self._planner.take_unanswered(self._backlog):
            match message:
                case Submit() | Cancel() | Change() | PauseQueue() | PlaceOrder():
                    text = "the supervisor failed while it handled the request; see its log"
                    refuse(message.reply, OutcomeUnknown(text))
                case Annotate() | StopMembers():
                    self._backlog.append(message)
                case Finished() | Changed() | Tick():
                    pass  # the live table knows of the first two; the third is sent again
                case _:
                    assert_never(message)
