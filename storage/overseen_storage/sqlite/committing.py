"""How a transaction begins and ends, and what is done when its end fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from overseen_storage.errors import DatabaseBusy, StoreError
from overseen_storage.sqlite.checkpoints import checkpoint_all
from overseen_storage.sqlite.opening import read_heights
from overseen_storage.sqlite.session import Session
from overseen_storage.sqlite.statements import statement
from overseen_storage.sqlite.transaction import Applied, Prepared, apply_group
from overseen_storage.sqlite.translate_errors import code_of, is_about_a_row
from overseen_storage.sqlite.writer import Heights

T = TypeVar("T")


class CommitFailed(Exception):
    """COMMIT raised: whether the transaction is on disk is not known from here."""

    def __init__(self, cause: sqlite3.Error, before: Heights, applied: Applied | None) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.before = before
        """The heights before the transaction."""
        self.applied = applied
        """What the transaction did, if it is on disk."""


def commit_group(connection: sqlite3.Connection, session: Session, prepared: Prepared) -> Applied:
    """Apply a group in one transaction. What this returns is on disk."""
    session.check()
    prove(connection, session)
    try:
        done = _attempt(connection, session, prepared, careful=False)
    except Exception as error:
        if not is_about_a_row(error):
            raise
        session.heights = read_heights(connection)
        done = _attempt(connection, session, prepared, careful=True)
    session.heights = done.heights
    return done


def _attempt(
    connection: sqlite3.Connection, session: Session, prepared: Prepared, *, careful: bool
) -> Applied:
    before = session.heights
    connection.execute("BEGIN IMMEDIATE")
    try:
        if prepared.group.at <= before.stamp:
            raise StoreError(
                f"A group has the stamp {prepared.group.at}, but {before.stamp} is on disk "
                "already: stamps must rise. Take them from one Stamper."
            )
        done = apply_group(connection, prepared, before, careful=careful)
        if done.events:
            done.heights.stamp = connection.execute(statement("last_stamp")).fetchone()[0]
        else:
            done.heights.stamp = before.stamp
    except BaseException:
        roll_back(connection)
        raise
    _commit(connection, session, done)
    return done


def in_transaction(
    connection: sqlite3.Connection, session: Session, function: Callable[[], T]
) -> T:
    """Run `function` in one write transaction."""
    session.check()
    prove(connection, session)
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = function()
    except BaseException:
        roll_back(connection)
        raise
    _commit(connection, session, None)
    return result


def _commit(connection: sqlite3.Connection, session: Session, done: Applied | None) -> None:
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        # The waiter may have been cancelled: whoever comes next finds the mark.
        session.suspect = True
        session.doubtful |= code_of(error) & 0xFF == sqlite3.SQLITE_IOERR
        raise CommitFailed(error, session.heights, done) from error


def prove(connection: sqlite3.Connection, session: Session) -> None:
    """After a COMMIT that failed at the disk: see that what can be read is really there, before
    anybody is told so, and before more is put behind it. Raises while that is not possible."""
    if not session.doubtful or session.identity is None:
        return
    if not checkpoint_all(connection):
        raise DatabaseBusy(
            f"{session.path}: a COMMIT failed, and its log cannot be moved into the database "
            "while another program reads from it; that has to end its transaction."
        )
    session.doubtful = False


def roll_back(connection: sqlite3.Connection) -> None:
    """Undo the transaction; SQLite may have done so itself, after an I/O error."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
