"""What can go wrong with a batch: a branch of the tree in `overseen.errors`.

::

    OverseenError
    └── BatchError
        ├── BatchNotFound       no batch has this id
        ├── BatchSealed         it takes no more members
        ├── BatchEnded          it is finalized: nothing about it can change
        ├── BatchNotOpened      the block of the batch was not entered yet
        ├── NoCallback          its end did not submit this job
        └── MembersPruned       results of members are not kept any more
"""

from __future__ import annotations

from overseen_storage.batch_lifecycle import BatchStatus
from overseen_storage.errors import OverseenError

__all__ = [
    "BatchEnded",
    "BatchError",
    "BatchNotFound",
    "BatchNotOpened",
    "BatchSealed",
    "MembersPruned",
    "NoCallback",
]


class BatchError(OverseenError):
    """The batch does not allow what was asked. Evidence: `batch_id`."""

    def __init__(self, message: str, *, batch_id: int | None) -> None:
        super().__init__(message)
        self.batch_id = batch_id


class BatchNotFound(BatchError, LookupError):
    """No batch has this id. Evidence: `batch_id`."""

    def __init__(self, batch_id: int) -> None:
        super().__init__(
            f"there is no batch {batch_id}: look for it with supervisor.batches()",
            batch_id=batch_id,
        )


class BatchSealed(BatchError):
    """The batch is sealed: it takes no more members, and cannot be sealed again.

    Evidence: `batch_id`, `status`.
    """

    def __init__(self, batch_id: int, status: BatchStatus | None, what: str) -> None:
        where = f"is {status}" if status else "is sealed"
        super().__init__(
            f"batch {batch_id} {where}: {what}. Open a new batch with supervisor.batch(...)",
            batch_id=batch_id,
        )
        self.status = status


class BatchEnded(BatchError):
    """The batch is finalized, its summary is frozen. Evidence: `batch_id`, `status`."""

    def __init__(self, batch_id: int, status: BatchStatus | None) -> None:
        super().__init__(
            f"batch {batch_id} has ended ({status}) and does not change any more: read its "
            "outcome with supervisor.find_batch(id).summary()",
            batch_id=batch_id,
        )
        self.status = status


class BatchNotOpened(BatchError):
    """The batch does not exist yet: its block was not entered."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"batch {name!r} was not opened: use `async with supervisor.batch({name!r}) as batch:`,"
            " or `await batch.open()` for one that stays open",
            batch_id=None,
        )


class NoCallback(BatchError, LookupError):
    """The end of the batch did not submit this job. Evidence: `batch_id`, `event`, `kind`."""

    def __init__(self, batch_id: int, event: str, kind: str) -> None:
        super().__init__(
            f"the end of batch {batch_id} submitted no job {kind!r} for {event!r}: it was not "
            "given to supervisor.batch(...), or was pruned. Submit it by hand, with the batch's id",
            batch_id=batch_id,
        )
        self.event = event
        self.kind = kind


class MembersPruned(BatchError):
    """Members of the batch were pruned, so their results are not all there.

    Evidence: `batch_id`, `kept`, `total`.
    """

    def __init__(self, batch_id: int, *, kept: int, total: int) -> None:
        super().__init__(
            f"of the {total:,} members of batch {batch_id} only {kept:,} are kept, the others were "
            "pruned: its summary is all that is left. Keep results longer with "
            "Supervisor(retention=...)",
            batch_id=batch_id,
        )
        self.kept = kept
        self.total = total
