#!/usr/bin/env python3
"""One script for all work on overseen; needs Python >= 3.11 with pip, and nothing else.

    python3 dev.py demo [PATH]   real work: every Python file under PATH is read and asked questions
    python3 dev.py test [...]    the tests; what follows goes to pytest (-k word, a path, -x)
    python3 dev.py check         linter, formatter, both type checkers, import directions, docs
    python3 dev.py bench [...]   the measurements, beside the raw floor (--json)
    python3 dev.py sim [...]     the simulation: random worlds from seeds
    python3 dev.py docs [...]    writes the generated parts of docs/ (--check only compares)

It makes .venv itself, installs what requirements/*.txt pin (by hash) and the project (editable),
again only when those files have changed, and prints every command it runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "overseen-installed.json"
PYTHON_MINIMUM = (3, 11)

# Debian's Python may come without ensurepip; its pip can fill another environment all the same.
BARE = ["--without-pip"]

# The pinned files, each with all of the one before it (a test says so); then what each verb needs.
SETS = ["run", "test", "check"]
PINNED = {
    "demo": "run",
    "bench": "run",
    "docs": "run",
    "test": "test",
    "sim": "test",
    "check": "check",
}


def main(arguments: list[str]) -> int:
    if sys.version_info < PYTHON_MINIMUM:
        this = ".".join(map(str, sys.version_info[:2]))
        return refuse(
            f"overseen needs Python 3.11 or newer; this is {this} ({sys.executable}).",
            "Run it with a newer one, such as: python3.13 dev.py test",
        )
    if not arguments or arguments[0] not in PINNED:
        print(__doc__)
        return 0 if arguments[:1] in ([], ["-h"], ["--help"], ["help"]) else 2
    verb, rest = arguments[0], arguments[1:]
    if not install(PINNED[verb]):
        return 1
    if verb == "demo":  # stays in the caller's folder, for PATH is theirs
        return become([str(BIN / "overseen"), "demo", *rest])
    os.chdir(ROOT)
    if verb == "check":
        return check()
    return become(command_of(verb, rest)) if command_of(verb, rest) else 0


def command_of(verb: str, rest: list[str]) -> list[str]:
    """The one command a verb stands for; empty when that part is not here yet (and says so)."""
    programs = {"bench": "benchmarks/run.py", "docs": "docs/generate.py", "sim": "tests/sim/run.py"}
    if verb == "test":
        return [str(PYTHON), "-m", "pytest", *rest]
    if not Path(programs[verb]).exists():
        print(f"dev.py {verb}: {programs[verb]} is not here yet; it comes with a later step.")
        return []
    return [str(PYTHON), programs[verb], *rest]


def check() -> int:
    """Run every check, also after one has failed; the first failure's code is the answer."""
    steps = [
        [str(PYTHON), "-m", "ruff", "check", "--no-cache", "."],
        [str(PYTHON), "-m", "ruff", "format", "--check", "."],
        [str(PYTHON), "-m", "mypy"],
        [str(PYTHON), "-m", "pyright"],
        [str(BIN / "lint-imports")],
    ]
    if Path("docs/generate.py").exists():
        steps.append([str(PYTHON), "docs/generate.py", "--check"])
    codes = [run(step) for step in steps]
    failed = [shown(step) for step, code in zip(steps, codes, strict=True) if code]
    print(
        f"\ncheck: {len(steps) - len(failed)} of {len(steps)} pass"
        + "".join(f"\n  failed: {f}" for f in failed)
    )
    return next((code for code in codes if code), 0)


def install(pinned: str) -> bool:
    """Make .venv what `requirements/<pinned>.txt` and pyproject.toml say, if it is not so yet."""
    if not is_usable(VENV) and run([sys.executable, "-m", "venv", "--clear", *BARE, str(VENV)]):
        refuse("This Python cannot make .venv.", "On Debian: apt install python3-venv")
        return False
    wanted, installed = digest(pinned), read_stamp()
    if installed.get(pinned) == wanted:
        return True
    pip = find_pip()
    if not pip:
        refuse(
            "No pip (22.3 or newer) is here to fill .venv.", "On Debian: apt install python3-pip"
        )
        return False
    STAMP.unlink(missing_ok=True)  # a broken-off installation is begun again
    requirements = str(ROOT / "requirements" / f"{pinned}.txt")
    steps = [
        [*pip, "install", "--quiet", "--require-hashes", "--requirement", requirements],
        [*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
    ]
    if any(run(step) for step in steps):
        return False
    now_installed = {name for name, was in installed.items() if was == digest(name)}
    now_installed |= set(SETS[: SETS.index(pinned) + 1])
    stamp = {name: digest(name) for name in SETS if name in now_installed}
    STAMP.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    return True


def is_usable(folder: Path) -> bool:
    """Whether an environment is there, with a Python that is new enough and still works."""
    probe = f"import sys; sys.exit(sys.version_info < {PYTHON_MINIMUM})"
    return folder.exists() and works([str(PYTHON), "-c", probe])


def find_pip() -> list[str]:
    """The start of a command that installs into .venv: its own pip, ours, or the base Python's."""
    own = [str(PYTHON), "-m", "pip"]
    base = getattr(sys, "_base_executable", None) or sys.executable
    others = [
        [python, "-m", "pip", "--python", str(VENV)]
        for python in dict.fromkeys([sys.executable, base])
    ]
    for pip in [own, *others]:
        if works([*pip, "--version"]):
            return [*pip, "--disable-pip-version-check"]
    if not run([str(PYTHON), "-m", "ensurepip"]):
        return [*own, "--disable-pip-version-check"]
    return []


def digest(pinned: str) -> str:
    """What an installation depends on, as one word; a copied checkout is another one."""
    files = [ROOT / "requirements" / f"{pinned}.txt", ROOT / "pyproject.toml"]
    parts = [str(ROOT).encode(), *(path.read_bytes() for path in files)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def read_stamp() -> dict[str, str]:
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def works(command: list[str]) -> bool:
    """Whether a probe succeeds; probes are silent."""
    try:
        return not subprocess.run(command, capture_output=True, check=False, cwd=ROOT).returncode
    except OSError:
        return False


def run(command: list[str]) -> int:
    print("$", shown(command), flush=True)
    return subprocess.run(command, check=False, cwd=ROOT).returncode


def become(command: list[str]) -> int:
    """Run the last command of a verb, where possible as this very process: signals go to it."""
    print("$", shown(command), flush=True)
    if os.name == "nt":
        return subprocess.run(command, check=False).returncode
    os.execv(command[0], command)


def shown(command: list[str]) -> str:
    """A command as one would type it at the root of the checkout."""
    return shlex.join(command).replace(str(ROOT) + os.sep, "").replace(str(ROOT), ".")


def refuse(problem: str, way_out: str) -> int:
    print(f"dev.py: {problem}\n  {way_out}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
