"""Drafts: files are attached, then they are released; or they are given up, and their files go."""

from __future__ import annotations

from overseen_storage.orders import Attach, KeepDraft, OrderAnswer, Release
from overseen_storage.sqlite.writer import Writer


def attach(writer: Writer, order: Attach) -> OrderAnswer:
    """A file belongs to a draft."""
    raise NotImplementedError


def keep(writer: Writer, order: KeepDraft) -> OrderAnswer:
    """A draft expires later."""
    raise NotImplementedError


def release(writer: Writer, order: Release) -> OrderAnswer:
    """RELEASE or RELEASE_LATER of a draft."""
    raise NotImplementedError
