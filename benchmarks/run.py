"""Measures overseen beside the raw floor of the machine it runs on.

    python3 dev.py bench [NAME...] [--json] [--quick] [--no-judge] [--folder PATH]

NAME is one or more of: floor end_to_end latency big_table growth (default: all). Ends with 1 if a
median misses its bound, and names it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("", "supervisor", "actors", "storage")]

from benchmarks import big_table, end_to_end, floor, growth, latency  # noqa: E402 - after the path
from benchmarks.figures import Figure, table  # noqa: E402
from benchmarks.settings import FULL, QUICK, Settings  # noqa: E402

QUESTIONS: dict[str, Callable[[Settings], list[Figure]]] = {
    "floor": floor.ask,
    "end_to_end": end_to_end.ask,
    "latency": latency.ask,
    "big_table": big_table.ask,
    "growth": growth.ask,
}


def main(arguments: list[str]) -> int:
    wanted = parse(arguments)
    settings = Settings(QUICK if wanted.quick else FULL, wanted.folder)
    figures: list[Figure] = []
    begun = time.perf_counter()
    for name in wanted.names or QUESTIONS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        figures += QUESTIONS[name](settings)
    missed = [figure for figure in figures if figure.holds is False]
    if wanted.json:
        print(json.dumps(report(figures, wanted.quick), indent=1))
    else:
        print(f"{machine_line()}\n\n{table(figures)}\n")
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


def report(figures: list[Figure], quick: bool) -> dict[str, object]:
    return {
        "machine": machine(),
        "quick": quick,
        "figures": [figure.as_json() for figure in figures],
    }


def machine() -> dict[str, object]:
    """What the figures depend on, and nothing that names the machine."""
    return {
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def machine_line() -> str:
    facts = machine()
    return (
        f"{facts['cores']} cores, {facts['python']}, SQLite {facts['sqlite']}, {facts['system']},"
        f" load {facts['load']}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
