"""The owner lock: at any time at most one process owns a database, and its death is provable.

The operating system keeps the lock and drops it in the same instant as the process, however that
ends. Whoever gets the lock therefore *knows* that the owner before is dead, without heartbeats
or grace periods; the record in the lock file only says who that was.

The lock is on a file of its own, ``<real path of the database>.owner``, never on the database:
closing any descriptor of a file drops all POSIX locks that the process has on it, SQLite's too.
Symbolic links lead to the same lock. *Hard links do not*: two names of one file have two locks,
and two ``-wal`` files, which SQLite itself does not survive. Do not hard-link a database.

The lock file stays when the lock is released. Deleting it would race: another process may have
opened it just before and would lock a file without a name, while a third creates the name anew
and locks that. So a clean release empties the file, and who finds a record there while holding
the lock knows that its owner died without a goodbye.
"""

from __future__ import annotations

import asyncio
import errno
import io
import os
import socket
import stat
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import final

import msgspec

from overseen_storage import errors
from overseen_storage.errors import DatabaseOwned, DatabaseRefused, OwnerRecord, StoreError
from overseen_storage.sqlite.network import refuse_network_file_system

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MEMORY = ":memory:"  # the database that has no file, hence no other process and no lock
POLL_SECONDS = 0.05  # how often `acquire_within` looks again
_RECORD_BYTES_MAX = 4096
_REPLACEMENTS_MAX = 100


class LockFile(io.FileIO):
    """A lock file that this process has open, and whether this object locked it."""

    locked = False
    identity: tuple[int, int] = (0, 0)  # device and inode: which file, whatever its name


@final
class OwnerLock:
    """Ownership of one database by this process, from `acquire` until `release` or its death.

    Keep a reference while the database is in use: if the object is collected, the lock goes.
    A child made by ``os.fork`` has a copy that holds nothing and whose `release` does nothing.
    """

    __slots__ = ("_file", "database_path", "previous", "previous_was_clean")

    def __init__(
        self, path: str, file: LockFile | None, previous: OwnerRecord | None, was_clean: bool
    ) -> None:
        self._file = file
        self.database_path = path
        """Real path of the database (symbolic links resolved), or ``:memory:``."""
        self.previous = previous
        """The owner before, *proven dead*, if it died unreleased and its record is legible."""
        self.previous_was_clean = was_clean
        """True if there was no owner before or the last one released; False if it died."""

    @classmethod
    def acquire(cls, database_path: str | os.PathLike[str], record: OwnerRecord) -> OwnerLock:
        """Take ownership now, or raise; never waits for another owner.

        The database need not exist yet; its folder must. Runs in the calling thread (one fsync).

        Raises:
            DatabaseOwned: somebody has it; names pid, host, since, and the way out.
            NetworkFileSystem: the path is on a file system where locks do not hold.
            DatabaseReadOnly: this user may not write the folder or the lock file.
            DiskFull, StoreUnavailable: the disk has no space, or fails.
            DatabaseRefused: no lock file is possible there (no such folder, no locks, ...).

        Example:
            >>> record = record_of_this_process(since=0, version="0.1.0")
            >>> lock = OwnerLock.acquire(":memory:", record)
            >>> lock.release()
        """
        if database_path == MEMORY:
            return cls(MEMORY, None, None, True)
        real_path = os.path.realpath(database_path)
        refuse_network_file_system(real_path)
        try:
            file = claim(real_path, try_lock)
            try:
                previous, was_clean = _read(file)
                _write(file, record)
            except BaseException:
                file.close()
                raise
        except OSError as error:
            raise refusal(real_path, error) from error
        return cls(real_path, file, previous, was_clean)

    @property
    def held(self) -> bool:
        """Whether this object holds a lock (for ``:memory:`` there is none to hold)."""
        return self._file is not None and not self._file.closed

    def intact(self) -> bool:
        """Whether the lock file still has its name, so that others are really kept out.

        False once somebody deleted or replaced it: a second process can then own the database
        too. Also False after `release`, and if it cannot be seen. For ``:memory:`` always True.
        """
        file = self._file
        if file is None or file.closed:
            return self.database_path == MEMORY
        try:
            return _has_name(file, lock_path_of(self.database_path))
        except OSError:
            return False

    def release(self) -> None:
        """Let go, and say in the lock file that it was on purpose. Safe to call again."""
        file, self._file = self._file, None
        if file is None or file.closed:
            return
        # A failing disk must not keep the lock. The record then stays, and the next owner is told
        # of a death that was none: the harmless way to be wrong.
        with suppress(OSError):
            file.truncate(0)
        # Closing alone would leave the lock with any copy of the descriptor that got away.
        with file:
            _unlock(file)


async def acquire_within(
    database_path: str | os.PathLike[str],
    record: OwnerRecord,
    wait_seconds: float,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> OwnerLock:
    """Take ownership, waiting up to ``wait_seconds`` for the present owner to end.

    Looks at once, every `POLL_SECONDS` of the running loop's time, and last at the deadline.
    Raises as `OwnerLock.acquire`; `DatabaseOwned` only after the wait. Example:
    ``lock = await acquire_within("jobs.db", record, wait_seconds=5)``.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    while True:
        try:
            return OwnerLock.acquire(database_path, record)
        except DatabaseOwned as refused:
            remaining = deadline - loop.time()
            if remaining <= 0:
                refused.add_note(f"Waited {wait_seconds:g} s for the owner to let go.")
                raise
        await sleep(min(POLL_SECONDS, remaining))


def record_of_this_process(*, since: int, version: str) -> OwnerRecord:
    """Who is asking: the record of the process that calls, for `OwnerLock.acquire`.

    ``since`` (microseconds since the Unix epoch) and ``version`` are given, never read here.
    Process ids are reused: host, boot id, pid and start time together identify a process.
    """
    host = _safe(socket.gethostname())
    return OwnerRecord(os.getpid(), host, since, _safe(version), _boot_id(), _process_started())


def read_owner(database_path: str | os.PathLike[str]) -> OwnerRecord | None:
    """The record in the lock file, without taking the lock: the owner's, or a dead one's.

    It is information, not proof: only `OwnerLock.acquire` proves that an owner is dead. None if
    there is no lock file, if it was released cleanly, or if its content is not legible. Raises
    `StoreError` if the file is there but cannot be read.
    """
    if database_path == MEMORY:
        return None
    real_path = os.path.realpath(database_path)
    try:
        with _open(lock_path_of(real_path), os.O_RDONLY) as file:
            return _read(file)[0]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refusal(real_path, error) from error


def lock_path_of(real_path: str) -> str:
    """The lock file of a database whose path has no symbolic links any more."""
    return real_path + ".owner"


def claim(real_path: str, lock: Callable[[LockFile], bool]) -> LockFile:
    """Open and lock the file that has the lock's *name*, or raise `DatabaseOwned`.

    Between opening and locking somebody may delete or replace the file; what got locked then
    keeps nobody out. So its name is checked once it is locked, and if lost, all is done again.
    """
    path = lock_path_of(real_path)
    for _ in range(_REPLACEMENTS_MAX):
        file = _open(path, os.O_RDWR | os.O_CREAT)
        with ExitStack() as unless_it_is_ours:
            unless_it_is_ours.callback(file.close)
            file.locked = lock(file)
            if not file.locked:
                raise _owned(real_path, file)
            if _has_name(file, path):
                unless_it_is_ours.pop_all()
                return file
    raise DatabaseRefused(
        f"{path} was replaced {_REPLACEMENTS_MAX} times while it was being locked: exclude it "
        "from whatever deletes or rewrites it (a cleaner, a sync tool)."
    )


# Every lock file that this process has open, locked or about to be. This is global because fork
# is: an flock belongs to the open file, which a child shares, so a lock inherited by a child that
# lives on would outlive its owner. Only a hook of os.register_at_fork sees every fork, such a hook
# cannot be taken back, hence one hook for the module and this set for it to look at. The set is
# weak, so it keeps no lock alive. The gate keeps a fork in another thread from slipping in between
# the opening of a file and its entry here. (A fork in C, behind Python's back, is not seen.)
_open_files: weakref.WeakSet[LockFile] = weakref.WeakSet()
_fork_gate = threading.RLock()


def _drop_inherited() -> None:
    # Close only. Unlocking or truncating would do it to the parent, whose open file this is.
    for file in list(_open_files):
        file.close()
    _fork_gate.release()


if sys.platform == "win32":
    _OPEN_FLAGS = os.O_BINARY | os.O_NOINHERIT
    # Locked bytes cannot be read by others on Windows: lock one far behind the record.
    _LOCKED_BYTE = 1 << 30

    def try_lock(file: LockFile) -> bool:
        """Lock it without waiting; False if somebody else has."""
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise
        return True

    def _unlock(file: LockFile) -> None:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    os.register_at_fork(
        before=_fork_gate.acquire,
        after_in_parent=_fork_gate.release,
        after_in_child=_drop_inherited,
    )
    # A planted link must not make us empty somebody's file (NOFOLLOW), nor a pipe hang us.
    _OPEN_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

    def try_lock(file: LockFile) -> bool:
        """Lock it without waiting; False if somebody else has."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: LockFile) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _open(path: str, flags: int) -> LockFile:
    def opener(_path: str, _flags: int) -> int:
        return os.open(path, flags | _OPEN_FLAGS, 0o666)

    with _fork_gate:
        file = LockFile(path, "r+b" if flags & os.O_RDWR else "rb", opener=opener)
        _open_files.add(file)
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", path)
    file.identity = (status.st_dev, status.st_ino)
    return file


def _has_name(file: LockFile, path: str) -> bool:
    try:
        named = Path(path).lstat()
    except FileNotFoundError:
        return False
    return file.identity == (named.st_dev, named.st_ino)


def _read(file: LockFile) -> tuple[OwnerRecord | None, bool]:
    """The record, and whether the file says that nobody died (it is empty)."""
    file.seek(0)
    content = file.read(_RECORD_BYTES_MAX)
    if not content:
        return None, True
    try:  # the first line: behind it may be the rest of a longer record, see _write
        return msgspec.json.decode(content.split(b"\n")[0], type=OwnerRecord), False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, False


def _write(file: LockFile, record: OwnerRecord) -> None:
    # Over the old record, then cut: at no moment does a reader find the file empty, which would
    # say "released cleanly". On disk before any work starts, so that this holds after a power cut.
    line = msgspec.json.encode(record) + b"\n"
    file.seek(0)
    if file.write(line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    file.truncate(len(line))
    os.fsync(file.fileno())


def _owned(real_path: str, file: LockFile) -> DatabaseOwned:
    owner, _ = _read(file)
    message = (
        f"{real_path} is owned by {_describe(owner)}; so says {lock_path_of(real_path)}. "
        "A database has one owner at a time: let one process own it and the others ask that one "
        "(a single web worker, say); else stop that process, or use another database here."
    )
    if _is_held_here(file):
        message = (
            f"{real_path} is already owned by this process (pid {os.getpid()}): another Supervisor "
            "here has it open. Use that one, or stop it before opening the file again."
        )
    return DatabaseOwned(message, path=real_path, owner=owner)


def _describe(owner: OwnerRecord | None) -> str:
    if owner is None:
        return "a process that has not written its name yet"
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=owner.since)
        since = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:  # a file is only a file: any number may be in it
        since = f"{owner.since} us after 1970"
    return f"process {owner.pid} on host {owner.host!r} since {since} (version {owner.version!r})"


def _is_held_here(file: LockFile) -> bool:
    held = (it for it in list(_open_files) if it.locked and not it.closed)
    return any(it.identity == file.identity for it in held)


def refusal(real_path: str, error: OSError) -> StoreError:
    """What a failed file operation on the lock file means, and what to do."""
    path = lock_path_of(real_path)
    reason = f"The lock file {path} cannot be used: {error.strerror or error}."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return errors.DatabaseReadOnly(f"{reason} Let this user write the folder and this file.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return errors.DiskFull(f"{reason} Free some space and start again.")
    if error.errno == errno.EIO:
        return errors.StoreUnavailable(f"{reason} The disk fails: see the system's log.")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return DatabaseRefused(f"{reason} Make the folder {Path(path).parent} first.")
    return DatabaseRefused(f"{reason} It must be an ordinary file (no link) where locks work.")


def _safe(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _boot_id() -> str | None:
    return _proc("sys/kernel/random/boot_id").decode().strip() or None


def _process_started() -> int | None:
    # Field 22. The second field is the program's name in parentheses and may itself hold spaces
    # and parentheses, so count from behind the last one, where field 3 begins.
    fields = _proc("self/stat").rpartition(b")")[2].split()
    return int(fields[19]) if len(fields) > 19 else None


def _proc(name: str) -> bytes:
    try:
        return Path("/proc", name).read_bytes()
    except OSError:  # not Linux, or no /proc
        return b""
