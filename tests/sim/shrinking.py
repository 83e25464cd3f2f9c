"""Makes a failing history smaller: actions and faults without which it fails all the same go."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.sim.history import Record, play
from tests.sim.options import Options


@dataclass(frozen=True, slots=True)
class Smaller:
    """What is left of it."""

    options: Options
    record: Record

    @property
    def skipped(self) -> frozenset[str]:
        """Names of actions and faults that are left out."""
        return self.options.skipped


def shrink(record: Record) -> Smaller:
    """Leave out one thing after the other, as long as the same promise is broken."""
    wanted = {one.name for one in record.violations}
    best = Smaller(record.options, record)
    for name in _names(best.options):
        options = replace(best.options, skipped=best.skipped | {name})
        again = play(options)
        if wanted & {one.name for one in again.violations}:
            best = Smaller(options, again)
    return best


def _names(options: Options) -> list[str]:
    """Of all actions and faults, later ones first."""
    lives = range(len(options.lives), 0, -1)
    return [
        *(f"{life}/fault/{n}" for life in lives for n in reversed(range(options.faults))),
        *(
            f"{life}/{client}/{n}"
            for life in lives
            for client in range(options.clients, 0, -1)
            for n in reversed(range(options.actions))
        ),
    ]
