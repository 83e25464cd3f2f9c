"""Drafts and the files of jobs: written beside the database, checked, handed to bodies, removed.

Rows that say which job has which file are the store's business: `draft.py`, `keeping.py` and
`unheard.py` ask the supervisor for orders about them, `for_body.py` and `tidying.py` read them, and
the rest knows nothing of rows.

| file | subject |
| --- | --- |
| `draft.py` | a draft as its author holds it: attach, release, discard, the block |
| `keeping.py` | uploads under way: their drafts live on, a stop breaks them off |
| `unheard.py` | a draft whose author went away before he had its id |
| `draft_errors.py` | what a draft does not allow |
| `for_body.py` | the files of a job, compared before its body begins |
| `tidying.py` | the actor that removes what nobody uses any more |
| `folder.py` | the folder: write, verify, remove, find what nobody uses |
| `part_file.py` | one file while it is written: temporary name, fsync, rename |
| `sources.py` | what can be attached, as pieces of bytes |
| `given.py` | what a body gets as ``ctx.attachments`` |
| `reading.py` | an open file for coroutines |
| `blocking.py` | how work reaches a thread, and is waited for |
| `names.py` | which names a user may give, and which ones in the folder are ours |
| `stored_names.py` | new names for the folder, given out during one life |
| `errors.py` | what can go wrong with files |
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
