"""The files of jobs: written beside the database, checked, handed to bodies, removed.

Rows that say which job has which file are the store's business; nothing here reads or writes one.

| file | subject |
| --- | --- |
| `folder.py` | the folder: write, verify, remove, find what nobody uses |
| `part_file.py` | one file while it is written: temporary name, fsync, rename |
| `sources.py` | what can be attached, as pieces of bytes |
| `given.py` | what a body gets as ``ctx.attachments`` |
| `reading.py` | an open file for coroutines |
| `blocking.py` | how work reaches a thread, and is waited for |
| `names.py` | which names are taken |
| `errors.py` | what can go wrong |
"""

from __future__ import annotations

from overseen.attachments.errors import (
    AttachmentDamaged,
    AttachmentError,
    AttachmentNotFound,
    AttachmentTooLarge,
    Damage,
    FileNotRead,
    FileNotWritten,
    InvalidAttachmentName,
    InvalidSource,
    NoSpaceForFile,
)
from overseen.attachments.folder import Folder, NotRemoved, StoredFile, folder_beside
from overseen.attachments.given import Attachment, Attachments
from overseen.attachments.names import check_attachment_name
from overseen.attachments.reading import FileReader
from overseen.attachments.sources import AsyncByteFile, ByteFile, Source

__all__ = [
    "AsyncByteFile",
    "Attachment",
    "AttachmentDamaged",
    "AttachmentError",
    "AttachmentNotFound",
    "AttachmentTooLarge",
    "Attachments",
    "ByteFile",
    "Damage",
    "FileNotRead",
    "FileNotWritten",
    "FileReader",
    "Folder",
    "InvalidAttachmentName",
    "InvalidSource",
    "NoSpaceForFile",
    "NotRemoved",
    "Source",
    "StoredFile",
    "check_attachment_name",
    "folder_beside",
]
