"""Whether a failed attempt is repeated, and after how long. Pure: no clock, no randomness.

The default is exponential backoff with *full jitter*: a delay drawn evenly between nothing and
``min(maximum, initial * factor ** n)``. Many jobs that failed together then come back spread
out, not in waves (Amazon Builders' Library, "Timeouts, retries, and backoff with jitter").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias, assert_never, cast

import msgspec

from overseen.durations import Duration, seconds
from overseen.errors import InvalidOption

__all__ = ["Backoff", "DelayFunction", "Jitter", "delay_seconds", "should_retry"]

Jitter: TypeAlias = Literal["full", "none"]

DelayFunction: TypeAlias = Callable[[int, BaseException | None], Duration]
"""``(failures so far, the error if there is one) -> delay``: a user's own backoff."""

BACKOFF_FACTOR_MAX: Final = 1_000.0

_GROUP: Final[type[BaseException]] = BaseExceptionGroup


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential backoff between the attempts of a job.

    `initial` is the cap of the first delay (default 1 s), `factor` what each further failure
    multiplies it by (1 to 1,000, default 2), `maximum` where it stops growing (default 1 h; not
    below `initial`). `jitter="full"` draws the delay evenly between 0 and that cap,
    ``"none"`` takes the cap itself. Raises `InvalidOption`.

    >>> Backoff(initial="5s", maximum="10m").cap_seconds(3)
    20.0
    """

    initial: Duration = 1.0
    factor: float = 2.0
    maximum: Duration = 3_600.0
    jitter: Jitter = "full"

    def __post_init__(self) -> None:
        initial = seconds(self.initial, name="backoff.initial")
        maximum = seconds(self.maximum, name="backoff.maximum")
        if maximum < initial:
            raise InvalidOption("backoff.maximum", self.maximum, "not below backoff.initial")
        _check_factor(self.factor)
        if self.jitter not in ("full", "none"):
            raise InvalidOption("backoff.jitter", self.jitter, '"full" or "none"')

    def cap_seconds(self, failures: int) -> float:
        """Return the longest delay after so many failures (at least 1), in seconds."""
        if failures < 1:
            raise InvalidOption("failures", failures, "at least 1")
        initial, maximum = seconds(self.initial), seconds(self.maximum)
        try:
            return min(maximum, initial * float(self.factor) ** (failures - 1))
        except OverflowError:  # after a thousand failures; with no initial delay there is none
            return maximum if initial else 0.0


def delay_seconds(
    backoff: Backoff | DelayFunction,
    failures: int,
    error: BaseException | None,
    random: Callable[[], float],
) -> float:
    """Return the seconds to wait before the next attempt.

    `failures` counts the one just seen: 1 after the first. `random` draws from [0, 1). A
    function given as backoff is called with ``(failures, error)``; what it raises is passed on,
    and a return value that is no duration raises `InvalidOption`: the caller should then wait
    as ``Backoff()`` says, since a bug in a delay must not become the job's outcome.

    >>> delay_seconds(Backoff(), 3, None, lambda: 0.5)
    2.0
    """
    if not isinstance(backoff, Backoff):
        return seconds(backoff(failures, error), name="backoff(...)")
    cap = backoff.cap_seconds(failures)
    match backoff.jitter:
        case "full":
            return cap * random()
        case "none":
            return cap
        case _:
            assert_never(backoff.jitter)


def should_retry(
    error: BaseException,
    retry_on: tuple[type[BaseException], ...],
    abandon: tuple[type[BaseException], ...] = (),
) -> bool:
    """Tell whether an error is of a kind that another attempt may cure. Budgets are not asked.

    An exception group (what a TaskGroup raises) is retried when every error in it would be, or
    when `retry_on` names the group's own class; a single `abandon` inside forbids it.
    """
    if isinstance(error, abandon):
        return False
    leaves = _leaves(error)
    if any(isinstance(leaf, abandon) for leaf in leaves):
        return False
    return _names_group(error, retry_on) or all(isinstance(leaf, retry_on) for leaf in leaves)


def _names_group(error: BaseException, retry_on: tuple[type[BaseException], ...]) -> bool:
    """`Exception` matches every ExceptionGroup: only a group class counts as naming one."""
    return any(isinstance(error, kind) for kind in retry_on if issubclass(kind, _GROUP))


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group, in the groups in it, and so on; of any other error, itself."""
    leaves: list[BaseException] = []
    waiting = [error]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, _GROUP):
            waiting.extend(cast("BaseExceptionGroup[BaseException]", inner).exceptions)
        else:
            leaves.append(inner)
    return leaves


def _check_factor(factor: object) -> None:
    if (
        not isinstance(factor, int | float)
        or isinstance(factor, bool)
        or not 1 <= factor <= BACKOFF_FACTOR_MAX
    ):
        bound = f"a number from 1 to {BACKOFF_FACTOR_MAX:,.0f}"
        raise InvalidOption("backoff.factor", factor, bound)
