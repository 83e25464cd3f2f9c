"""Text that SQLite can keep and give back unchanged.

SQLite cuts JSON text at a NUL without a word, and stores a lone surrogate that nobody can read
afterwards. Names, errors and log lines are for people: there such a character becomes visible
(``\\x00``, ``\\udc80``). Arguments, results and checkpoints are data: there it is refused.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from overseen_storage.items import Finish, Note, PutBack
from overseen_storage.records import JobError, LogLine, Progress

MESSAGE_LENGTH_MAX = 4_000
TRACEBACK_LENGTH_MAX = 16_000
LOG_LENGTH_MAX = 16_000
PROGRESS_LENGTH_MAX = 1_000
NAME_LENGTH_MAX = 200

Item = TypeVar("Item", bound=msgspec.Struct)

# What is JSON and belongs to the job itself: it is never altered.
_DATA_FIELDS = frozenset({"arguments", "result", "checkpoint"})
# What is JSON and made around the job: an escaped character stays valid JSON.
_JSON_FIELDS = frozenset(
    {"labels", "headers", "data", "on_finish", "on_failure", "aggregate", "summary"}
)


def is_safe(text: str) -> bool:
    """Whether `text` can be stored as it is."""
    if "\0" in text:
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def safe(text: str) -> str:
    r"""`text` with each NUL and lone surrogate made visible.

    >>> safe("a\0b\udc80")
    'a\\x00b\\udc80'
    """
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def safe_json(text: str) -> str:
    r"""The same for the text of a JSON document, which stays one: the backslash is escaped.

    >>> safe_json('{"a": "\udc80"}')
    '{"a": "\\\\udc80"}'
    """
    return "".join(char if is_safe(char) else safe(char).replace("\\", "\\\\") for char in text)


def safe_error(error: JobError) -> JobError:
    """`error` with safe text, cut to the lengths a record has; of a traceback the end is kept."""
    traceback = safe(error.traceback)
    if len(traceback) > TRACEBACK_LENGTH_MAX:
        traceback = "... (cut)\n" + traceback[-(TRACEBACK_LENGTH_MAX - 10) :]
    return JobError(
        safe(error.type)[:NAME_LENGTH_MAX], shortened(error.message, MESSAGE_LENGTH_MAX), traceback
    )


def safe_progress(progress: Progress) -> Progress:
    """`progress` with safe text, cut to the lengths a record has."""
    return Progress(
        progress.done,
        progress.total,
        None if progress.message is None else shortened(progress.message, PROGRESS_LENGTH_MAX),
        None if progress.stage is None else shortened(progress.stage, NAME_LENGTH_MAX),
    )


def safe_log_line(line: LogLine) -> LogLine:
    """`line` with safe text, cut to the longest that is kept."""
    data = None if line.data is None else safe_json(line.data)
    return LogLine(
        line.job_id,
        line.fence,
        line.at,
        safe(line.level)[:20] or "info",
        shortened(line.message, LOG_LENGTH_MAX),
        data,
    )


def shortened(text: str, length_max: int) -> str:
    """`text` made safe and cut; the cut is shown."""
    text = safe(text)
    return text if len(text) <= length_max else text[: length_max - 6] + " (cut)"


def make_safe(item: Item) -> Item:
    """`item` with every text in it safe, or ValueError when that would alter the job's data."""
    changes: dict[str, object] = {}
    for name in item.__struct_fields__:
        value: object = getattr(item, name)
        if isinstance(value, JobError):
            changes[name] = safe_error(value)
        elif isinstance(value, Progress):
            changes[name] = safe_progress(value)
        elif type(value) is str and not is_safe(value):
            if name in _DATA_FIELDS:
                raise ValueError(f"{name} holds a NUL or a lone surrogate: that is not JSON")
            changes[name] = safe_json(value) if name in _JSON_FIELDS else safe(value)
    return msgspec.structs.replace(item, **changes) if changes else item


def needs_shortening(item: Finish | PutBack | Note) -> bool:
    """Whether an error or a progress is longer than what is kept."""
    if isinstance(item, Note):
        progress = item.progress
        return progress is not None and (
            len(progress.message or "") > PROGRESS_LENGTH_MAX
            or len(progress.stage or "") > NAME_LENGTH_MAX
        )
    error = item.error
    return error is not None and (
        len(error.type) > NAME_LENGTH_MAX
        or len(error.message) > MESSAGE_LENGTH_MAX
        or len(error.traceback) > TRACEBACK_LENGTH_MAX
    )
