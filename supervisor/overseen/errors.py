"""Everything that can go wrong at the face of overseen, as one tree.

The root, `OverseenError`, and the errors of the store live in `overseen_storage.errors`; those
about drafts and files in `overseen.attachments`, those about batches in `overseen.batches.errors`.

::

    OverseenError
    ├── JobDefinitionError      @job was used wrongly, or a type cannot travel as JSON
    ├── InvalidOption           an option is outside its bounds
    ├── InvalidPayload          a value cannot become JSON, or does not fit its annotation
    │   ├── InvalidArguments    ... as the arguments of a job
    │   ├── InvalidResult       ... as the result of a job
    │   └── PayloadTooLarge     its JSON is longer than the limit
    ├── UnknownJob              no job of that kind is registered here
    ├── DuplicateJob            two jobs have the same kind
    ├── SupervisorError         the supervisor is not in a state to do that
    │   ├── NotStarted          it was not started
    │   ├── SupervisorStopped   it is stopping or has stopped
    │   ├── SupervisorFailed    its actors failed too often; it gave up
    │   ├── WrongLoop           called from another thread or event loop
    │   ├── StillRunning        bodies of an earlier start of this supervisor still run
    │   └── Degraded            the store does not work at the moment; nothing was stored
    ├── OutcomeUnknown          whether it was stored cannot be known
    ├── SubmitRefused           nothing of the submit was stored
    │   ├── KeyConflict         another job holds the key
    │   ├── IdempotencyConflict the idempotency key was used with other arguments
    │   ├── FilesGone           of the job that was to be retried
    │   └── TooManyCalls        more than fits one transaction
    ├── RequestRefused          the database refuses what the request would write
    ├── JobNotFound             no job has this id (any more)
    ├── WrongStatus             the job is not in a status in which that can be done
    └── NoResult                there is no result, and there will be none
        ├── JobFailed           the job failed
        ├── JobCancelled        the job was cancelled
        └── ResultExpired       the job was pruned, its result with it
"""

from __future__ import annotations

from collections.abc import Sequence

from overseen.batches.errors import BatchError, BatchNotFound, BatchSealed
from overseen_storage.answers import Refused
from overseen_storage.errors import OverseenError
from overseen_storage.items import NewJob
from overseen_storage.lifecycle import Reason, Status
from overseen_storage.records import JobError

__all__ = [
    "Degraded",
    "DuplicateJob",
    "FilesGone",
    "IdempotencyConflict",
    "InvalidArguments",
    "InvalidOption",
    "InvalidPayload",
    "InvalidResult",
    "JobCancelled",
    "JobDefinitionError",
    "JobFailed",
    "JobNotFound",
    "KeyConflict",
    "NoResult",
    "NotStarted",
    "OutcomeUnknown",
    "OverseenError",
    "PayloadTooLarge",
    "RequestRefused",
    "ResultExpired",
    "StillRunning",
    "SubmitRefused",
    "SupervisorError",
    "SupervisorFailed",
    "SupervisorStopped",
    "TooManyCalls",
    "UnknownJob",
    "WrongLoop",
    "WrongStatus",
    "refusal",
]


class JobDefinitionError(OverseenError):
    """A function cannot be a job as it is written.

    Evidence: `function` (its qualified name), `location` (``file:line``), `problem` and `fix`.
    """

    def __init__(self, *, function: str, location: str, problem: str, fix: str) -> None:
        super().__init__(f"{function} ({location}): {problem}. {fix}")
        self.function = function
        self.location = location
        self.problem = problem
        self.fix = fix


class InvalidOption(OverseenError):
    """An option has a value outside its bounds.

    Evidence: `name`, `value` and `bound` (what would be accepted). `where` names the function
    and its ``file:line`` when the option was given to ``@job``.
    """

    def __init__(self, name: str, value: object, bound: str, *, where: str = "") -> None:
        place = f"{where}: " if where else ""
        super().__init__(f"{place}{name}={_short(value)} is not valid: it must be {bound}")
        self.name = name
        self.value = value
        self.bound = bound
        self.where = where


class InvalidPayload(OverseenError):
    """A value cannot travel as JSON, or does not fit its annotation.

    Evidence: `kind` (the job's kind, or what the value is for), `path` (where inside the value,
    ``$`` is the whole) and `reason`.
    """

    what = "value"

    def __init__(self, kind: str, path: str, reason: str) -> None:
        super().__init__(f"{kind}: the {self.what} is not valid at {path}: {reason}")
        self.kind = kind
        self.path = path
        self.reason = reason


class InvalidArguments(InvalidPayload):
    """The arguments of a call do not fit the job. Raised at submit, before anything is kept.

    The same check runs again before a body starts: the code may have changed since. Then the
    job fails as `invalid` and is not retried.
    """

    what = "argument"


class InvalidResult(InvalidPayload):
    """What a body returned cannot be kept as JSON. The job fails as `invalid`."""

    what = "result"


class PayloadTooLarge(InvalidPayload):
    """The JSON of a value is longer than its limit.

    Evidence: `size` and `limit`, in bytes of UTF-8.
    """

    what = "payload"

    def __init__(self, kind: str, *, size: int, limit: int) -> None:
        super().__init__(
            kind,
            "$",
            f"its JSON has {size:,} bytes, the limit is {limit:,}. Keep large data in a file or "
            "an object store and pass its name",
        )
        self.size = size
        self.limit = limit


class UnknownJob(OverseenError, LookupError):
    """No job of this kind is registered. Evidence: `kind`, `near` (similar registered kinds)."""

    def __init__(self, kind: str, *, near: Sequence[str], registered: int) -> None:
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        super().__init__(
            f"no job of kind {kind!r} is registered ({registered} are).{hint} "
            "Pass it in Supervisor(jobs=[...])"
        )
        self.kind = kind
        self.near = tuple(near)


class DuplicateJob(OverseenError):
    """Two functions have the same kind. Evidence: `kind` and both places as ``file:line``."""

    def __init__(self, kind: str, *, first: str, second: str) -> None:
        super().__init__(
            f"the kind {kind!r} is defined twice: {first} and {second}. "
            'Give one of them another name: @job(name="...")'
        )
        self.kind = kind
        self.first = first
        self.second = second


class SupervisorError(OverseenError):
    """The supervisor is not in a state to do what was asked."""


class NotStarted(SupervisorError):
    """The supervisor was not started, or its start is still under way."""

    def __init__(self, *, starting: bool = False) -> None:
        super().__init__(
            "the supervisor is still starting: wait until supervisor.start() has returned"
            if starting
            else "the supervisor is not started: use `async with supervisor:` (or await "
            "supervisor.start()) around it"
        )


class SupervisorStopped(SupervisorError):
    """The supervisor is stopping or has stopped. What was acknowledged is stored."""

    def __init__(self, what: str = "it takes no requests") -> None:
        super().__init__(
            f"the supervisor has stopped: {what}. Start it again with `async with supervisor:`; "
            "everything it acknowledged is stored"
        )


class SupervisorFailed(SupervisorError):
    """An actor of the supervisor failed too often, so the supervisor gave up.

    This is a bug of overseen, never a job's doing; the cause is chained. Jobs keep the status
    they have on disk and are recovered at the next start.
    """


class WrongLoop(SupervisorError):
    """The supervisor was called from another thread or event loop than its own."""

    def __init__(self, *, in_thread: bool) -> None:
        where = "another thread" if in_thread else "another event loop"
        super().__init__(
            f"the supervisor was called from {where}. It belongs to the event loop that started "
            "it; from a worker thread use anyio.from_thread.run(supervisor.submit, ...), from "
            "elsewhere asyncio.run_coroutine_threadsafe(supervisor.submit(...), loop)"
        )


class StillRunning(SupervisorError):
    """Bodies of an earlier start of this supervisor ignore their cancellation and still run.

    Evidence: `job_ids`. Starting again now could run them twice.
    """

    def __init__(self, job_ids: Sequence[int]) -> None:
        super().__init__(
            f"bodies of the last start still run: jobs {', '.join(map(str, job_ids))}. They "
            "ignored their cancellation; wait until they end, or end the process"
        )
        self.job_ids = tuple(job_ids)


class Degraded(SupervisorError):
    """The store does not work at the moment, so nothing was stored. The cause is chained.

    Running bodies go on and their results are kept; the supervisor tries again by itself. Submit
    again later.
    """


class OutcomeUnknown(OverseenError):
    """The store failed in such a way that it cannot be known whether the request was stored.

    Submit again with the same ``idempotency_key`` to be sure that it happens once.
    """


class SubmitRefused(OverseenError):
    """Nothing of the submit was stored."""


class KeyConflict(SubmitRefused):
    """Another job holds the key. Evidence: `key`, `existing_id`, `existing_status`."""

    def __init__(
        self, message: str, *, key: str, existing_id: int | None, existing_status: Status | None
    ) -> None:
        super().__init__(message)
        self.key = key
        self.existing_id = existing_id
        self.existing_status = existing_status


class IdempotencyConflict(SubmitRefused):
    """The idempotency key was used before, with another kind or other arguments.

    Evidence: `key` and `existing_id`.
    """

    def __init__(self, message: str, *, key: str, existing_id: int | None) -> None:
        super().__init__(message)
        self.key = key
        self.existing_id = existing_id


class TooManyCalls(SubmitRefused):
    """More calls, or more bytes, than are stored in one transaction. Evidence: `calls`, `size`."""

    def __init__(self, *, calls: int, calls_max: int, size: int, size_max: int) -> None:
        super().__init__(
            f"submit_many is all or nothing and takes at most {calls_max:,} calls and "
            f"{size_max >> 20} MiB of arguments; these are {calls:,} calls"
            + (f" with {size:,} bytes" if size else "")
            + ". Submit them in chunks"
        )
        self.calls = calls
        self.size = size


class FilesGone(SubmitRefused):
    """The job cannot be retried: the files it was given are not kept any more.

    Evidence: `job_id`.
    """

    def __init__(self, message: str, *, job_id: int) -> None:
        super().__init__(message)
        self.job_id = job_id


class RequestRefused(OverseenError):
    """The database refuses the row that a request would write, so nothing of it was stored.

    That is a bug of overseen, or a rule that somebody added to the database by hand (a trigger).
    Evidence: `what` was asked for, `why` the database refuses it.
    """

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"the database refuses to store {what}: {why}. Nothing of it was stored; look for "
            "triggers that were added by hand, else please report it"
        )
        self.what = what
        self.why = why


class JobNotFound(OverseenError, LookupError):
    """No job has this id: it never existed, or it was pruned. Evidence: `job_id`."""

    def __init__(self, job_id: int) -> None:
        super().__init__(
            f"there is no job {job_id}: it never existed, or its retention is over and it was "
            "pruned"
        )
        self.job_id = job_id


class WrongStatus(OverseenError):
    """The job is not in a status in which that can be done.

    Evidence: `job_id` and `status`.
    """

    def __init__(self, job_id: int, status: Status, what: str) -> None:
        super().__init__(f"job {job_id} is {status.value}: {what}")
        self.job_id = job_id
        self.status = status


class NoResult(OverseenError):
    """The job has no result and will never have one. Evidence: `job_id`."""

    def __init__(self, message: str, *, job_id: int) -> None:
        super().__init__(message)
        self.job_id = job_id


class JobFailed(NoResult):
    """The job failed. Evidence: `job_id`, `reason`, `error` (type, message and traceback of the
    last attempt, as text) and `attempts`."""

    def __init__(
        self, *, job_id: int, reason: Reason | None, error: JobError | None, attempts: int
    ) -> None:
        what = f": {error.type}: {error.message}" if error else ""
        why = reason.value if reason else "unknown"
        super().__init__(
            f"job {job_id} failed ({why}) after {attempts} attempt{'s' * (attempts != 1)}{what}",
            job_id=job_id,
        )
        self.reason = reason
        self.error = error
        self.attempts = attempts


class JobCancelled(NoResult):
    """The job was cancelled. Evidence: `job_id` and `reason`."""

    def __init__(self, *, job_id: int, reason: Reason | None) -> None:
        why = reason.value if reason else "requested"
        super().__init__(f"job {job_id} was cancelled ({why})", job_id=job_id)
        self.reason = reason


class ResultExpired(NoResult):
    """The job ended long ago and was pruned, its result with it."""

    def __init__(self, *, job_id: int) -> None:
        super().__init__(
            f"job {job_id} is not kept any more: its retention is over, or it never existed. "
            "Keep what must last longer yourself, or set Supervisor(retention=...)",
            job_id=job_id,
        )


def refusal(refused: Refused, job: NewJob) -> SubmitRefused | BatchError:
    """Return the error that tells the caller why nothing of his submit was stored."""
    match refused.why:
        case "idempotency":
            return IdempotencyConflict(
                refused.message, key=job.idempotency_key or "", existing_id=refused.existing_id
            )
        case "batch_sealed":
            return BatchSealed(job.batch_id or 0, None, "it takes no more members")
        case "no_batch":
            return BatchNotFound(job.batch_id or 0)
        case "files_gone":
            return FilesGone(refused.message, job_id=job.retried_from or 0)
        case "key" | "key_running" | "key_kind" | "key_batch":
            return KeyConflict(
                refused.message,
                key=job.key or "",
                existing_id=refused.existing_id,
                existing_status=refused.existing_status,
            )
        case _:
            return SubmitRefused(refused.message)


def _short(value: object, width: int = 80) -> str:
    try:
        text = repr(value)
    except Exception as error:  # the value is the user's: its repr must not hide the message
        text = f"<{type(value).__qualname__}, whose repr raised {type(error).__name__}>"
    return text if len(text) <= width else text[: width - 3] + "..."
