"""When queues were paused, from the ledger: few events, kept in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from overseen_storage.audit.checks import Check
from overseen_storage.audit.evidence import EventFacts
from overseen_storage.audit.findings import Findings
from overseen_storage.lifecycle import EventType
from overseen_storage.records import QueueRecord


class Pauses:
    """For every queue that was ever paused, where on the ledger it was paused and resumed."""

    def __init__(self) -> None:
        self._turns: dict[str, list[tuple[int, int, bool]]] = {}
        """Seq, stamp, and whether it is paused from there on."""

    def hear(self, event: EventFacts) -> None:
        """A queue was paused or resumed; other events are passed over."""
        if event.queue is None:
            return
        if event.type in (EventType.QUEUE_PAUSED, EventType.QUEUE_RESUMED):
            turn = (event.seq, event.at, event.type is EventType.QUEUE_PAUSED)
            self._turns.setdefault(event.queue, []).append(turn)

    def at(self, queue: str, seq: int) -> int | None:
        """Where on the ledger the pause began in which `seq` lies; None if it lies in none."""
        turns = self._turns.get(queue)
        if turns is None:
            return None
        index = bisect_right(turns, (seq, 0, False)) - 1
        if index < 0 or not turns[index][2]:
            return None
        return turns[index][0]

    def check(self, queues: Iterable[QueueRecord], findings: Findings) -> None:
        """The rows of queues say what their last event said."""
        rows = {queue.name: queue.paused_at for queue in queues}
        for name, turns in self._turns.items():
            _, at, paused = turns[-1]
            expected = at if paused else None
            if rows.get(name) != expected:
                findings.problem(
                    Check.PAUSES,
                    seq=turns[-1][0],
                    expected=f"queue {name!r} paused at {expected}",
                    found=f"paused at {rows.get(name)}",
                )
        for name in rows.keys() - self._turns.keys():
            if rows[name] is not None:
                findings.problem(
                    Check.PAUSES,
                    expected=f"an event that paused queue {name!r}",
                    found=f"paused at {rows[name]}, and no event of it",
                )
