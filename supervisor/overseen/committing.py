"""The commit loop: one group at a time to the store, and what follows.

It belongs to the root, not to the supervisor actor. If the actor fails while a commit is under
way, the commit and its effects still happen; the next actor waits for them before it does anything.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from overseen.effects import Effects
from overseen.errors import Degraded, OutcomeUnknown
from overseen.planning import Plan, Scope
from overseen_actors.clock import Stamper
from overseen_storage.errors import CommitUnknown, StoreClosed, StoreError, StoreUnavailable
from overseen_storage.groups import Committed, Group
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Committing"]


class Committing:
    """Writes plans; knows whether the store works."""

    def __init__(
        self,
        store: Store,
        effects: Effects,
        stamper: Stamper,
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._effects = effects
        self._stamper = stamper
        self._log = log
        self._under_way: asyncio.Task[None] | None = None
        self.trouble: StoreError | None = None
        """Why the store does not work at the moment; None: it does."""

    @property
    def begun(self) -> bool:
        """Whether a commit was ever under way in this life."""
        return self._under_way is not None

    @property
    def degraded(self) -> bool:
        """Whether the store does not work at the moment."""
        return self.trouble is not None

    async def commit(self, plan: Plan, scope: Scope) -> None:
        """Bring `plan` to disk and apply its effects. Returns also when the store failed: then
        callers have been told, reports are kept, and `trouble` says why."""
        group = plan.group(self._stamper.take, scope)
        self._under_way = asyncio.get_running_loop().create_task(
            self._commit(plan, group), name="overseen commit"
        )
        await asyncio.shield(self._under_way)

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
            self._effects.refuse_all(plan, OutcomeUnknown("the supervisor failed; see its log"))
            raise
        else:
            self._stamper.give_back(committed.last_stamp)
            self._apply(plan, committed)

    def _apply(self, plan: Plan, committed: Committed) -> None:
        try:
            self._effects.apply(plan, committed)
        except BaseException:
            # A bug. What is on disk stays; who was not answered yet must not wait for ever.
            self._effects.refuse_all(plan, OutcomeUnknown("the supervisor failed; see its log"))
            raise

    def _fail(self, plan: Plan, error: StoreError, told: Exception) -> None:
        told.__cause__ = error
        self.degrade(error)
        self._effects.undo(plan, told)

    def degrade(self, error: StoreError) -> None:
        """The store does not work: nothing new is started until `recovered`."""
        if self.trouble is None:
            self._log.error("store.degraded", error=str(error), error_type=type(error).__name__)
        self.trouble = error

    def recovered(self) -> None:
        """The store works again."""
        if self.trouble is not None:
            self._log.warning("store.recovered", after=str(self.trouble))
        self.trouble = None
