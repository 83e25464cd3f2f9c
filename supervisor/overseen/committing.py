"""The commit loop: one group at a time to the store, and what follows.

It belongs to the root, not to the supervisor actor. If the actor fails while a commit is under
way, the commit and its effects still happen; the next actor waits for them before it does anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from overseen.accounting import Accounting
from overseen.done import Done
from overseen.effects import Effects
from overseen.errors import Degraded, OutcomeUnknown
from overseen.plan import Plan, Scope
from overseen_actors.clock import Stamper
from overseen_storage.answers import Committed
from overseen_storage.errors import CommitUnknown, StoreClosed, StoreError, StoreUnavailable
from overseen_storage.groups import Group
from overseen_storage.items import Note
from overseen_storage.lifecycle import Cause, EventType
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Committing"]

_FAILED: Final = "the supervisor failed while it handled the request; see its log"


class Committing:
    """Writes plans; knows whether the store works."""

    def __init__(
        self,
        store: Store,
        accounting: Accounting,
        effects: Effects,
        stamper: Stamper,
        log: FilteringBoundLogger,
        on_degraded: Callable[[], None],
    ) -> None:
        self._store = store
        self._accounting = accounting
        self._effects = effects
        self._stamper = stamper
        self._log = log
        self._on_degraded = on_degraded
        self._under_way: asyncio.Task[None] | None = None
        self._plan_under_way: Plan | None = None
        self._untold: Done | None = None
        """Committed and accounted for, but the world was not told yet."""
        self.trouble: StoreError | None = None
        """Why the store does not work at the moment; None: it does."""

    @property
    def degraded(self) -> bool:
        """Whether the store does not work at the moment."""
        return self.trouble is not None

    async def commit(self, plan: Plan, scope: Scope) -> None:
        """Bring `plan` to disk and account for it. Returns also when the store failed: then
        callers have been told, reports are kept, and `trouble` says why.

        The world is told of the *previous* group while the store is at work on this one: callers
        and bodies of one group cost the loop about as long as the next one costs the store.
        """
        group = plan.group(self._stamper.take, scope)
        self._plan_under_way = plan
        self._under_way = asyncio.get_running_loop().create_task(
            self._commit(plan, group), name="overseen commit"
        )
        self._under_way.add_done_callback(self._over)
        plan.taken_over = True
        await asyncio.sleep(0)  # the store is at work from here on
        self.tell()
        await asyncio.shield(self._under_way)

    def tell(self) -> None:
        """Tell the world of the last group, if that is still to be done."""
        done, self._untold = self._untold, None
        if done is None:
            return
        try:
            self._effects.act(done)
        except BaseException:
            self._effects.break_off(done.plan, OutcomeUnknown(_FAILED))
            raise

    def _over(self, _: object) -> None:
        self._plan_under_way = None

    def leave(self) -> None:
        """The stop is over. If the store has not answered by now, the callers are told so."""
        if self._plan_under_way is not None:
            text = "the store does not answer, so it is not known what is stored"
            self._effects.refuse_all(self._plan_under_way, OutcomeUnknown(text))
            self._effects.refuse_marks(self._plan_under_way, OutcomeUnknown(text))

    def without_writing(self, plan: Plan) -> None:
        """Apply a plan that has nothing for the store."""
        self._effects.without_writing(plan)

    async def settle(self) -> None:
        """Wait for the commit under way, if there is one, with its effects."""
        if self._under_way is not None and not self._under_way.done():
            await asyncio.wait([self._under_way])

    async def _commit(self, plan: Plan, group: Group) -> None:
        try:
            committed: Committed = await self._store.commit(group)
        except CommitUnknown as error:
            unknown = OutcomeUnknown(f"the store failed while it was committing: {error}")
            self._fail(plan, error, unknown)
        except (StoreUnavailable, StoreClosed) as error:
            degraded = Degraded(
                f"the store does not work at the moment, nothing was stored: {error}"
            )
            self._fail(plan, error, degraded)
        except BaseException:
            # A bug: nobody knows what is on disk. Callers must not wait for ever.
            self.give_up(plan)
            raise
        else:
            self._stamper.give_back(committed.last_stamp)
            self.tell()
            self._untold = self._account(plan, committed)

    def _account(self, plan: Plan, committed: Committed) -> Done:
        try:
            return self._accounting.account(plan, committed)
        except BaseException:
            self._effects.break_off(plan, OutcomeUnknown(_FAILED))
            raise

    def give_up(self, plan: Plan) -> None:
        """The supervisor failed while it made `plan`, or brought it to disk."""
        self._effects.undo(plan, OutcomeUnknown(_FAILED))

    def _fail(self, plan: Plan, error: StoreError, told: Exception) -> None:
        told.__cause__ = error
        self.degrade(error)
        self._effects.undo(plan, told)

    def degrade(self, error: StoreError) -> None:
        """The store does not work: nothing new is started until `recovered`."""
        if self.trouble is None:
            self._log.error("store.degraded", error=str(error), error_type=type(error).__name__)
            self.trouble = error
            self._on_degraded()
        self.trouble = error

    async def recover(self) -> None:
        """Write on the ledger that the store failed and works again: if this succeeds, it does.

        A disk that is full can be opened and read; only a row that is written proves anything.
        Raises `StoreError`.
        """
        data = msgspec.json.encode({"error": str(self.trouble)}).decode()
        types = (EventType.DEGRADED, EventType.RECOVERED)
        group = Group(at=0, notes=[Note(type, cause=Cause.SUPERVISOR, data=data) for type in types])
        at = self._stamper.take(group.stamps_needed)
        committed = await self._store.commit(msgspec.structs.replace(group, at=at))
        self._stamper.give_back(committed.last_stamp)
        self._accounting.noted(types)
        self._effects.wrote(committed)
        self._log.warning("store.recovered", after=str(self.trouble))
        self.trouble = None
