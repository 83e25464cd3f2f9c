"""Measures overseen beside the raw floor of the machine it runs on.

    python3 dev.py bench [NAME...] [--json] [--quick] [--no-judge] [--folder PATH]

NAME is one or more of: floor end_to_end latency big_table growth batches subscribers; all by
default. Ends with 1 if a median misses its bound, and names it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("", "supervisor", "actors", "storage")]

from benchmarks import batches, big_table, end_to_end, floor, growth, latency, machine, subscribers  # noqa: E402 - after the path
from benchmarks.figures import Figure, table  # noqa: E402
from benchmarks.settings import FULL, QUICK, Settings  # noqa: E402

QUESTIONS: dict[str, Callable[[Settings], list[Figure]]] = {
    "floor": floor.ask,
    "end_to_end": end_to_end.ask,
    "latency": latency.ask,
    "big_table": big_table.ask,
    "growth": growth.ask,
    "batches": batches.ask,
    "subscribers": subscribers.ask,
}


def main(arguments: list[str]) -> int:
    wanted = parse(arguments)
    settings = Settings(QUICK if wanted.quick else FULL, wanted.folder)
    figures: list[Figure] = []
    others: dict[str, float | None] = {}
    begun = time.perf_counter()
    for name in wanted.names or QUESTIONS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        bystanders = machine.Bystanders()
        figures += QUESTIONS[name](settings)
        others[name] = bystanders.percent()
    missed = [figure for figure in figures if figure.holds is False]
    if wanted.json:
        print(json.dumps(report(figures, others, wanted.quick), indent=1))
    else:
        print(f"{machine.line()}\n\n{table(figures)}\n\n{remarks(others)}")
        print(f"medians (range of {settings.amounts.repeats}); {time.perf_counter() - begun:.0f} s")
    if wanted.quick or wanted.no_judge:
        return 0  # so little was measured that nothing can be judged by it
    for figure in missed:
        print(
            f"missed: {figure.question}: {figure.name}: {figure.median:.4g} {figure.unit},"
            f" asked for {figure.bound}",
            file=sys.stderr,
        )
    return 1 if missed else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev.py bench", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(QUESTIONS))
    parser.add_argument("--json", action="store_true", help="for a program")
    parser.add_argument("--quick", action="store_true", help="only see that everything works")
    parser.add_argument("--no-judge", action="store_true", help="print, end with 0 whatever it is")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "benchmarks", help="whose disk is measured"
    )
    wanted = parser.parse_args(arguments)
    unknown = [name for name in wanted.names if name not in QUESTIONS]
    if unknown:
        parser.error(f"no such measurement: {', '.join(unknown)}; there are {', '.join(QUESTIONS)}")
    return wanted


def report(
    figures: list[Figure], others: dict[str, float | None], quick: bool
) -> dict[str, object]:
    return {
        "machine": machine.facts(),
        "others_percent_of_a_core": others,
        "quick": quick,
        "figures": [figure.as_json() for figure in figures],
    }


def remarks(others: dict[str, float | None]) -> str:
    """Who else was there while it was measured."""
    known = {name: percent for name, percent in others.items() if percent is not None}
    if not known:
        return "who else used the machine is not known here"
    shown = ", ".join(f"{name} {percent:.0f} %" for name, percent in known.items())
    loud = max(known.values()) > machine.QUIET_PERCENT
    advice = "; close them and repeat: a shared machine tells nothing about speed" if loud else ""
    return f"other programs used, of one core: {shown}{advice}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
