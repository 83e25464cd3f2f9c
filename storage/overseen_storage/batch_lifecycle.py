"""The lifecycle of a batch, as data. As with jobs, the database's words and the documentation are
compared with it by a test."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class BatchStatus(StrEnum):
    """Where a batch is in its life."""

    OPEN = "open"
    """Members may be added. Nobody but its author, or an operator, can seal it: a crash leaves it
    open, and it is shown as such."""

    PROCESSING = "processing"
    """Sealed: its members are known, and not all of them have ended."""

    COMPLETED = "completed"
    """Every member completed. Absorbing."""

    COMPLETED_WITH_ERRORS = "completed_with_errors"
    """Every member ended, and not all of them completed. Absorbing."""

    CANCELLED = "cancelled"
    """Its end was requested, and members were cancelled for it. Absorbing."""


class BatchMove(StrEnum):
    """What can happen to a batch."""

    OPEN = "open"
    """Its author begins it."""
    SEAL = "seal"
    """No more members: it is as large as it will ever be."""
    FINALIZE = "finalize"
    """It is sealed and no member is open: its summary is frozen."""


BATCH_MOVES: Final = MappingProxyType(
    {
        (None, BatchMove.OPEN): frozenset({BatchStatus.OPEN}),
        (BatchStatus.OPEN, BatchMove.SEAL): frozenset({BatchStatus.PROCESSING}),
        (BatchStatus.PROCESSING, BatchMove.FINALIZE): frozenset(
            {BatchStatus.COMPLETED, BatchStatus.COMPLETED_WITH_ERRORS, BatchStatus.CANCELLED}
        ),
    }
)
"""Every legal change of a batch's status, and where it may lead. What is not here is impossible."""

BATCH_ENDED: Final = frozenset(
    {BatchStatus.COMPLETED, BatchStatus.COMPLETED_WITH_ERRORS, BatchStatus.CANCELLED}
)
"""Absorbing: finalized, with a frozen summary."""


class BatchPolicy(StrEnum):
    """What the failure of a member means for the others."""

    CONTINUE = "continue"
    """Nothing: every member runs. The default."""
    FAIL_FAST = "fail_fast"
    """The first failure stops the batch: what waits is cancelled, what runs is told to stop."""
    THRESHOLD = "threshold"
    """So does a given number of failures, or a given share of all members."""


BATCH_STATUS_CODES: Final = MappingProxyType({one: n for n, one in enumerate(BatchStatus, 1)})
BATCH_POLICY_CODES: Final = MappingProxyType({one: n for n, one in enumerate(BatchPolicy, 1)})
