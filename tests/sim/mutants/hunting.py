"""Hunts mutants: plays histories of one until the invariant that should notice it does.

python3 dev.py sim --mutants            all of them, and writes down the catching seeds
python3 dev.py sim --mutants NAME ...   these, and shows what caught them
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / name) for name in ("", "supervisor", "actors", "storage")]

from tests.sim.history import Record, play  # noqa: E402 - after the path
from tests.sim.mutants.all import MUTANTS  # noqa: E402
from tests.sim.mutants.mutant import Mutant  # noqa: E402
from tests.sim.mutants.planting import planted  # noqa: E402
from tests.sim.options import options_of  # noqa: E402
from tests.sim.template import template  # noqa: E402

CAUGHT = Path(__file__).with_name("caught.json")
HISTORIES_MAX = 3_000
SECONDS_MAX = float(os.environ.get("OVERSEEN_HUNT_SECONDS", "240"))
COLLECT_EACH = 20
AT_ONCE = int(os.environ.get("OVERSEEN_HUNT_AT_ONCE", "2"))
HERE = "--here"
"""Hunt this one mutant in this process: what the hunter tells its own children."""


@dataclass(frozen=True, slots=True)
class Catch:
    """How a mutant was caught."""

    name: str
    seed: int
    histories: int
    """Played until then, with seeds from 0 on."""
    caught_by: tuple[str, ...]
    """Every invariant that was broken in that history; the expected one is among them."""
    seconds: float
    """Of processor time, of all these histories."""


_decode = msgspec.json.Decoder(Catch | None).decode
_decode_all = msgspec.json.Decoder(list[Catch]).decode


def play_mutant(mutant: Mutant, seed: int) -> Record:
    """One history of the product with the bug."""
    template()  # made by the product itself
    with planted(mutant.changes):
        return play(options_of(seed))


def hunt(mutant: Mutant, histories: int = HISTORIES_MAX) -> Catch | None:
    """Play one history after the other; None if none of them notices."""
    begun = time.process_time()
    for seed in range(histories):
        record = play_mutant(mutant, seed)
        names = tuple(sorted({one.name for one in record.violations}))
        if any(name.startswith(mutant.noticed_by) for name in names):
            used = round(time.process_time() - begun, 1)
            return Catch(mutant.name, seed, seed + 1, names, used)
        if names:
            say(f"  {mutant.name}: seed {seed} breaks {', '.join(names)} only")
        if seed % COLLECT_EACH == 0:
            gc.collect()
        if time.process_time() - begun > SECONDS_MAX:
            say(f"  {mutant.name}: gives up after {seed + 1} histories")
            return None
    return None


def read_catches() -> dict[str, Catch]:
    """What is written down."""
    catches = _decode_all(CAUGHT.read_bytes()) if CAUGHT.exists() else []
    return {one.name: one for one in catches}


def write_catch(catch: Catch) -> None:
    """Write it down, in the order of the list; several hunters may do so at once."""
    folder = os.open(CAUGHT.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        catches = {**read_catches(), catch.name: catch}
        found = [asdict(catches[one.name]) for one in MUTANTS if one.name in catches]
        CAUGHT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    finally:
        os.close(folder)


def main(arguments: list[str]) -> int:
    """Hunt some or all, write down what is caught; 1 if one was not."""
    by_name = {one.name: one for one in MUTANTS}
    if arguments[:1] == [HERE]:
        catch = hunt(by_name[arguments[1]])
        say(json.dumps(None if catch is None else asdict(catch)))
        return 0
    names = arguments or list(by_name)
    left = set(names)
    with ThreadPoolExecutor(AT_ONCE) as hunters:
        for done in as_completed(hunters.submit(_hunt_apart, name) for name in names):
            catch = done.result()
            if catch is not None:
                left.discard(catch.name)
                write_catch(catch)
    say(f"{len(names) - len(left)} of {len(names)} mutants caught")
    for name in sorted(left):
        say(f"  not caught: {name}")
    return int(bool(left))


def _hunt_apart(name: str) -> Catch | None:
    """In a process of its own: a mutant may hang, or leave something behind."""
    command = [sys.executable, __file__, HERE, name]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=40 * SECONDS_MAX, check=False
        )
        *told, answer = done.stdout.splitlines()
        catch: Catch | None = _decode(answer)
    except (subprocess.TimeoutExpired, ValueError, msgspec.DecodeError) as error:
        say(f"{name}: {error!r}")
        return None
    for line in told:
        say(line)
    if catch is not None:
        say(f"{name}: after {catch.histories} histories, by {', '.join(catch.caught_by)}")
    return catch


def say(text: str) -> None:
    """Print a line, now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
