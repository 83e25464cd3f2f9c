"""docs/reference/errors.md: the trees of errors, and what each error means."""

from __future__ import annotations

import re
from textwrap import dedent
from types import ModuleType

from docs.generating.markdown import block, prose, sections
from docs.generating.source import classes_of, doc_of

import overseen
from overseen import errors as face
from overseen.attachments import draft_errors as drafts
from overseen.attachments import errors as files
from overseen.batches import errors as batches
from overseen_storage import errors as store
from overseen_storage.errors import OverseenError

INTRODUCTION = """
# Errors

Every error that overseen raises on purpose is an `OverseenError`. Errors carry their evidence as
attributes, so that a program need not read their text, and say what to do next. Two more things
may reach a caller: a `TimeoutError` from the waits that take `timeout=`, and
`asyncio.CancelledError`, which is nobody's error.

An error of the store never becomes the outcome of a job. What a job died of is no error here but
text: the `JobError` in `JobFailed.error`, with type, message and traceback.
"""

PARTS: dict[str, ModuleType] = {
    "At the face": face,
    "About drafts": drafts,
    "About the files of jobs": files,
    "About batches": batches,
    "From the store": store,
}
"""Each part of the page, and the module whose errors it explains."""


def render() -> str:
    """The page."""
    return sections([INTRODUCTION, *(text for part in PARTS for text in _part(part))])


def _part(title: str) -> list[str]:
    module = PARTS[title]
    return [f"## {title}", block(tree(module)), *map(_section, errors_of(module))]


def errors_of(module: ModuleType) -> list[type[OverseenError]]:
    """The errors that a module defines, in order."""
    return [one for one in classes_of(module) if issubclass(one, OverseenError)]


def tree(module: ModuleType) -> str:
    """The tree in the module's docstring."""
    found = re.search(r"::\n\n((?:    .*\n?)+)", doc_of(module))
    assert found is not None, f"{module.__name__} has no tree"
    return dedent(found[1])


def _section(error: type[OverseenError]) -> str:
    bases = ", ".join(f"`{base.__name__}`" for base in error.__bases__)
    place = "overseen" if hasattr(overseen, error.__name__) else error.__module__
    facts = f"A kind of {bases}; `from {place} import {error.__name__}`."
    return f"### {error.__name__}\n\n{prose(doc_of(error))}\n\n{facts}"
