"""What is known of queues in memory: limits, running counts, paused, and which may hold work.

A queue is a *candidate* when it may hold a claimable job. The set is never too small: every commit
that makes a job pending adds its queue, a claim that came back short removes it. So an idle
supervisor asks the store for nothing, and a queue of a million jobs costs one entry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from overseen_storage.items import ClaimFrom

__all__ = ["Queues"]


class Queues:
    """Slots and candidates. Belongs to the loop; changed only after a commit."""

    def __init__(self, concurrency: int, limits: Mapping[str, int]) -> None:
        self.concurrency = concurrency
        self.limits = dict(limits)
        self.running = 0
        """Attempts that hold a slot, in all queues."""
        self._running: dict[str, int] = {}
        self._candidates: dict[str, None] = {}  # ordered, for repeatable runs
        self._paused: set[str] = set()

    def enter(self, queue: str) -> None:
        """A job of `queue` has become pending."""
        self._candidates[queue] = None

    def enter_all(self, queues: Iterable[str]) -> None:
        """Jobs of all these queues have become pending."""
        for queue in queues:
            self._candidates[queue] = None

    def exhausted(self, queue: str) -> None:
        """A claim got fewer jobs than it asked for."""
        self._candidates.pop(queue, None)

    def pause(self, queue: str) -> None:
        """Nothing is claimed from it until it is resumed."""
        self._paused.add(queue)

    def resume(self, queue: str) -> None:
        """Claim from it again; it may hold work."""
        self._paused.discard(queue)
        self.enter(queue)

    @property
    def paused(self) -> frozenset[str]:
        """The paused queues."""
        return frozenset(self._paused)

    def take(self, queue: str) -> None:
        """A slot of `queue` is taken."""
        self.running += 1
        self._running[queue] = self._running.get(queue, 0) + 1

    def give_back(self, queue: str) -> None:
        """A slot of `queue` is free."""
        self.running -= 1
        left = self._running[queue] - 1
        if left:
            self._running[queue] = left
        else:
            del self._running[queue]

    def recount(self, queues: Iterable[str]) -> None:
        """Count anew, from the attempts that hold a slot, given by their queue."""
        self.running = 0
        self._running.clear()
        for queue in queues:
            self.take(queue)

    def running_in(self, queue: str) -> int:
        """Attempts of `queue` that hold a slot."""
        return self._running.get(queue, 0)

    def claims(
        self,
        freed: Mapping[str, int],
        entering: Iterable[str],
        pausing: Collection[str] = (),
    ) -> tuple[list[ClaimFrom], int]:
        """What to claim in a group that also frees, fills and pauses.

        `freed` are the slots that the same group gives back, by queue; `entering` the queues its
        submissions enter; `pausing` those it pauses, before it claims. Returns the claims and how
        many jobs they may bring in all.
        """
        room = self.concurrency - self.running + sum(freed.values())
        if room <= 0:
            return [], 0
        candidates = self._candidates
        fresh = [queue for queue in entering if queue not in candidates]
        claims: list[ClaimFrom] = []
        for queue in [*candidates, *dict.fromkeys(fresh)]:
            if queue in self._paused or queue in pausing:
                continue
            limit = self._room_in(queue, freed.get(queue, 0), room)
            if limit > 0:
                claims.append(ClaimFrom(queue, limit))
        return claims, room if claims else 0

    def _room_in(self, queue: str, freed: int, room: int) -> int:
        limit = self.limits.get(queue)
        if limit is None:
            return room
        return min(room, limit - self.running_in(queue) + freed)
