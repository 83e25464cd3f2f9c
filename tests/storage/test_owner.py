"""The owner lock: one owner at a time, and a death that is known at once.

Other owners are real processes that are told what to do through a pipe and answer through one.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from overseen_storage.errors import (
    DatabaseOwned,
    DatabaseReadOnly,
    DatabaseRefused,
    DiskFull,
    NetworkFileSystem,
    OwnerRecord,
    StoreError,
    StoreUnavailable,
)
from overseen_storage.sqlite import network, owner
from overseen_storage.sqlite.network import is_unc_path, mount_of, network_message
from overseen_storage.sqlite.owner import (
    LockFile,
    OwnerLock,
    acquire_within,
    claim,
    lock_path_of,
    read_owner,
    record_of_this_process,
    refusal,
    try_lock,
)

SINCE = 1_795_332_000_000_000  # 2026-11-22 07:20:00 UTC
RECORD = record_of_this_process(since=SINCE, version="0.1.0")

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs fork or signals")

OWNER_PROGRAM = """
import os, subprocess, sys
from overseen_storage.sqlite.owner import OwnerLock, record_of_this_process

def say(*words):
    print(*words, flush=True)

record = record_of_this_process(since=int(sys.argv[2]), version="0.1.0")
lock = OwnerLock.acquire(sys.argv[1], record)
say("owned", os.getpid())
STAY = "import os; print('alive', flush=True); os.read(0, 9); print('alive', flush=True)"
while command := os.read(0, 99).decode().strip():
    if command == "release":
        lock.release()
        say("released")
    elif command == "fork":
        if os.fork() == 0:
            exec(STAY)
            os._exit(0)
    elif command == "release in a child":
        if (child := os.fork()) == 0:
            lock.release()
            os._exit(int(lock.held))
        say("child ended", os.waitpid(child, 0)[1])
    elif command == "spawn":
        subprocess.Popen([sys.executable, "-c", STAY], close_fds=False)
"""


class OtherOwner:
    """A process that owns a database, and does what it is told."""

    def __init__(self, database: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER_PROGRAM, str(database), str(SINCE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(owner.__file__).parents[2])},
        )
        self.pid = self.process.pid
        assert self.listen() == f"owned {self.pid}"

    def tell(self, command: str) -> str:
        """Write a command and wait for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.listen()

    def listen(self) -> str:
        """Wait for one line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        """End it without a goodbye, and wait until it is gone."""
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL

    def close(self) -> None:
        """End whatever still reads the pipe, its children included, and wait for them."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait()


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose time stands still but for what `sleep` adds."""

    now = 1000.0

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def other(database: Path) -> Iterator[OtherOwner]:
    process = OtherOwner(database)
    yield process
    process.close()


@pytest.fixture
def take() -> Iterator[Callable[[Path | str], OwnerLock]]:
    taken: list[OwnerLock] = []

    def acquire(path: Path | str) -> OwnerLock:
        taken.append(OwnerLock.acquire(path, RECORD))
        return taken[-1]

    yield acquire
    for lock in taken:
        lock.release()


Take = Callable[[Path | str], OwnerLock]


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
    for words in (f"process {other.pid}", RECORD.host, "2026-11-22 07:20:00 UTC", "overseen serve"):
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


@unix_only
def test_a_deleted_or_replaced_lock_file_is_noticed(database: Path, take: Take) -> None:
    """`intact` turns False when the file loses its name; `release` then spares its successor."""
    lock = take(database)
    path = Path(lock_path_of(str(database)))
    assert lock.intact()
    path.unlink()
    assert not lock.intact()
    path.write_text("another's")
    assert not lock.intact()
    lock.release()
    assert path.read_text() == "another's"
    assert not lock.intact()


@unix_only
def test_a_lock_that_cannot_be_seen_is_not_intact(tmp_path: Path, take: Take) -> None:
    """Where the lock file cannot be looked at, `intact` claims nothing."""
    folder = tmp_path / "folder"
    folder.mkdir()
    lock = take(folder / "jobs.db")
    folder.rename(tmp_path / "moved")
    folder.touch()
    assert not lock.intact()
    assert lock.held


@unix_only
def test_a_file_replaced_while_it_is_locked_is_not_taken_for_the_lock(database: Path) -> None:
    """Losing the race against a deletion means locking again, until the locked file is named."""
    path = Path(lock_path_of(str(database)))
    opened: list[int] = []

    def lock_too_late(file: LockFile) -> bool:
        opened.append(file.fileno())
        if len(opened) == 1:
            path.unlink()
        elif len(opened) == 2:
            path.rename(path.with_suffix(".old"))
            path.touch()
        return try_lock(file)

    with claim(str(database), lock_too_late) as file:
        assert len(opened) == 3
        assert os.path.samestat(os.fstat(file.fileno()), path.stat())
        with pytest.raises(DatabaseOwned):
            OwnerLock.acquire(database, RECORD)


@unix_only
def test_a_file_replaced_for_ever_is_an_error(database: Path) -> None:
    """Something that keeps deleting the file is named as the problem, and nothing hangs."""

    def deleted(file: LockFile) -> bool:
        Path(lock_path_of(str(database))).unlink()
        return try_lock(file)

    with pytest.raises(DatabaseRefused, match="was replaced 100 times"):
        claim(str(database), deleted)


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        b"{",
        b"\xff\xfe",
        b"[" * 9000,
        b'{"x":' + b"[" * 4000,
        b'{"pid": "1"}',
        b"null",
        b"x" * 9000,
    ],
)
def test_an_illegible_record_means_an_unknown_death(
    database: Path, take: Take, content: bytes
) -> None:
    """Whatever is in the file, it can be read and taken over; the end before was not clean."""
    Path(lock_path_of(str(database))).write_bytes(content)
    assert read_owner(database) is None
    lock = take(database)
    assert (lock.previous, lock.previous_was_clean) == (None, False)
    assert read_owner(database) == RECORD


def test_a_longer_record_before_leaves_nothing_behind(database: Path, take: Take) -> None:
    """A new owner's record replaces the old one whole; unknown fields of it do not matter."""
    path = Path(lock_path_of(str(database)))
    path.write_bytes(b'{"pid":7,"host":"a","since":9,"version":"9","new":"' + b"n" * 900 + b'"}\n')
    lock = take(database)
    assert lock.previous == OwnerRecord(pid=7, host="a", since=9, version="9")
    assert path.read_bytes().count(b"\n") == 1
    assert read_owner(database) == RECORD


@pytest.mark.parametrize("since", [-(10**18), 10**18])
def test_a_record_with_an_impossible_time_is_still_named(
    database: Path, other: OtherOwner, since: int
) -> None:
    """A time that no calendar has does not turn the refusal into another error."""
    path = Path(lock_path_of(str(database)))
    path.write_text(path.read_text().replace(str(SINCE), str(since)))
    with pytest.raises(DatabaseOwned, match=f"process {other.pid} .* since {since} us"):
        OwnerLock.acquire(database, RECORD)


def test_an_owner_without_a_record_is_still_an_owner(database: Path, other: OtherOwner) -> None:
    """Between locking and writing an owner has no name yet: refused all the same."""
    os.truncate(lock_path_of(str(database)), 0)
    with pytest.raises(DatabaseOwned, match="not written its name yet") as refused:
        OwnerLock.acquire(database, RECORD)
    assert refused.value.owner is None


def test_a_record_that_cannot_be_written_keeps_no_lock(database: Path, take: Take) -> None:
    """If writing the record fails, the lock is free again."""
    broken = OwnerRecord(pid=1, host="\ud800", since=0, version="")
    with pytest.raises(UnicodeEncodeError):
        OwnerLock.acquire(database, broken)
    assert take(database).held


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The error says which folder to make."""
    with pytest.raises(DatabaseRefused, match=r"Make the folder .*missing first"):
        OwnerLock.acquire(tmp_path / "missing" / "jobs.db", RECORD)
    assert read_owner(tmp_path / "missing" / "jobs.db") is None


@unix_only
def test_a_link_in_the_place_of_the_lock_file_is_refused(database: Path) -> None:
    """A planted link cannot make an owner empty or overwrite somebody's file."""
    precious = database.parent / "precious"
    precious.write_text("mine")
    Path(lock_path_of(str(database))).symlink_to(precious)
    with pytest.raises(DatabaseRefused, match="no link"):
        OwnerLock.acquire(database, RECORD)
    with pytest.raises(StoreError):
        read_owner(database)
    assert precious.read_text() == "mine"


@unix_only
@pytest.mark.parametrize(
    ("make", "reason"),
    [(Path.mkdir, "Is a directory"), (os.mkfifo, "not a regular file")],
    ids=["folder", "pipe"],
)
def test_only_an_ordinary_file_can_be_the_lock(
    database: Path, make: Callable[[Path], None], reason: str
) -> None:
    """A folder or a pipe in its place is a clear error, never a hang."""
    make(Path(lock_path_of(str(database))))
    with pytest.raises(DatabaseRefused, match=f"{reason}.*ordinary file"):
        OwnerLock.acquire(database, RECORD)
    with pytest.raises(StoreError, match=reason):
        read_owner(database)


READ_ONLY_PROGRAM = """
import os, sys
from overseen_storage.errors import DatabaseReadOnly
from overseen_storage.sqlite.owner import OwnerLock, record_of_this_process
if os.geteuid() == 0:
    os.setuid(65534)  # nobody: root may write anywhere
try:
    OwnerLock.acquire(sys.argv[1], record_of_this_process(since=0, version=""))
except DatabaseReadOnly as error:
    print(error)
"""


@unix_only
def test_a_read_only_folder_is_a_clear_error() -> None:
    """Who may not write the folder is told so, and what to do."""
    with tempfile.TemporaryDirectory() as folder:  # tmp_path is closed to other users
        Path(folder).chmod(0o555)
        said = subprocess.run(
            [sys.executable, "-c", READ_ONLY_PROGRAM, f"{folder}/jobs.db"],
            env={**os.environ, "PYTHONPATH": str(Path(owner.__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert f"{folder}/jobs.db.owner cannot be used: Permission denied" in said
    assert "Let this user write the folder" in said


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EROFS, DatabaseReadOnly),
        (errno.ENOSPC, DiskFull),
        (errno.EIO, StoreUnavailable),
        (errno.ENOLCK, DatabaseRefused),
    ],
)
def test_an_error_of_the_system_becomes_ours(number: int, kind: type[StoreError]) -> None:
    """Each failure of the system has the error of the tree that says what to do."""
    error = refusal("/srv/jobs.db", OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert "/srv/jobs.db.owner" in str(error)
    assert os.strerror(number) in str(error)


MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:40 / /srv rw - nfs4 box:/srv rw
41 40 0:41 / /srv/local rw shared:2 master:3 - xfs /dev/vdb rw
42 27 0:42 / /mnt/my\040share rw - cifs //box/share rw
43 27 0:43 / /mnt/c rw - 9p drvfs rw,aname=drvfs
44 27 0:44 / /net rw - autofs auto rw
45 44 0:45 / /net rw - nfs box:/net rw
46 27 0:46 / /home/me/far rw - fuse.sshfs me@box: rw
not a line of the table
"""


@pytest.mark.parametrize(
    ("path", "file_system"),
    [
        ("/jobs.db", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/jobs.db", "nfs4"),
        ("/srv2/jobs.db", "ext4"),
        ("/srv/local/jobs.db", "xfs"),
        ("/mnt/my share/jobs.db", "cifs"),
        ("/mnt/my/jobs.db", "ext4"),
        ("/mnt/c/jobs.db", "9p"),
        ("/net/jobs.db", "nfs"),
        ("/home/me/far/away/jobs.db", "fuse.sshfs"),
    ],
)
def test_the_mount_of_a_path_is_found(path: str, file_system: str) -> None:
    """The longest mount point that holds the path wins, and of stacked mounts the last."""
    mount = mount_of(MOUNTS, path)
    assert mount is not None
    assert mount.file_system == file_system
    assert (file_system in network.NETWORK_FILE_SYSTEMS) == (file_system not in {"ext4", "xfs"})


def test_an_unknown_mount_is_no_mount() -> None:
    """A table that says nothing about the path gives no answer, not a guess."""
    assert mount_of("", "/jobs.db") is None
    assert mount_of("40 27 0:40 / /srv rw - nfs4 box:/srv rw", "/jobs.db") is None


def test_a_network_file_system_is_refused(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database there is not locked at all: no file is made, and the way out is told. (R53)"""
    table = Path("/proc/self/mountinfo")
    mount = mount_of(table.read_text(), str(database.resolve())) if table.exists() else None
    if mount is None:
        pytest.skip("no mount table here")
    monkeypatch.setattr(network, "NETWORK_FILE_SYSTEMS", frozenset({mount.file_system}))
    with pytest.raises(NetworkFileSystem, match=f"{mount.file_system}.*local disk.*overseen serve"):
        OwnerLock.acquire(database, RECORD)
    assert list(database.parent.iterdir()) == []


def test_wsl_users_are_told_about_wsl() -> None:
    """On 9p the message speaks of Windows drives; elsewhere it does not."""
    assert "WSL" in network_message("/mnt/c/jobs.db", "9p")
    assert "WSL" not in network_message("/srv/jobs.db", "nfs4")


@pytest.mark.parametrize(
    ("path", "is_unc"),
    [
        (r"\\server\share\jobs.db", True),
        (r"\\?\UNC\server\share\jobs.db", True),
        (r"\\?\C:\jobs.db", False),
        (r"C:\jobs.db", False),
        ("jobs.db", False),
    ],
)
def test_a_windows_share_is_recognised(path: str, is_unc: bool) -> None:
    """A UNC path is a network path; a long local path is not."""
    assert is_unc_path(path) is is_unc
