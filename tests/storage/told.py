"""What is compared of an event between the model and a store."""

from __future__ import annotations

from dataclasses import dataclass

from tests.storage.checkers import FENCED_MOVES, FENCED_NOTES

from overseen_storage.lifecycle import EventType, Reason, Status

REASON_LEFT_OPEN = frozenset({EventType.PROMOTED, EventType.CHANGED, EventType.UNHELD})
"""The contract does not say which reason these carry."""

FENCE_LEFT_OPEN = (
    frozenset(EventType)
    - FENCED_MOVES
    - FENCED_NOTES
    - {EventType.STARTED, EventType.STOPPING, EventType.LATE_SUCCESS, EventType.LATE_FAILURE}
)
"""Events between attempts: the contract does not say whether they name the last one."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an event must say, without seq and stamp."""

    job_id: int
    type: EventType
    status: Status | None
    fence: int | None
    reason: Reason | None

    @staticmethod
    def about(
        job_id: int,
        kind: EventType,
        status: Status | None,
        fence: int | None,
        reason: Reason | None,
    ) -> Told:
        """What is to be compared of an event, expected or read."""
        return Told(
            job_id,
            kind,
            status,
            None if kind in FENCE_LEFT_OPEN else fence,
            None if kind in REASON_LEFT_OPEN else reason,
        )
