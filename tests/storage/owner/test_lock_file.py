"""The file beside the database: what is in it, what stands in its place, what the system says."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.storage.owner.conftest import RECORD, SINCE, OtherOwner, Take, unix_only

from overseen_storage.errors import (
    DatabaseOwned,
    DatabaseReadOnly,
    DatabaseRefused,
    DiskFull,
    OwnerRecord,
    StoreError,
    StoreUnavailable,
)
from overseen_storage.sqlite import owner
from overseen_storage.sqlite.owner import (
    LockFile,
    OwnerLock,
    claim,
    lock_path_of,
    read_owner,
    refusal,
    try_lock,
)


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
