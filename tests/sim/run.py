"""Plays histories from seeds, until time or number is up, and says what came of them.

    python3 dev.py sim [--seed N] [--histories N] [--seconds S] [--nightly] [--shape NAME]

A seed alone plays that one history and shows all of it. Ends with 1 if a promise was broken: then
the seed, the promise, what happened and the command that plays it again are shown.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / name) for name in ("", "supervisor", "actors", "storage")]

from tests.sim.history import Record, play, play_all  # noqa: E402 - after the path
from tests.sim.options import Options, options_of, reference_options, small_options  # noqa: E402
from tests.sim.shrinking import shrink  # noqa: E402
from tests.sim.sometimes import REGISTER, never_reached  # noqa: E402

SHAPES: dict[str, Callable[[int], Options]] = {
    "mixed": options_of,
    "small": small_options,
    "reference": reference_options,
}
"""What a seed is drawn as."""
NIGHTLY_SECONDS = 8 * 3_600.0
"""Of processor time."""
NIGHTLY_FLOOR = 100
"""How often each condition of the register has to be reached in a night."""
DEFAULT_SECONDS = 30.0
FAILURES_SHOWN = 3
REPORT_SECONDS = 60.0


class Totals:
    """Of all histories so far."""

    def __init__(self) -> None:
        self.histories = 0
        self.simulated_seconds = 0.0
        self.lives = 0
        self.commits = 0
        self.steps = 0
        self.counts: Counter[str] = Counter()
        self.sometimes: Counter[str] = Counter()
        self.failed: list[int] = []
        self.broken: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """One more."""
        self.histories += 1
        self.simulated_seconds += record.simulated_seconds
        self.lives += len(record.commits_of_lives)
        self.commits += sum(record.commits_of_lives)
        self.steps += record.steps
        self.counts += record.counts
        self.sometimes += record.sometimes
        if record.violations:
            self.failed.append(record.seed)
            self.broken.update({one.name for one in record.violations})

    def figures(self, cpu_seconds: float) -> str:
        """In words."""
        faults = {name: n for name, n in self.counts.items() if name.startswith("fault ")}
        cpu = max(cpu_seconds, 1e-9)
        return "\n".join(
            (
                f"{self.histories} histories, {self.lives} lives, "
                f"{self.simulated_seconds / 3_600:.1f} simulated hours, {self.commits} commits, "
                f"{self.steps} callbacks, {cpu:.1f} processor seconds",
                f"{self.histories / cpu:.1f} histories and {self.simulated_seconds / cpu:,.0f} "
                "simulated seconds for each of these",
                f"{self.counts['crashes']} crashes, {sum(faults.values())} faults: "
                + ", ".join(f"{n} {name[6:]}" for name, n in sorted(faults.items())),
                ", ".join(
                    f"{n} {name}" for name, n in sorted(self.counts.items()) if "requests" in name
                ),
                f"{len(self.failed)} histories broke a promise"
                + "".join(f"\n  {n} x {name}" for name, n in self.broken.most_common()),
            )
        )


def main(arguments: list[str]) -> int:
    if "--mutants" in arguments:
        from tests.sim.mutants import hunting  # loads the whole product once more, with its bugs

        return hunting.main([one for one in arguments if one != "--mutants"])
    wanted = parse(arguments)
    seed: int | None = wanted.seed
    if seed is not None and wanted.histories is None and wanted.seconds is None:
        return one(seed, wanted.shape)
    return many(wanted)


def parse(arguments: list[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="dev.py sim", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, help="the first seed; alone: only this one, shown")
    parser.add_argument("--histories", type=int, help="so many")
    parser.add_argument("--seconds", type=float, help="of processor time; 30 by default")
    parser.add_argument("--nightly", action="store_true", help="eight hours, with floors")
    shapes = list(SHAPES)
    parser.add_argument("--shape", choices=shapes, default="mixed", help="mixed; small; reference")
    parser.add_argument("--all", action="store_true", help="go on after a broken promise")
    return parser.parse_args(arguments)


def one(seed: int, shape: str) -> int:
    """Play one history and show it."""
    options = SHAPES[shape](seed)
    record = play(options, trace=True, legend=True)
    say(options)
    say(record.legend)
    say(f"trace {record.digest}, {record.simulated_seconds:.1f} simulated seconds")
    return show_broken(record, shape, shrinks=False)


def many(wanted: argparse.Namespace) -> int:
    """Play histories until enough."""
    seconds = wanted.seconds or (NIGHTLY_SECONDS if wanted.nightly else DEFAULT_SECONDS)
    first = wanted.seed or 0
    totals, begun = Totals(), time.process_time()
    reported = begun
    shape = SHAPES[wanted.shape]
    seeds = range(first, first + wanted.histories) if wanted.histories else count(first)
    for record in play_all(map(shape, seeds)):
        totals.add(record)
        if record.violations and len(totals.failed) <= FAILURES_SHOWN:
            show_broken(record, wanted.shape, shrinks=True)
        if totals.failed and not wanted.all and len(totals.failed) >= FAILURES_SHOWN:
            break
        if wanted.histories is None and used(begun) > seconds:
            break
        if time.process_time() - reported > REPORT_SECONDS:
            reported = time.process_time()
            say(f"... {totals.histories} histories, {len(totals.failed)} failed")
    say(totals.figures(used(begun)))
    return max(show_register(totals, wanted), int(bool(totals.failed)))


def say(text: object) -> None:
    """Print a line, now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def used(begun: float) -> float:
    """Processor seconds since then."""
    return time.process_time() - begun


def show_register(totals: Totals, wanted: argparse.Namespace) -> int:
    """How often each condition was reached; whether a night's floor was missed."""
    missing = never_reached(totals.sometimes)
    reached = len(REGISTER) - len(missing)
    say(f"{reached} of {len(REGISTER)} sometimes-conditions reached")
    for name in missing:
        say(f"  never: {name}")
    if not wanted.nightly:
        return 0
    rare = sorted(name for name in REGISTER if totals.sometimes[name] < NIGHTLY_FLOOR)
    for name in rare:
        say(f"  less than {NIGHTLY_FLOOR}: {totals.sometimes[name]} x {name}")
    return int(bool(rare))


def show_broken(record: Record, shape: str, *, shrinks: bool) -> int:
    """What a person needs to find the bug."""
    if not record.violations:
        return 0
    say(f"\nseed {record.seed} broke a promise:")
    for violation in record.violations:
        say(f"  {violation}")
    if shrinks:
        smaller = shrink(record)
        say(f"left out without loss: {', '.join(sorted(smaller.skipped)) or 'nothing'}")
        say(smaller.record.legend)
    say(f"play it again: python3 dev.py sim --seed {record.seed} --shape {shape}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
