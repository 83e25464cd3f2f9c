"""How anything runs: actors, their mailboxes, restarts, clocks, and virtual time for tests.

Knows nothing of jobs or of how they are kept. Imports the standard library and anyio; neither
`overseen` nor `overseen_storage`.

* `actor`: one mailbox, one reader, all waiting messages at a time
* `mailbox`: bounded, drained as a list
* `restart`: which child is started anew, and when its keeper gives up
* `clock`: the host's clocks, a loop's clock, and stamps that strictly increase
* `virtual`: an event loop that jumps from timer to timer; `run_virtual` for tests
* `errors`: what can go wrong
"""

from __future__ import annotations

from overseen_actors.actor import Actor
from overseen_actors.alarm import Alarm
from overseen_actors.clock import Clock, LoopClock, Stamper, SystemClock
from overseen_actors.errors import (
    ActorError,
    ChildExists,
    ChildrenFailedToStop,
    InvalidBound,
    KeeperStopped,
    MailboxClosed,
    MailboxInUse,
    RestartIntensityReached,
    UnsupportedPython,
    VirtualDeadlock,
    VirtualIOError,
    VirtualStalled,
    VirtualStepLimit,
    VirtualTimeError,
    VirtualTimeLimit,
)
from overseen_actors.mailbox import Mailbox
from overseen_actors.restart import (
    Ending,
    Keeper,
    Restart,
    Restarted,
    RestartIntensity,
    should_restart,
)
from overseen_actors.virtual import (
    VirtualLoop,
    VirtualOptions,
    run_virtual,
    running_virtual_loop,
    without_collecting_garbage,
)
from overseen_actors.virtual_ready import Schedule
from overseen_actors.virtual_threads import GatedQueue, Threads
from overseen_actors.virtual_trace import Trace

__all__ = [
    "Actor",
    "ActorError",
    "Alarm",
    "ChildExists",
    "ChildrenFailedToStop",
    "Clock",
    "Ending",
    "GatedQueue",
    "InvalidBound",
    "Keeper",
    "KeeperStopped",
    "LoopClock",
    "Mailbox",
    "MailboxClosed",
    "MailboxInUse",
    "Restart",
    "RestartIntensity",
    "RestartIntensityReached",
    "Restarted",
    "Schedule",
    "Stamper",
    "SystemClock",
    "Threads",
    "Trace",
    "UnsupportedPython",
    "VirtualDeadlock",
    "VirtualIOError",
    "VirtualLoop",
    "VirtualOptions",
    "VirtualStalled",
    "VirtualStepLimit",
    "VirtualTimeError",
    "VirtualTimeLimit",
    "run_virtual",
    "running_virtual_loop",
    "should_restart",
    "without_collecting_garbage",
]
