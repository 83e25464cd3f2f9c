"""Files of jobs: rows against what lies in the folder beside the database."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from overseen_storage.audit.checks import Check
from overseen_storage.audit.evidence import Evidence, JobFacts
from overseen_storage.audit.findings import Findings
from overseen_storage.records import AttachmentRecord

_PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the files lie, and how their names are read."""

    path: Path
    """The folder; it need not exist."""
    is_ours: Callable[[str], bool]
    """Whether a file of this name may be one of overseen's."""
    epoch_of: Callable[[str], int | None]
    """The life in which the name was given out."""
    deep: bool = False
    """Whether contents are read and compared with their digests."""


class Filed:
    """Looks at the files of rows as they pass by, then at what lies in the folder besides.

    Without a folder (a database in memory, records) only the rows are looked at.
    """

    def __init__(self, findings: Findings, folder: Folder | None) -> None:
        self._findings = findings
        self._folder = folder
        self.count = 0
        """Files of jobs."""
        self.bytes = 0
        """Their size, by their rows."""

    def see(self, file: AttachmentRecord, row: JobFacts) -> None:
        """One file of a job."""
        self.count += 1
        self.bytes += file.size_bytes
        if file.created_at < row.created_at:
            expected = f"{file.name!r} attached after the job was created"
            self._findings.problem(
                Check.ATTACHMENTS, job=row.id, expected=expected, found=file.created_at
            )
        if self._folder is not None:
            self._look(file, self._folder)

    def _look(self, file: AttachmentRecord, folder: Folder) -> None:
        expected = f"{file.name!r} ({file.stored_name}): {file.size_bytes:,} bytes"
        path = folder.path / file.stored_name
        if not folder.is_ours(file.stored_name):
            self._wrong(file, "a name that stays in the folder", file.stored_name)
            return
        try:
            size = path.lstat().st_size if path.is_file() and not path.is_symlink() else None
        except OSError as error:
            self._wrong(file, expected, f"cannot be read: {error.strerror}")
            return
        if size is None:
            self._wrong(file, expected, "no such file")
        elif size != file.size_bytes:
            self._wrong(file, expected, f"{size:,} bytes")
        elif folder.deep:
            self._read(file, path)

    def _read(self, file: AttachmentRecord, path: Path) -> None:
        try:
            found = digest_of(path)
        except OSError as error:
            self._wrong(file, f"{file.name!r} to be readable", f"{error.strerror}")
            return
        if found != file.digest:
            self._wrong(file, f"{file.name!r} with sha256 {file.digest}", f"sha256 {found}")

    def _wrong(self, file: AttachmentRecord, expected: str, found: str) -> None:
        self._findings.problem(Check.FILES, job=file.job_id, expected=expected, found=found)

    def check_orphans(self, evidence: Evidence, *, epoch: int, owned: bool | None) -> None:
        """Files that no row names. Those of the life `epoch` may be on their way to their rows
        while it goes on; the files of a life that died are removed by the next one."""
        if self._folder is None:
            return
        try:
            with os.scandir(self._folder.path) as entries:
                for entry in entries:
                    if self._folder.is_ours(entry.name) and entry.is_file(follow_symlinks=False):
                        self._orphan(evidence, entry.name, epoch, owned)
        except (FileNotFoundError, NotADirectoryError):
            return

    def _orphan(self, evidence: Evidence, name: str, epoch: int, owned: bool | None) -> None:
        assert self._folder is not None
        if evidence.uses(name):
            return
        given_in = self._folder.epoch_of(name)
        is_last = given_in is not None and given_in >= epoch
        if is_last and owned is not False:
            return
        tell = self._findings.note if is_last else self._findings.problem
        found = f"{name} in {self._folder.path.name}"
        tell(Check.ORPHANS, expected="only files that jobs have", found=found)


def digest_of(path: Path) -> str:
    """The sha256 of a file, in constant memory."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            hashed.update(piece)
    return hashed.hexdigest()
