"""The owner lock: one owner at a time, and a death that is known at once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from tests.storage.owner.conftest import RECORD, SINCE, OtherOwner, Take, unix_only

from overseen_storage.errors import DatabaseOwned
from overseen_storage.sqlite import owner
from overseen_storage.sqlite.owner import OwnerLock, acquire_within, lock_path_of, read_owner


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose time stands still but for what `sleep` adds."""

    now = 1000.0

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_second_process_is_refused_and_told_who_was_first(
    database: Path, other: OtherOwner
) -> None:
    """The error names pid, host, since and the way out, and carries the record."""
    with pytest.raises(DatabaseOwned) as refused:
        OwnerLock.acquire(database, RECORD)
    said = refused.value
    assert said.path == str(database.resolve())
    assert said.owner is not None
    assert said.owner.pid == other.pid
    for words in (
        f"process {other.pid}",
        RECORD.host,
        "2026-11-22 07:20:00 UTC",
        "let one process own it",
    ):
        assert words in str(said)


def test_the_owner_can_be_read_without_the_lock(database: Path, other: OtherOwner) -> None:
    """Anybody may ask who owns the database; asking changes nothing."""
    found = read_owner(database)
    assert found is not None
    assert (found.pid, found.host, found.since) == (other.pid, RECORD.host, SINCE)
    assert found.boot_id == RECORD.boot_id
    assert found.process_started is not None or not Path("/proc/self/stat").exists()


@unix_only
def test_kill_frees_the_lock_at_once_and_names_the_dead(
    database: Path, other: OtherOwner, take: Take
) -> None:
    """After kill -9 the next owner has the lock at its first try, and knows who died. (R13)"""
    record = read_owner(database)
    other.kill()
    lock = take(database)
    assert lock.held
    assert lock.previous == record
    assert lock.previous is not None
    assert lock.previous.pid == other.pid
    assert not lock.previous_was_clean
    assert read_owner(database) == RECORD


@unix_only
@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_a_child_that_lives_on_does_not_keep_the_lock(
    database: Path, other: OtherOwner, take: Take, how: str
) -> None:
    """A forked or spawned child of a dead owner holds nothing, though it lives."""
    assert other.tell(how) == "alive"
    other.kill()
    assert take(database).held
    assert other.tell("end") == "alive"


@unix_only
def test_a_release_in_a_child_is_not_the_owners(database: Path, other: OtherOwner) -> None:
    """A forked child that unwinds through `release` takes nothing from its parent."""
    assert other.tell("release in a child") == "child ended 0"
    with pytest.raises(DatabaseOwned):
        OwnerLock.acquire(database, RECORD)
    found = read_owner(database)
    assert found is not None
    assert found.pid == other.pid


def test_released_cleanly_leaves_no_dead(database: Path, other: OtherOwner, take: Take) -> None:
    """After a clean release nobody is reported dead, and the file is kept, empty."""
    assert other.tell("release") == "released"
    assert read_owner(database) is None
    assert Path(lock_path_of(str(database))).read_bytes() == b""
    lock = take(database)
    assert lock.previous is None
    assert lock.previous_was_clean


def test_release_and_acquire_again(database: Path, take: Take) -> None:
    """A lock can be released twice, and taken again by the same process, in the same file."""
    first = take(database)
    inode = Path(lock_path_of(str(database))).stat().st_ino
    first.release()
    first.release()
    assert not first.held
    second = take(database)
    assert second.held
    assert not first.held
    assert Path(lock_path_of(str(database))).stat().st_ino == inode


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs a list of open files")
def test_a_copy_that_got_away_does_not_keep_a_released_lock(database: Path, take: Take) -> None:
    """A fork in C shares the open file unseen: `release` frees the lock all the same."""
    lock = take(database)
    path = lock_path_of(lock.database_path)
    opened = [fd for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    [number] = [int(fd.name) for fd in opened if os.path.realpath(fd) == path]
    copy = os.dup(number)
    lock.release()
    assert take(database).held
    os.close(copy)


def test_a_first_owner_has_no_predecessor(database: Path, take: Take) -> None:
    """Where nobody was before, nobody died; the database itself is neither made nor opened."""
    lock = take(database)
    assert (lock.previous, lock.previous_was_clean) == (None, True)
    assert not database.exists()


def test_the_same_process_is_refused_too(database: Path, take: Take) -> None:
    """A second Supervisor in one process is told that this process already holds the database."""
    lock = take(database)
    with pytest.raises(DatabaseOwned, match=f"already owned by this process.*{os.getpid()}"):
        OwnerLock.acquire(database, RECORD)
    assert lock.held
    assert read_owner(database) == RECORD


def test_same_pid_in_another_process_is_not_this_process(database: Path, other: OtherOwner) -> None:
    """Containers number their processes alike: an equal pid alone never means this process.
    (R13)"""
    path = Path(lock_path_of(str(database)))
    path.write_text(path.read_text().replace(f'"pid":{other.pid}', f'"pid":{os.getpid()}'))
    with pytest.raises(DatabaseOwned) as refused:
        OwnerLock.acquire(database, RECORD)
    assert "this process (pid" not in str(refused.value)


@unix_only
def test_symbolic_links_lead_to_one_lock(database: Path, take: Take) -> None:
    """A link to the file, to its folder, or to a file that is still to be made: one lock."""
    (database.parent / "link.db").symlink_to(database)
    (database.parent / "folder").symlink_to(database.parent)
    lock = take(database.parent / "link.db")
    assert lock.database_path == str(database.resolve())
    for path in (database, database.parent / "folder" / "jobs.db"):
        with pytest.raises(DatabaseOwned):
            OwnerLock.acquire(path, RECORD)


def test_memory_has_no_lock(take: Take, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Any number of supervisors may have a `:memory:` database; no file is made."""
    monkeypatch.chdir(tmp_path)
    first, second = take(":memory:"), take(":memory:")
    assert not first.held
    assert second.intact()
    assert second.previous_was_clean
    assert read_owner(":memory:") is None
    assert list(tmp_path.iterdir()) == []


async def test_waiting_gets_it_as_soon_as_the_first_lets_go(
    database: Path, other: OtherOwner
) -> None:
    """The first look after the release succeeds; the looks before it do not give up."""
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            assert other.tell("release") == "released"

    lock = await acquire_within(database, RECORD, wait_seconds=5, sleep=sleep)
    assert lock.held
    assert naps == [owner.POLL_SECONDS] * 3
    lock.release()


def test_waiting_ends_at_its_deadline(database: Path, take: Take) -> None:
    """After exactly the given seconds of the loop's time the first owner is named."""
    take(database)
    loop = JumpingLoop()

    async def wait(seconds: float) -> float:
        before = loop.time()
        with pytest.raises(DatabaseOwned) as refused:
            await acquire_within(database, RECORD, seconds, sleep=loop.sleep)
        assert f"Waited {seconds:g} s" in refused.value.__notes__[0]
        return loop.time() - before

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(wait(5)) == pytest.approx(5)
        assert runner.run(wait(0.07)) == pytest.approx(0.07)
        assert runner.run(wait(0)) == 0


def test_a_cancelled_wait_leaves_nothing(database: Path, take: Take) -> None:
    """Cancelling the wait gives up; the lock can be taken afterwards."""
    first = take(database)

    async def cancelled(_seconds: float) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(acquire_within(database, RECORD, 5, sleep=cancelled))
    first.release()
    assert take(database).held
