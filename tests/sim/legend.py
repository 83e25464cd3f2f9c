"""What happened in a history, for a person to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from overseen_storage.records import Event


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    life: int
    at: float
    """Virtual seconds of that life."""
    who: str
    what: str


class Legend:
    """Collects lines; they are put into words only when somebody wants to read them."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def say(self, life: int, at: float, who: str, what: str) -> None:
        """Note a line."""
        self.lines.append(Line(life, at, who, what))

    def text(self) -> str:
        """All of it, in the order in which it happened."""
        return "\n".join(
            f"  {one.life:>2} {one.at:>12.4f}  {one.who:<10} {one.what}" for one in self.lines
        )


def ledger_text(events: Iterable[Event]) -> str:
    """The ledger, one line for each event."""
    return "\n".join(map(_event_line, events))


def _event_line(event: Event) -> str:
    about = f"job {event.job_id}" if event.job_id is not None else ""
    if event.batch_id is not None:
        about += f" batch {event.batch_id}"
    if event.queue is not None and event.job_id is None:
        about += f" queue {event.queue}"
    parts = [f"  {event.seq:>4} {event.at / 1e6:.6f} {event.type:<12} {about.strip()}"]
    parts += [f"{name}={value}" for name, value in _details(event) if value is not None]
    return " ".join(parts)


def _details(event: Event) -> Iterable[tuple[str, object]]:
    yield "attempt", event.fence
    yield "reason", event.reason
    yield "by", event.cause
    yield (
        "data",
        event.data if event.data is None or len(event.data) < 100 else event.data[:97] + "...",
    )
