"""Everything that can go wrong in here.

ActorError
├── InvalidBound              a limit, a count or a duration outside its bounds (also a ValueError)
├── MailboxClosed             nothing goes in any more; what was in it can still be drained
├── MailboxInUse              a second reader waits on the same mailbox
├── ChildExists               a child of that name lives
├── KeeperStopped             a child was started on a keeper that is not open
├── RestartIntensityReached   a child failed too often within the period
├── ChildrenFailedToStop      children raised while they were being stopped
└── VirtualTimeError
    ├── UnsupportedPython     CPython's event loop is not shaped as the virtual loop needs it
    ├── VirtualDeadlock       nothing ready, no timer, nobody at work: no task can ever go on
    ├── VirtualIOError        real input or output was asked of the virtual loop (also an OSError)
    ├── VirtualStalled        real threads held the clock and did not answer in time
    ├── VirtualStepLimit      more callbacks than the run was allowed
    └── VirtualTimeLimit      more virtual time than the run was allowed
"""

from __future__ import annotations

from collections.abc import Mapping


class ActorError(Exception):
    """Base class of every error of this package."""


class InvalidBound(ActorError, ValueError):
    """A limit, a count or a duration lies outside its bounds."""

    def __init__(self, name: str, value: object, bound: str) -> None:
        super().__init__(f"{name} is {value!r} but must be {bound}")
        self.name = name
        self.value = value
        self.bound = bound


class MailboxClosed(ActorError):
    """The mailbox takes nothing more."""

    def __init__(self, mailbox: str) -> None:
        super().__init__(f"mailbox {mailbox!r} is closed: its owner is stopping or has stopped")
        self.mailbox = mailbox


class MailboxInUse(ActorError):
    """Two readers wait on one mailbox; it would be luck which of them got a message."""

    def __init__(self, mailbox: str) -> None:
        super().__init__(
            f"mailbox {mailbox!r} already has a reader that waits; "
            "a mailbox has one reader: give the second one a mailbox of its own"
        )
        self.mailbox = mailbox


class ChildExists(ActorError):
    """A child of that name lives."""

    def __init__(self, child: str) -> None:
        super().__init__(f"a child named {child!r} lives already; choose another name")
        self.child = child


class KeeperStopped(ActorError):
    """A child was started on a keeper that is not open: not entered yet, stopping or left."""

    def __init__(self, child: str) -> None:
        super().__init__(
            f"cannot start {child!r}: start children inside `async with Keeper()`, before stop()"
        )
        self.child = child


class RestartIntensityReached(ActorError):
    """A child ended once more than its keeper's restart intensity allows.

    `times` are loop seconds of the restarts within the period, then of the end that was one too
    many. The last error of the child is the cause; there is none if it ended without one.
    """

    def __init__(
        self, child: str, restarts: int, period_seconds: float, times: tuple[float, ...]
    ) -> None:
        moments = ", ".join(f"{moment:.3f}" for moment in times)
        super().__init__(
            f"child {child!r} ended once more after {len(times) - 1} restarts within "
            f"{period_seconds:g} s (allowed: {restarts}; at loop seconds {moments}); "
            "restarting does not help here: see the error it raised last"
        )
        self.child = child
        self.restarts = restarts
        self.period_seconds = period_seconds
        self.times = times


class ChildrenFailedToStop(ActorError):
    """Children raised something else than their cancellation while they were being stopped."""

    def __init__(self, errors: Mapping[str, BaseException]) -> None:
        named = "; ".join(f"{child!r}: {error!r}" for child, error in errors.items())
        super().__init__(f"raised while being stopped (they have ended): {named}")
        self.errors = dict(errors)


class VirtualTimeError(ActorError):
    """Base class of what the virtual loop refuses or finds."""


class UnsupportedPython(VirtualTimeError):
    """CPython's event loop, or anyio's, is not shaped as the virtual loop needs it."""


class VirtualDeadlock(VirtualTimeError):
    """Nothing is ready, no timer is set, no thread holds the clock: no task can ever go on."""


class VirtualIOError(VirtualTimeError, OSError):
    """Real input or output was asked of the virtual loop."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: the virtual loop has no files, sockets or processes, because "
            "waiting for the outside world takes real time; use a stand-in within the process, "
            "or run this test on a stock loop"
        )
        self.what = what


class VirtualStalled(VirtualTimeError):
    """Real threads held the clock and did not answer in time."""


class VirtualStepLimit(VirtualTimeError):
    """More callbacks ran than the run was allowed: probably a loop that never waits."""


class VirtualTimeLimit(VirtualTimeError):
    """More virtual time passed than the run was allowed: something comes back for ever."""
