"""What ``@pytest.mark.simulated(...)`` says of a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from overseen.durations import Duration
    from overseen.supervisor import Supervisor
    from overseen.testing.loop import ScheduleName

__all__ = ["SEED_FIXTURE", "SimulatedMark", "mark_of", "not_simulated"]

MARK: Final = "simulated"
SEED_FIXTURE: Final = "overseen_seed"


@dataclass(frozen=True, slots=True)
class SimulatedMark:
    """The marker's arguments."""

    supervisor: Supervisor | None = None
    """What the fixture `sim` simulates."""
    seed: int = 0
    """The seed, or the first of several."""
    seeds: int | None = None
    """How many runs; None: one, and it has no number in its name."""
    schedule: ScheduleName = "random"
    """See `ScheduleName`."""
    time_limit: Duration = "31d"
    """Simulated time after which a run is given up."""

    def all_seeds(self) -> range:
        """Every seed that is run."""
        return range(self.seed, self.seed + (self.seeds or 1))


def mark_of(node: object) -> SimulatedMark | None:
    """The marker of a test; None: it does not ask to be simulated."""
    if not isinstance(node, pytest.Item):
        return None
    mark = node.get_closest_marker(MARK)
    return None if mark is None else _read(mark.args, mark.kwargs)


def _read(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> SimulatedMark:
    names = [field.name for field in fields(SimulatedMark)]
    if len(arguments) > 1 or keywords.keys() - names:
        raise pytest.UsageError(
            f"@pytest.mark.{MARK} takes a supervisor and {', '.join(names[1:])}, by name; it got "
            f"{arguments} {keywords}"
        )
    mark = SimulatedMark(*arguments, **keywords)
    if mark.seeds is not None and mark.seeds < 1:
        raise pytest.UsageError(f"@pytest.mark.{MARK}(seeds={mark.seeds}): it must be 1 or more")
    return mark


def not_simulated(fixture: str) -> pytest.UsageError:
    """The error of a fixture that is used in a test without the marker."""
    return pytest.UsageError(
        f"the fixture `{fixture}` is for tests in simulated time: mark the test with "
        f"@pytest.mark.{MARK}"
    )
