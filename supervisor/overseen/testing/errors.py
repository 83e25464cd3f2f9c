"""What can go wrong in a simulated test, beside the test itself.

::

    OverseenError
    └── SimulationError        the test kit was used in a way that cannot work
        ├── NotSimulated       there is no simulated loop here
        ├── NotIdle            something goes on and on
        └── RealWorld          real time or the real network was asked for
            ├── RealSleep
            └── RealNetwork
"""

from __future__ import annotations

from overseen_storage.errors import OverseenError

__all__ = [
    "NotIdle",
    "NotSimulated",
    "RealNetwork",
    "RealSleep",
    "RealWorld",
    "SimulationError",
]


class SimulationError(OverseenError):
    """The test kit was used in a way that cannot work; the message says what to do instead."""


class NotSimulated(SimulationError):
    """A simulation was asked for where time is real."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: there is no simulated time here. Mark the test with @pytest.mark.simulated "
            "(pytest loads overseen.testing.plugin by itself where overseen is installed; else "
            "pass -p overseen.testing.plugin), or run your coroutine function by "
            "overseen.testing.run_simulated(main)"
        )


class NotIdle(SimulationError):
    """Work goes on after all the time that `until_idle` had.

    Evidence: `waiting`, a line for each of the first jobs and batches that have not ended.
    """

    def __init__(self, passed: str, waiting: list[str]) -> None:
        lines = "".join(f"\n  {line}" for line in waiting)
        super().__init__(
            f"after {passed} of simulated time this had not ended:{lines}\n"
            "Give it more time, until_idle(limit=...); or, if it never ends by itself, let time "
            "pass with advance(...) instead"
        )
        self.waiting = waiting


class RealWorld(SimulationError):
    """Real time or the real network was asked for inside a simulated test.

    Evidence: `call` (what was called), `place` (``file:line`` in your code).
    """

    instead = ""

    def __init__(self, call: str, place: str) -> None:
        super().__init__(f"{call} at {place}: {self.instead}")
        self.call = call
        self.place = place


class RealSleep(RealWorld):
    """`time.sleep` was called: it would stop the loop, and nothing simulated would pass."""

    instead = (
        "in a simulated test a real sleep only makes the test slow. `await asyncio.sleep(...)` "
        "takes no real time; a loop that is blocked is simulated by `sim.stall(...)`"
    )


class RealNetwork(RealWorld):
    """A connection or a name lookup was asked for: its answer is new in every run."""

    instead = (
        "in a simulated test there is no network, because its answers are new in every run. Give "
        "the job a client of the test's own, for example by Supervisor(state=...)"
    )
