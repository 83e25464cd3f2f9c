"""What tests read off the ledger, and nothing else: it is the witness, memory is the suspect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from overseen import Event, EventType, Supervisor
from overseen_storage.lifecycle import FRAMES

ENDS_OF_ATTEMPTS = frozenset(
    {
        EventType.COMPLETED,
        EventType.FAILED,
        EventType.CANCELLED,
        EventType.RETRYING,
        EventType.SNOOZED,
        EventType.REQUEUED,
    }
)


async def whole_ledger(supervisor: Supervisor) -> list[Event]:
    """Every event that is on the ledger now, in order."""
    found: list[Event] = []
    height = 0
    async for event in supervisor.events(after="start"):
        if event.type is EventType.SNAPSHOT:
            height = event.seq
        if event.type not in FRAMES:
            found.append(event)
        if event.seq >= height and (found or not height):
            break
    return found


def of_type(events: Iterable[Event], *types: EventType) -> list[Event]:
    """Those of these types."""
    return [event for event in events if event.type in types]


def running_at_each_prefix(events: Iterable[Event]) -> Iterator[Counter[str]]:
    """How many attempts hold a slot, by queue, after each event; a stuck one holds none."""
    running: dict[int, str] = {}
    for event in events:
        if event.job_id is None:
            continue
        if event.type is EventType.STARTED:
            assert event.job_id not in running, f"job {event.job_id} was started twice"
            running[event.job_id] = event.queue or ""
        elif event.type is EventType.STUCK or event.type in ENDS_OF_ATTEMPTS:
            running.pop(event.job_id, None)
        yield Counter(running.values())


def most_running(events: Iterable[Event]) -> Counter[str]:
    """The most attempts that ever held a slot at once: by queue, and under "" in all of them."""
    most: Counter[str] = Counter()
    for running in running_at_each_prefix(events):
        most |= running
        most[""] = max(most[""], running.total())
    return most


def started(events: Iterable[Event]) -> list[int]:
    """Ids of jobs in the order of their starts; one that ran twice is there twice."""
    return [event.job_id or 0 for event in events if event.type is EventType.STARTED]
