"""The command `overseen`, also as ``python -m overseen``.

Exit codes: 0 all is well; 1 it failed, the message says why (`verify`: something is wrong); 2 used
wrongly (`verify`: it cannot be checked); 3 there is no such thing; 4 somebody else owns the
database; 130 interrupted.

The commands are read by argparse, so that `version` and every message work without any extra.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from overseen._version import __version__
from overseen_storage.errors import DatabaseOwned, OverseenError

FAILED, USED_WRONGLY, CONFLICT, INTERRUPTED = 1, 2, 4, 130
JOBS_DEFAULT = 2_000
JOBS_MAX = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. `arguments` without the program's name."""
    write_anything()
    parser = make_parser()
    try:
        code = obey(parser, parser.parse_args(arguments))
        sys.stdout.flush()
        return code
    except DatabaseOwned as error:
        return refuse(str(error), CONFLICT)
    except OverseenError as error:
        return refuse(str(error), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        return give_up_writing()
    except OSError as error:  # a folder that cannot be written, a disk that is full
        return refuse(f"{error.strerror}: {error.filename}", FAILED)


def obey(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> int:
    """Run the command that was chosen."""
    match chosen.command:
        case "version":
            return version(as_json=chosen.json)
        case "demo":
            return demo(chosen)
        case "verify":
            return verify(chosen)
        case "explain":
            return explain(chosen)
        case _:
            parser.print_help()
            return 0


def make_parser() -> argparse.ArgumentParser:
    """Say which commands there are."""
    parser = argparse.ArgumentParser(
        prog="overseen",
        description="A durable job supervisor inside your asyncio program.",
        epilog="Exit codes: 0 well, 1 failed or something found, 2 used wrongly, 3 not found, "
        "4 database owned by another, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"overseen {__version__}")
    commands = parser.add_subparsers(dest="command", title="commands", metavar="")
    add_demo(
        commands.add_parser(
            "demo",
            help="do real work: ask questions about Python files",
            description="Read every Python file under PATH and ask three questions about each, "
            "every one a durable job, all of them one batch. Some files are broken, some reads "
            "fail once, and halfway the process that works is killed by kill -9; another one "
            "goes on. Run it again and it goes on, or says that all is done.",
            epilog="Ctrl-C lets running jobs end, a second one cancels them, a third one leaves "
            "at once. Exit code 0 when every job has an outcome, 130 when interrupted.",
        )
    )
    add_verify(
        commands.add_parser(
            "verify",
            help="prove that a database keeps every promise",
            description="Check every row, every event and every file of a database: histories are "
            "paths through the lifecycle, rows equal the folded ledger, nothing is missing. It "
            "only reads; a program may own the database meanwhile.",
            epilog="Exit code 0: nothing is wrong. 1: something is. 2: it cannot be checked (no "
            "such file, not ours, from a newer version).",
        )
    )
    add_explain(
        commands.add_parser(
            "explain",
            help="say why a job is where it is, and what happens next",
            description="Say why a job does not run, what happens next and when, what has happened "
            "and who caused it. It only reads; a program may own the database meanwhile.",
            epilog="Exit code 3: there is no such job.",
        )
    )
    shown = commands.add_parser("version", help="print the version")
    shown.add_argument("--json", action="store_true", help="with that of Python and SQLite")
    return parser


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Say what can be told to the demo."""
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        metavar="PATH",
        help="a folder or file; default: Python's own library and what is installed beside it",
    )
    parser.add_argument(
        "--jobs",
        type=number_of_jobs,
        default=JOBS_DEFAULT,
        metavar="N",
        help=f"how many jobs at most (default {JOBS_DEFAULT:,})",
    )
    parser.add_argument(
        "--database",
        type=Path,
        metavar="FILE",
        help="where to keep them (default: a file in your cache folder, which it names)",
    )
    parser.add_argument("--fresh", action="store_true", help="forget what earlier demos did")


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Say what can be told to `verify`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the database")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--deep", action="store_true", help="read every file of every job, too")


def add_explain(parser: argparse.ArgumentParser) -> None:
    """Say what can be told to `explain`."""
    parser.add_argument("job", type=int, metavar="JOB", help="the job's number")
    parser.add_argument(
        "--database", type=Path, metavar="FILE", required=True, help="the database it is in"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")


def number_of_jobs(text: str) -> int:
    """Read the value of `--jobs`."""
    try:
        number = int(text.replace("_", "").replace(",", ""))
    except ValueError:
        number = 0
    if not 1 <= number <= JOBS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {JOBS_MAX:,}")
    return number


def version(*, as_json: bool) -> int:
    """Print the version; as JSON with what a report of a problem needs."""
    about = {
        "overseen": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": platform.platform(),
    }
    print(json.dumps(about) if as_json else f"overseen {__version__}")  # noqa: T201
    return 0


def demo(chosen: argparse.Namespace) -> int:
    """Run the demo, if there is something to run it over."""
    path: Path | None = chosen.path
    if path is not None and not path.exists():
        return refuse(f"there is no {path}: name a folder or a file", USED_WRONGLY)
    from overseen.demo.run import Asked, run

    return run(Asked(path, chosen.jobs, chosen.database, chosen.fresh))


def verify(chosen: argparse.Namespace) -> int:
    """Verify a database; its own exit codes."""
    from overseen.verifying.command import Asked, run
    from overseen_actors.clock import SystemClock

    return run(Asked(chosen.file, as_json=chosen.json, deep=chosen.deep), SystemClock())


def explain(chosen: argparse.Namespace) -> int:
    """Explain a job."""
    from overseen.explaining.command import Asked, run
    from overseen_actors.clock import SystemClock

    return run(Asked(chosen.job, chosen.database, as_json=chosen.json), SystemClock())


def refuse(message: str, code: int) -> int:
    """Say on stderr what is wrong and what to do, and return the exit code."""
    print(f"overseen: {message}", file=sys.stderr)  # noqa: T201
    return code


def write_anything() -> None:
    """Let no character that stdout cannot show stop the program (LANG=C, redirected output)."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # absent on replaced streams
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def give_up_writing() -> int:
    """Send what is still buffered nowhere, else Python complains about it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
