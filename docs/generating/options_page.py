"""docs/reference/job_options.md: what `@job` and `Job.options` take."""

from __future__ import annotations

from docs.generating.markdown import code, inline, prose, sections, table
from docs.generating.source import Member, doc_of, fields, members

from overseen.job_options import JobOptions, OnLost, SubmitOverrides
from overseen.retry_policy import Backoff
from overseen_storage.items import OnConflict

INTRODUCTION = """
# Options of a job

A duration is a number of seconds, text such as `"250ms"`, `"10m"` or `"1h30m"`, or a timedelta. A
wrong value raises `InvalidOption` where it is written, with the bound; options of `@job` also with
the function's file and line.

A job with `attachments` is begun as a draft and given these files before it is released: see
[files for a job](../guide/files.md).

## `@job(...)`: what holds for every job of a kind
"""

OVERRIDES = """
## `job.options(...)`: what holds for one submit

`supervisor.submit(resize.options(priority=5, key="a.png"), "a.png")`. Options said later are laid
over earlier ones.
"""

ON_LOST = "## `on_lost`"
ON_CONFLICT = "## `on_conflict`"
BACKOFF = "## `backoff`"


def render() -> str:
    """The page."""
    return sections(
        [
            INTRODUCTION,
            _table(members(JobOptions)),
            ON_LOST,
            _words(members(OnLost)),
            BACKOFF,
            prose(doc_of(Backoff)),
            OVERRIDES,
            _table(overrides()),
            ON_CONFLICT,
            _words(members(OnConflict)),
        ]
    )


def overrides() -> list[Member]:
    """The options of a submit; those that `@job` has too say what they say there."""
    said = fields(JobOptions)
    return [
        Member(
            one.name,
            one.annotation,
            one.value,
            f"As in `@job`: {said[one.name]}" if one.name in said else one.doc,
        )
        for one in members(SubmitOverrides)
    ]


def _table(options: list[Member]) -> str:
    rows = [(code(one.name), code(one.annotation), inline(one.doc)) for one in options]
    return table(["option", "type", "meaning"], rows)


def _words(found: list[Member]) -> str:
    return "\n".join(f"* `{one.value.strip(chr(39))}`: {inline(one.doc)}" for one in found)
