"""What can go wrong with the files of jobs, as one tree.

::

    OverseenError
    └── AttachmentError
        ├── InvalidAttachmentName   the name cannot be the name of an attachment
        ├── InvalidSource           what was given cannot be read as bytes
        ├── AttachmentTooLarge      it has more bytes than are allowed
        ├── FileNotWritten          the disk refused it; nothing of it is left
        │   └── NoSpaceForFile      ... because it is full, or the quota is used up
        ├── FileNotRead             the disk does not give back what is stored: no fault of any job
        ├── AttachmentDamaged       a stored file is missing, or is not what was stored
        └── AttachmentNotFound      the job has no attachment of that name (a KeyError)
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from overseen_storage.errors import OverseenError

__all__ = [
    "AttachmentDamaged",
    "AttachmentError",
    "AttachmentNotFound",
    "AttachmentTooLarge",
    "Damage",
    "FileNotRead",
    "FileNotWritten",
    "InvalidAttachmentName",
    "InvalidSource",
    "NoSpaceForFile",
    "not_written",
]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NAMES_SHOWN = 20


class AttachmentError(OverseenError):
    """A file of a job could not be taken, kept or given back."""


class InvalidAttachmentName(AttachmentError):
    """The name cannot be the name of an attachment. Evidence: `name` and `problem`."""

    def __init__(self, name: object, problem: str) -> None:
        super().__init__(
            f"{_short(name)} cannot be the name of an attachment: {problem}. Use a plain name "
            'such as "input.mp4", of 1 to 200 characters'
        )
        self.name = name
        self.problem = problem


class InvalidSource(AttachmentError):
    """What was given as the content cannot be read as bytes. Nothing of it was kept.

    Evidence: `name` of the attachment, `problem` and `fix`.
    """

    def __init__(self, name: str, problem: str, fix: str) -> None:
        super().__init__(f"attachment {name!r}: {problem}. {fix}")
        self.name = name
        self.problem = problem
        self.fix = fix


class AttachmentTooLarge(AttachmentError):
    """The content has more bytes than are allowed. Nothing of it was kept.

    Evidence: `name` and `bytes_max`. The source was not read to its end.
    """

    def __init__(self, name: str, *, bytes_max: int) -> None:
        super().__init__(
            f"attachment {name!r} has more than the {bytes_max:,} bytes that are allowed. Raise "
            "the limit, Supervisor(attachment_limit=...), or keep the file elsewhere and pass its "
            "address as an argument"
        )
        self.name = name
        self.bytes_max = bytes_max


class FileNotWritten(AttachmentError):
    """The disk refused the file. Nothing of it is left; the OSError is chained.

    Evidence: `name` of the attachment, `job_id`, `folder`, `size_bytes` written until then.
    """

    fix = "Look at the folder and its disk, then attach it again"

    def __init__(
        self, name: str, *, job_id: int, folder: Path | None, size_bytes: int, why: str
    ) -> None:
        place = "a temporary folder" if folder is None else str(folder)
        super().__init__(
            f"attachment {name!r} of job {job_id} cannot be written to {place} after "
            f"{size_bytes:,} bytes: {why}. Nothing of it is left. {self.fix}"
        )
        self.name = name
        self.job_id = job_id
        self.folder = folder
        self.size_bytes = size_bytes


class NoSpaceForFile(FileNotWritten):
    """The disk is full, or the quota is used up. Free some space and attach it again."""

    fix = "Free some space there, then attach it again"


class FileNotRead(AttachmentError):
    """The disk does not give back a stored file at the moment (the OSError is chained).

    Rights, too many open files, a failing disk: the content may be well, so no job is to blame.
    Evidence: `stored_name`.
    """

    def __init__(self, stored_name: str, why: str) -> None:
        super().__init__(
            f"the stored file {stored_name!r} cannot be read: {why}. Look at the folder of files "
            "beside the database; the file itself may be well"
        )
        self.stored_name = stored_name


class Damage(StrEnum):
    """In which way a stored file is not what was stored."""

    MISSING = "missing"
    """There is no file of that name."""
    SIZE = "size"
    """It is shorter or longer than it was."""
    DIGEST = "digest"
    """It has other bytes than it had."""
    NOT_A_FILE = "not_a_file"
    """Something else has its name: a folder, a link, a pipe."""
    NAME = "name"
    """The name recorded in the database is none that is ever given to a file."""


class AttachmentDamaged(AttachmentError):
    """A stored file is missing, or is not what was stored.

    Evidence: `stored_name`, `damage`, and what was `expected` and `found`, as text.
    """

    def __init__(
        self, stored_name: str, damage: Damage, *, expected: str = "", found: str = ""
    ) -> None:
        super().__init__(
            f"the stored file {stored_name!r} is damaged ({damage.value}): expected "
            f"{expected or 'a file'}, found {found or 'none'}. Somebody changed the folder of "
            "files beside the database: restore the file, or submit the job again with its files"
        )
        self.stored_name = stored_name
        self.damage = damage
        self.expected = expected
        self.found = found


class AttachmentNotFound(AttachmentError, KeyError):
    """The job has no attachment of that name. Evidence: `name` and `present` (those it has)."""

    def __init__(self, name: object, present: Iterable[str]) -> None:
        self.name = name
        self.present = tuple(present)
        super().__init__(f"the job has no attachment {_short(name)}. {self._what_there_is()}")

    def __str__(self) -> str:
        # A KeyError shows the repr of its argument: made for keys, not for sentences.
        return str(self.args[0])

    def _what_there_is(self) -> str:
        if not self.present:
            return "It has none: attach files to a draft, `async with supervisor.draft(...)`"
        shown = ", ".join(map(repr, self.present[:_NAMES_SHOWN]))
        more = len(self.present) - _NAMES_SHOWN
        return f"It has {shown}" + (f" and {more} more" if more > 0 else "")


def not_written(
    error: OSError, name: str, *, job_id: int, folder: Path | None, size_bytes: int
) -> FileNotWritten:
    """Return what the caller is told when the disk refuses: full, or anything else."""
    kind = NoSpaceForFile if error.errno in _FULL else FileNotWritten
    why = os.strerror(error.errno) if error.errno else str(error)
    return kind(name, job_id=job_id, folder=folder, size_bytes=size_bytes, why=why)


def _short(value: object, width: int = 80) -> str:
    text = repr(value) if isinstance(value, str | bytes | int) else f"a {type(value).__qualname__}"
    return text if len(text) <= width else text[: width - 3] + "..."
