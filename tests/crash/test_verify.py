"""`verify` beside a program that writes, and after one that was killed."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.crash.children import Child

from overseen.verifying.command import verify
from overseen_storage.audit import Check, Severity


def test_a_database_is_verified_while_its_owner_writes(tmp_path: Path) -> None:
    """Read in one transaction beside a running owner, again and again, nothing is wrong, and the
    owner is seen to live."""
    database = tmp_path / "jobs.db"
    with Child("under_load.py", database, 1) as child:
        for looks, _ in enumerate(child.lines()):
            if looks % 20 == 19:
                audit = verify(database)
                assert audit.findings == (), audit.findings
                assert audit.owner.alive is True
            if looks >= 100:
                break
        child.signal(signal.SIGKILL)


def test_a_killed_database_is_sound_before_and_after_the_next_start(tmp_path: Path) -> None:
    """What a dead process left running is told as a note, not as a problem, and no byte is
    changed; after the next start has resolved it, nothing is left to tell. (R11)"""
    database = tmp_path / "jobs.db"
    running = 0
    for seed in range(4):
        with Child("under_load.py", database, seed) as child:
            for _, _ in zip(range(40 + 7 * seed), child.lines(), strict=False):
                pass
            child.signal(signal.SIGKILL)
            child.wait()
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        audit = verify(database)
        after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        assert before == after
        assert audit.owner.alive is False
        assert audit.looked is not None
        assert audit.problems == 0, audit.findings
        assert {(one.check, one.severity) for one in audit.findings} <= {
            (Check.LIVE, Severity.NOTE)
        }
        assert audit.notes == audit.looked.live
        running += audit.looked.live
    assert running, "a kill hit it at work"

    with Child("under_load.py", database, 0, "finish") as child:
        for _ in child.lines():
            pass
        assert child.wait() == 0
    assert verify(database).findings == ()
