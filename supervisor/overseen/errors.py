"""Everything that can go wrong at the face of overseen, as one tree.

The root, `OverseenError`, and the errors of the store live in `overseen_storage.errors`.

::

    OverseenError
    ├── JobDefinitionError      @job was used wrongly, or a type cannot travel as JSON
    ├── InvalidOption           an option is outside its bounds
    ├── InvalidPayload          a value cannot become JSON, or does not fit its annotation
    │   ├── InvalidArguments    ... as the arguments of a job
    │   ├── InvalidResult       ... as the result of a job
    │   └── PayloadTooLarge     its JSON is longer than the limit
    ├── UnknownJob              no job of that kind is registered here
    └── DuplicateJob            two jobs have the same kind
"""

from __future__ import annotations

from collections.abc import Sequence

from overseen_storage.errors import OverseenError

__all__ = [
    "DuplicateJob",
    "InvalidArguments",
    "InvalidOption",
    "InvalidPayload",
    "InvalidResult",
    "JobDefinitionError",
    "OverseenError",
    "PayloadTooLarge",
    "UnknownJob",
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


def _short(value: object, width: int = 80) -> str:
    try:
        text = repr(value)
    except Exception as error:  # the value is the user's: its repr must not hide the message
        text = f"<{type(value).__qualname__}, whose repr raised {type(error).__name__}>"
    return text if len(text) <= width else text[: width - 3] + "..."
